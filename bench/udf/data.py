"""The points that every row gets: one measurement, one tag, three float fields."""

import random
from collections.abc import Iterator
from functools import cache

MEASUREMENT = "bench"
TAG = "source"
FIELDS = {"hotend": (210.0, 1.5), "bed": (60.0, 0.5), "air": (24.0, 1.0)}
"""Mean and standard deviation of each field."""

_BODY_LINES = 1000
_BODIES = 100
START_NS = 1_700_000_000_000_000_000
_STEP_NS = 1_000_000


class Load:
    """Line protocol whose tag takes `groups` values in turn, made beforehand: making it costs more than sending it."""

    def __init__(self, groups: int) -> None:
        numbers = values(groups)
        self._lines = [
            line(index % groups, START_NS + index * _STEP_NS, numbers) for index in range(_BODY_LINES * _BODIES)
        ]
        self._bodies = [
            "\n".join(self._lines[start : start + _BODY_LINES]).encode()
            for start in range(0, len(self._lines), _BODY_LINES)
        ]

    def bodies(self, points: int) -> Iterator[bytes]:
        """Yield the bodies of the writes that bring `points` points; the points repeat where that is more than all."""
        whole, rest = divmod(points, _BODY_LINES)
        for index in range(whole):
            yield self._bodies[index % _BODIES]
        if rest:
            yield "\n".join(self._lines[:rest]).encode()


def values(seed: int) -> random.Random:
    """Return what makes the values of fields."""
    return random.Random(seed)  # noqa: S311 - test data


def line(source: int, time_ns: int, values: random.Random) -> str:
    """Line protocol of one point."""
    fields = ",".join(f"{name}={values.gauss(mean, deviation):.3f}" for name, (mean, deviation) in FIELDS.items())
    return f"{MEASUREMENT},{TAG}=s{source} {fields} {time_ns}"


@cache
def load(groups: int) -> Load:
    """Return the load of this many groups, which is equal for all rows."""
    return Load(groups)
