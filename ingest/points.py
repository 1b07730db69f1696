"""Defines the points that all modules of this package exchange, and turns them into line protocol."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from influxdb.line_protocol import make_line

_DIVISORS = {"s": 1_000_000_000, "ms": 1_000_000, "n": 1}


class SeriesPoint(NamedTuple):
    """One row of a series.

    Attributes:
        time_ns: nanoseconds since 1970.
        tags: tag keys and values.
        fields: at least one field, by name; a value is a float, or an integer where the column was declared so.
    """

    time_ns: int
    tags: Mapping[str, str]
    fields: Mapping[str, float | int]


def to_lines(points: Iterable[SeriesPoint], measurement: str, precision: str) -> list[str]:
    """Return the points as line protocol, which the influxdb client's own code escapes.

    Args:
        points: the points.
        measurement: the measurement that they are written to.
        precision: the unit of the timestamps, ``s``, ``ms`` or ``n``; the write must name it, too.
    """
    divisor = _DIVISORS[precision]
    return [make_line(measurement, point.tags, point.fields, point.time_ns // divisor) for point in points]
