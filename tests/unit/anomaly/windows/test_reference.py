"""Aggregates: equal to what a real InfluxDB answered, and to their definitions."""

import json
import math
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.anomaly.points import PIPELINE, WINDOW_NS, points
from tests.unit.anomaly.windows.reference import AGGREGATES, aggregate, collect

ANSWERS = json.loads(Path(__file__).with_name("influxql_answers.json").read_text(encoding="utf-8"))
NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6), min_size=1, max_size=40)


def key(row: dict[str, Any]) -> str:
    return f"{row['tags']['prin ter']}@{row['begin_ns']}"


@pytest.mark.parametrize("row", ANSWERS["rows"], ids=key)
def test_windows_are_what_influxdb_makes_of_the_same_points(row: dict[str, Any]) -> None:
    begin = row["begin_ns"]
    group = [
        (point.time, point.tags, point.fields)
        for point in points()
        if all(point.tags.get(tag, "") == value for tag, value in row["tags"].items())
    ]
    window = collect(group, PIPELINE.fields, begin, begin + WINDOW_NS)
    for name, expected in row["values"].items():
        function, _, field = name[:-1].partition("(")
        value = aggregate(window.samples.get(field, []), function)
        # InfluxQL's count is 0 or null where other fields have points: nothing, either way.
        if expected is None or (function == "count" and expected == 0):
            assert value is None, name
        else:
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), name


def test_every_window_of_influxdb_was_asked_for() -> None:
    windows = defaultdict(set)
    for point in points():
        windows[tuple(sorted(point.tags.items()))].add(point.time // WINDOW_NS)
    grouped = {(dict(tags)["prin ter"], number) for tags, numbers in windows.items() for number in numbers}
    assert grouped == {(row["tags"]["prin ter"], row["begin_ns"] // WINDOW_NS) for row in ANSWERS["rows"]}


def test_a_window_is_half_open() -> None:
    window = collect(
        [(9, {}, {"f": 1.0}), (10, {}, {"f": 2.0}), (19, {}, {"f": 3.0}), (20, {}, {"f": 4.0})], ["f"], 10, 20
    )
    assert window.samples == {"f": [(10, 2.0), (19, 3.0)]}
    assert window.late == 2


def test_a_missing_field_is_missing_and_not_zero() -> None:
    window = collect([(1, {}, {"other": 0.0})], ["f"], 0, 10)
    assert window.samples == {}
    assert [aggregate(window.samples.get("f", []), name) for name in AGGREGATES] == [None] * len(AGGREGATES)


@pytest.mark.parametrize("value", ["12", True, False, math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_counted_and_left_out(value: object) -> None:
    window = collect([(1, {}, {"f": value}), (2, {}, {"f": 5})], ["f"], 0, 10)
    assert window.samples == {"f": [(2, 5)]}
    assert window.unusable == 1


def test_a_point_written_again_replaces_the_field_of_the_same_series_only() -> None:
    window = collect(
        [(1, {"a": "1"}, {"f": 1.0}), (1, {"a": "2"}, {"f": 2.0}), (1, {"a": "1"}, {"f": 9.0})], ["f"], 0, 10
    )
    assert sorted(value for _, value in window.samples["f"]) == [2.0, 9.0]


def test_a_duplicate_time_does_not_disturb_the_other_points() -> None:
    points: list[tuple[int, dict[str, str], dict[str, object]]] = [
        (3, {"a": "1"}, {"f": 1.0}),
        (1, {"a": "1"}, {"f": 2, "g": 7}),
        (3, {"a": "1"}, {"f": 4.0, "g": "x"}),
    ]
    window = collect(points, ["f", "g"], 0, 10)
    assert window.samples == {"f": [(1, 2), (3, 4.0)], "g": [(1, 7)]}
    assert window.unusable == 1


def test_one_point_has_no_deviation() -> None:
    assert aggregate([(1, 5.0)], "stddev") is None
    assert aggregate([(1, 5.0)], "spread") == 0.0


@given(NUMBERS)
def test_aggregates_follow_their_definitions(values: list[float]) -> None:
    samples = list(enumerate(values))
    size = max(1.0, *map(abs, values))
    assert aggregate(samples, "mean") == pytest.approx(statistics.fmean(values), abs=1e-9 * size)
    assert aggregate(samples, "median") == pytest.approx(statistics.median(values), abs=1e-9 * size)
    assert aggregate(samples, "min") == min(values)
    assert aggregate(samples, "max") == max(values)
    assert aggregate(samples, "spread") == pytest.approx(max(values) - min(values), abs=1e-9 * size)
    assert aggregate(samples, "count") == len(values)
    assert aggregate(samples, "first") == values[0]
    assert aggregate(samples, "last") == values[-1]
    assert aggregate(samples, "sum") == pytest.approx(math.fsum(values), abs=1e-9 * size * len(values))
    if len(values) > 1:
        assert aggregate(samples, "stddev") == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-7 * size)


@given(NUMBERS, st.randoms())
def test_the_order_of_arrival_does_not_matter(values: list[float], random: Any) -> None:
    arrived = [(time, {"n": str(time)}, {"f": value}) for time, value in enumerate(values)]
    shuffled = list(arrived)
    random.shuffle(shuffled)
    assert collect(shuffled, ["f"], 0, len(values)) == collect(arrived, ["f"], 0, len(values))
