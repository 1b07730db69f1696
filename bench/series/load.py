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
# A write of points as they fall due holds no more than this: what waits for the rest of a write is late.
LIVE_NS = 50_000_000
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


def bodies(series: int, begin_ns: int, end_ns: int, most_ns: int = STEP_NS, *, incomplete: int = 0) -> Iterator[Body]:
    """Yield writes of all points in [begin_ns, end_ns), in the order of time.

    The hosts' points are spread evenly over the two seconds, as those of real hosts are.

    Args:
        series: the number of hosts.
        begin_ns: the time of the first point of the first host.
        end_ns: where the points end.
        most_ns: the times of a write's points are less than this apart.
        incomplete: the points of this many hosts, the first ones, lack the last field.
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
    # What is left of a text without its last field.
    lacking = [text.rpartition(",")[0] for text in texts]
    lines_of_body = min(_BODY_LINES, max(most_ns // each_ns, 1))
    heads = [f"{MEASUREMENT},{TAG}=h{host:05}" for host in range(series)]
    at = 0
    for step_ns in range(begin_ns, end_ns, STEP_NS):
        for first in range(0, series, lines_of_body):
            hosts = range(first, min(first + lines_of_body, series))
            lines = [
                f"{heads[host]} {(lacking if host < incomplete else texts)[(at + host) % _NOISE]} "
                f"{step_ns + host * each_ns}"
                for host in hosts
            ]
            yield Body(step_ns + hosts[-1] * each_ns, "\n".join(lines).encode(), len(lines))
        at += 1_009
