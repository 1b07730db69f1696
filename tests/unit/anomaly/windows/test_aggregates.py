"""The aggregates of many windows at once equal what a real InfluxDB answered, and the aggregates of one window."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.windows.aggregates import AGGREGATES, Aggregated, aggregate_windows
from tests.unit.anomaly.points import PIPELINE, WINDOW_NS, points
from tests.unit.anomaly.windows.reference import AGGREGATES as REFERENCE
from tests.unit.anomaly.windows.reference import aggregate, collect

ANSWERS = json.loads(Path(__file__).with_name("influxql_answers.json").read_text(encoding="utf-8"))
NAMES = tuple(AGGREGATES)
FIELDS = ("a", "b")
# Few times, tags and values, so that points share them.
VALUES = st.none() | st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6) | st.sampled_from([1e9 + 0.5, -1e12])
POINT = st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 1), st.tuples(VALUES, VALUES))


def aggregated(arrived: list[tuple[int, int, int, tuple[float | None, ...]]]) -> tuple[list[int], Aggregated]:
    """The windows that points (window, time, identity, values) of any windows make, and their aggregates."""
    windows = sorted({point[0] for point in arrived})
    return windows, aggregate_windows(
        np.array([windows.index(point[0]) for point in arrived], dtype=np.intp),
        np.array([point[1] for point in arrived], dtype=np.int64),
        np.array([point[2] for point in arrived], dtype=np.uint64),
        np.array([[np.nan if value is None else value for value in point[3]] for point in arrived]).T.copy(),
        NAMES,
    )


def test_the_aggregates_are_those_of_the_reference() -> None:
    assert set(AGGREGATES) == set(REFERENCE)


def test_windows_are_what_influxdb_makes_of_the_same_points() -> None:
    rows = {(*row["tags"].values(), row["begin_ns"]): row["values"] for row in ANSWERS["rows"]}
    keys = sorted(rows)
    grouped = list(ANSWERS["rows"][0]["tags"])
    fields = [name for name in PIPELINE.fields if name != "text"]
    arrived = []
    for point in points():
        key = (*(point.tags.get(tag, "") for tag in grouped), point.time // WINDOW_NS * WINDOW_NS)
        written = [point.fields.get(field) for field in fields]
        values = tuple(float(value) if isinstance(value, (int, float)) else None for value in written)
        identity = hash(tuple(sorted(point.tags.items()))) % 2**64
        arrived.append((keys.index(key), point.time, identity, values))

    windows, result = aggregated(arrived)

    assert windows == list(range(len(keys)))
    for window, key in enumerate(keys):
        for name, expected in rows[key].items():
            function, _, field = name[:-1].partition("(")
            value = result.values[window, fields.index(field) * len(NAMES) + NAMES.index(function)]
            if expected is None or (function == "count" and expected == 0):
                assert math.isnan(value), name
            else:
                assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), name


@settings(max_examples=300)
@given(st.lists(POINT, min_size=1, max_size=40))
def test_windows_are_those_of_the_reference(arrived: list[Any]) -> None:
    windows, result = aggregated(arrived)

    kept = set()
    for row, window in enumerate(windows):
        mine = [
            (time, {"tag": str(identity)}, dict(zip(FIELDS, values, strict=True)))
            for number, time, identity, values in arrived
            if number == window
        ]
        kept |= {(window, time, tags["tag"]) for time, tags, _ in mine}
        reference = collect(mine, FIELDS, 0, 10)
        for column, field in enumerate(FIELDS):
            samples = reference.samples.get(field, [])
            size = max([1.0, *(abs(value) for _, value in samples)])
            assert result.counts[row, column] == len(samples)
            for number, name in enumerate(NAMES):
                value, expected = result.values[row, column * len(NAMES) + number], aggregate(samples, name)
                if expected is None:
                    assert math.isnan(value), name
                elif name == "stddev":
                    assert value == pytest.approx(expected, rel=1e-9, abs=1e-7 * size), name
                else:
                    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9 * size), name
    assert result.replaced == len(arrived) - len(kept)


def test_a_later_point_without_a_field_does_not_erase_the_field() -> None:
    _, result = aggregated([(0, 1, 7, (1.0, 2.0)), (0, 1, 7, (None, 5.0)), (0, 1, 7, (None, None))])

    assert result.values[0, NAMES.index("last")] == 1.0
    assert result.values[0, len(NAMES) + NAMES.index("last")] == 5.0
    assert result.counts.tolist() == [[1, 1]]
    assert result.replaced == 2


def test_of_values_that_share_a_time_first_and_last_are_the_greatest() -> None:
    _, result = aggregated(
        [
            (0, 1, 1, (3.0, None)),
            (0, 1, 2, (4.0, None)),
            (0, 1, 3, (-1.0, 1.0)),
            (0, 5, 1, (9.0, None)),
            (0, 5, 2, (8.0, 2.0)),
        ]
    )

    assert result.values[0, [NAMES.index("first"), NAMES.index("last")]].tolist() == [4.0, 9.0]
    second = len(NAMES)
    assert result.values[0, [second + NAMES.index("first"), second + NAMES.index("last")]].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", ["sum", "mean", "spread", "stddev", "median"])
def test_a_result_that_overflows_is_missing(name: str) -> None:
    _, result = aggregated([(0, 1, 1, (1.7e308, None)), (0, 2, 1, (1.7e308, None)), (0, 3, 1, (-1.7e308, None))])

    value = result.values[0, NAMES.index(name)]
    assert math.isnan(value) or abs(value) <= 1.7e308
    if name in ("spread", "stddev"):
        assert math.isnan(value)


def test_a_small_deviation_of_a_huge_level_is_exact() -> None:
    _, result = aggregated([(0, time, 1, (1e9 + time / 8, None)) for time in range(8)])

    assert result.values[0, NAMES.index("stddev")] == pytest.approx(math.sqrt(6) / 8, rel=1e-12)
