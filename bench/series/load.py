"""The points of S hosts: three float fields and one tag, a point of each host every two seconds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MEASUREMENT = "machine"
TAG = "host"
# Level and noise of each field.
FIELDS = {"load": (40.0, 4.0), "temperature": (60.0, 0.5), "queue": (12.0, 2.0)}
STEP_NS = 2_000_000_000
_BODY_LINES = 1_000
# Noise is drawn once, and points take it in turn: drawing it costs more than sending it.
_NOISE = 4_099


@dataclass(frozen=True, slots=True)
class Body:
    """The body of one write.

    Attributes:
        due_ns: the time of its last point.
        lines: its points as line protocol.
        points: how many points it has.
    """

    due_ns: int
    lines: bytes
    points: int


def bodies(series: int, begin_ns: int, end_ns: int) -> Iterator[Body]:
    """Yield writes of all points in [begin_ns, end_ns), in the order of time.

    The hosts' points are spread evenly over the two seconds, as those of real hosts are.

    Args:
        series: the number of hosts.
        begin_ns: the time of the first point of the first host.
        end_ns: where the points end.
    """
    noise = np.random.default_rng(series).standard_normal((_NOISE, len(FIELDS)))
    texts = [
        ",".join(
            f"{name}={level + sigma * value:.3f}"
            for (name, (level, sigma)), value in zip(FIELDS.items(), row, strict=True)
        )
        for row in noise.tolist()
    ]
    each_ns = STEP_NS // series
    heads = [f"{MEASUREMENT},{TAG}=h{host:05}" for host in range(series)]
    at = 0
    for step_ns in range(begin_ns, end_ns, STEP_NS):
        for first in range(0, series, _BODY_LINES):
            hosts = range(first, min(first + _BODY_LINES, series))
            lines = [f"{heads[host]} {texts[(at + host) % _NOISE]} {step_ns + host * each_ns}" for host in hosts]
            yield Body(step_ns + hosts[-1] * each_ns, "\n".join(lines).encode(), len(lines))
        at += 1_009
