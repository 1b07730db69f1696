"""Series without a scorable window are named with the reason; what is told is of bounded length."""

import json
from typing import Any

import numpy as np
import pytest

from anomaly.pipeline import Pipeline, normalize
from anomaly.windows.completeness import scorable_windows
from anomaly.windows.unscored import MOST_LISTED, advice, listed, named, unscored_series
from anomaly.windows.windows import Windows

NAN = float("nan")


def pipeline(**more: Any) -> Pipeline:
    mapping = {
        "name": "p",
        "database": "d",
        "measurement": "m",
        "fields": ["a", "b"],
        "window": "1m",
        "group_by": ["t"],
    }
    return normalize([{**mapping, **more}])[0]


def history(*series: tuple[list[float], list[int]], each: int = 3) -> Windows:
    """Windows of which every one of a series has these aggregates of both fields, and these points."""
    return Windows(
        tuple((f"s{number}",) for number in range(len(series))),
        np.repeat(np.arange(len(series)), each),
        np.tile(np.arange(each) * 60_000_000_000, len(series)),
        np.repeat(np.array([values for values, _ in series], dtype=np.float64), each, axis=0),
        np.repeat(np.array([counts for _, counts in series], dtype=np.float64), each, axis=0),
    )


def reasons(windows: Windows, **more: Any) -> dict[str, str]:
    watched = pipeline(**more)
    scorable = scorable_windows(watched, windows).windows
    return {each.key[0]: each.reason for each in unscored_series(watched, windows, scorable)}


WHOLE = ([1.0, 0.1, 2.0, 0.1], [6, 6])


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        (([1.0, NAN, 2.0, 0.1], [1, 6]), "each window has at most one point of a, which has no stddev"),
        (([1.0, 0.1, NAN, NAN], [6, 0]), "no window has a point of b"),
        (([1.0, 0.1, NAN, 0.3], [6, 6]), "no window has the mean of b"),
    ],
)
def test_a_series_that_cannot_be_scored_is_named_with_the_reason(series: Any, reason: str) -> None:
    assert reasons(history(WHOLE, series)) == {"s1": reason}


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"name": "b", "rate": "1s"}, "no window has two points of one source for the rate of b"),
        (
            {"name": "b", "rate": "1s", "valid": [0, 9]},
            "no window has two valid points of one source for the rate of b",
        ),
        ({"name": "b", "expression": "c / d"}, "no point has a value of b (c / d)"),
        ({"name": "b", "valid": [0, 9]}, "no window has a valid point of b"),
    ],
)
def test_a_field_that_has_points_and_no_value_is_named_as_such(field: dict[str, Any], reason: str) -> None:
    windows = history(WHOLE, ([1.0, 0.1, NAN, NAN], [6, 0]))
    assert reasons(windows, fields=["a", field]) == {"s1": reason}


def test_a_field_that_may_be_missing_is_no_reason() -> None:
    assert reasons(history(WHOLE, ([1.0, 0.1, NAN, NAN], [6, 0])), missing="usual") == {}


def test_fields_that_are_never_there_together_are_the_reason() -> None:
    windows = history(WHOLE, WHOLE)
    windows.values[3, :2] = windows.values[4:, 2:] = NAN
    assert reasons(windows) == {"s1": "no window has all fields at once"}


def test_windows_that_are_cut_off_are_the_reason() -> None:
    windows = history(WHOLE, ([1.0, 0.1, 2.0, 0.1], [2, 2]))
    scorable = scorable_windows(pipeline(), windows, np.array([6.0, 6.0])).windows
    (unscored,) = unscored_series(pipeline(), windows, scorable)
    assert unscored.reason == "its windows have at most 2 points, less than half of the usual number"


def test_the_longest_series_come_first_and_the_others_are_counted() -> None:
    windows = history(*[([1.0, NAN, 2.0, 0.1], [1, 6])] * 30)
    kept = np.ones(len(windows), dtype=np.bool_)
    kept[:2] = False
    windows = windows.where(kept)
    unscored = unscored_series(pipeline(), windows, scorable_windows(pipeline(), windows).windows)

    document, sentence = listed(unscored), named(unscored)

    assert len(unscored) == 30
    assert unscored[-1].key == ("s0",)
    assert document["count"] == 30
    assert len(document["series"]) == MOST_LISTED
    assert json.loads(json.dumps(document))["series"][0]["windows"] == 3
    assert sentence.startswith("s1 (3 windows: each window has at most one point of a")
    assert sentence.endswith("; and 25 more")


@pytest.mark.parametrize(
    ("more", "advised"),
    [
        ({}, "write `aggregate: [last]` or `fill: {previous: 1h}`, or watch them"),
        ({"aggregate": ["last"]}, "write `fill: {previous: 1h}`, or watch them"),
        (
            {"fields": [{"name": "a", "rate": "1s"}], "aggregate": ["mean"]},
            "on change write a longer `window`, or watch them",
        ),
        ({"aggregate": ["last"], "fill": {"previous": "5m"}}, "give `fill` a longer bound, or watch them"),
    ],
)
def test_the_way_out_is_one_that_is_not_taken_yet(more: dict[str, Any], advised: str) -> None:
    assert advised in advice(pipeline(**more))
