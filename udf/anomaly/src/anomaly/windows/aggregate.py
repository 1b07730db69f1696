"""InfluxQL's aggregates, computed from the raw points of one window, so that serving sees what training saw.

Source of the semantics: influxdb 1.12.4, query/call_iterator.go and query/functions.go. Pure Python: a window has tens
of values, for which numpy costs more than it saves.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Number = int | float
# (time in nanoseconds, value), sorted by time
Samples = Sequence[tuple[int, Number]]


@dataclass(slots=True)
class Window:
    """The usable values of one window.

    samples: for each field its (time, value) pairs by time; fields without any are absent.
    late: points outside of the window. unusable: values that are no finite number (strings, booleans).
    """

    samples: dict[str, list[tuple[int, Number]]] = field(default_factory=dict)
    late: int = 0
    unusable: int = 0


def collect(
    points: Iterable[tuple[int, Mapping[str, str], Mapping[str, object]]],
    fields: Sequence[str],
    begin_ns: int,
    end_ns: int,
) -> Window:
    """The window [begin_ns, end_ns) out of (time, tags, fields) points.

    InfluxDB keeps one value for a series (all tags, not only the grouped ones), a field and a time: the last one
    written. So does this.
    """
    window = Window()
    inside: list[tuple[int, Mapping[str, str], Mapping[str, object]]] = []
    for point in points:
        if begin_ns <= point[0] < end_ns:
            inside.append(point)
        else:
            window.late += 1
    # Two points of one time are rare, and telling their series apart costs more than all the rest.
    again = len({time for time, _, _ in inside}) < len(inside)
    for name in fields:
        found: list[tuple[int, Number]] = []
        newest: dict[tuple[int, tuple[tuple[str, str], ...]], Number] = {}
        for time, tags, values in inside:
            value = values.get(name)
            # Exact types first: they are what Kapacitor sends.
            if type(value) is float or type(value) is int:
                if not math.isfinite(value):
                    window.unusable += 1
                elif again:
                    newest[time, tuple(sorted(tags.items()))] = value
                else:
                    found.append((time, value))
            elif value is not None:
                window.unusable += 1
        found = found or [(identity[0], value) for identity, value in newest.items()]
        if found:
            found.sort()
            window.samples[name] = found
    return window


def _mean(samples: Samples) -> float:
    return sum(value for _, value in samples) / len(samples)


def _stddev(samples: Samples) -> float | None:
    # One value has no sample deviation: InfluxQL answers null.
    if len(samples) < 2:
        return None
    mean = 0.0
    for count, (_, value) in enumerate(samples, start=1):
        mean += (value - mean) / count
    return math.sqrt(sum((value - mean) ** 2 for _, value in samples) / (len(samples) - 1))


def _median(samples: Samples) -> float:
    ordered = sorted(value for _, value in samples)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return ordered[middle - 1] + (ordered[middle] - ordered[middle - 1]) / 2


def _min(samples: Samples) -> float:
    return min(value for _, value in samples)


def _max(samples: Samples) -> float:
    return max(value for _, value in samples)


def _spread(samples: Samples) -> float:
    return _max(samples) - _min(samples)


def _count(samples: Samples) -> float:
    return len(samples)


def _sum(samples: Samples) -> float:
    return sum(value for _, value in samples)


# Of several values at one time (series with other tags, merged by the grouping), both take the greatest.
def _first(samples: Samples) -> float:
    return min(samples, key=lambda sample: (sample[0], -sample[1]))[1]


def _last(samples: Samples) -> float:
    return max(samples)[1]


AGGREGATES: Mapping[str, Callable[[Samples], float | None]] = {
    "mean": _mean,
    "stddev": _stddev,
    "min": _min,
    "max": _max,
    "median": _median,
    "spread": _spread,
    "count": _count,
    "first": _first,
    "last": _last,
    "sum": _sum,
}


def aggregate(samples: Samples, name: str) -> float | None:
    """InfluxQL's `name` of a field's samples; None where InfluxQL answers null or no row. Never NaN, never infinite."""
    if not samples:
        return None
    value = AGGREGATES[name](samples)
    return None if value is None or not math.isfinite(value) else float(value)
