"""InfluxQL's aggregates in plain Python, for one window: the reference of `anomaly.windows.aggregates`.

The semantics are those of influxdb 1.12.4, query/call_iterator.go and query/functions.go. `test_reference` compares
them with what a real InfluxDB answered.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows

Number = int | float
# (time in nanoseconds, value), sorted by time
Samples = Sequence[tuple[int, Number]]


@dataclass(slots=True)
class Window:
    """The usable values of one window.

    Attributes:
        samples: the (time, value) pairs of each field, by time; a field without any is absent.
        late: the number of points outside of the window.
        unusable: the number of values that are not finite numbers (strings, booleans, NaN).
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
    """Collect the values of the window [begin_ns, end_ns).

    InfluxDB keeps one value for a series (all tags, not only the grouped ones), a field and a time: the last one
    written. This function keeps the same value.

    Args:
        points: (time, tags, fields) of each point, in the order of arrival.
        fields: the fields to collect.
        begin_ns: where the window begins.
        end_ns: where the window ends.

    Returns:
        The window.
    """
    window = Window()
    inside: list[tuple[int, Mapping[str, str], Mapping[str, object]]] = []
    for point in points:
        if begin_ns <= point[0] < end_ns:
            inside.append(point)
        else:
            window.late += 1
    # Two points of one time are rare, and telling their series apart costs more than all the rest.
    has_repeated_times = len({time for time, _, _ in inside}) < len(inside)
    for name in fields:
        samples: list[tuple[int, Number]] = []
        newest: dict[tuple[int, tuple[tuple[str, str], ...]], Number] = {}
        for time, tags, values in inside:
            value = values.get(name)
            # Kapacitor sends these exact types; a boolean is an int, too.
            if type(value) is float or type(value) is int:
                if not math.isfinite(value):
                    window.unusable += 1
                elif has_repeated_times:
                    newest[time, tuple(sorted(tags.items()))] = value
                else:
                    samples.append((time, value))
            elif value is not None:
                window.unusable += 1
        samples = samples or [(identity[0], value) for identity, value in newest.items()]
        if samples:
            samples.sort()
            window.samples[name] = samples
    return window


def _mean(samples: Samples) -> float:
    return sum(value for _, value in samples) / len(samples)


def _stddev(samples: Samples) -> float | None:
    # InfluxQL answers null, as one value has no sample deviation.
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


# Where several values share a time (series with other tags, merged by the grouping), both take the greatest.
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
    """Compute one aggregate of a field's samples as InfluxQL does.

    Args:
        samples: the (time, value) pairs, by time.
        name: a key of AGGREGATES.

    Returns:
        A finite number; None where InfluxQL answers null or no row.
    """
    if not samples:
        return None
    value = AGGREGATES[name](samples)
    return None if value is None or not math.isfinite(value) else float(value)


def aggregated(pipeline: Pipeline, key: Key, begin_ns: int, window: Window) -> SeriesWindows:
    """Return a window of raw points as the training query would answer it.

    Args:
        pipeline: the pipeline, with the fields and their aggregates.
        key: the series.
        begin_ns: where the window begins.
        window: the values in it.

    Returns:
        One window of the series.
    """
    values = []
    for name in pipeline.fields:
        samples = window.samples.get(name, ())
        for function in pipeline.aggregate:
            value = aggregate(samples, function)
            values.append(math.nan if value is None else value)
    counts = [len(window.samples.get(name, ())) for name in pipeline.fields]
    return SeriesWindows(key, np.array([begin_ns]), np.array([values]), np.array([counts], dtype=np.float64))
