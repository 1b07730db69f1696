"""Which windows may be scored, and with which fields, at the edges of each rule."""

from typing import Any

import numpy as np
import pytest

from anomaly.pipeline import normalize
from anomaly.windows.completeness import Scorable, are_few_points, present_fields, scorable_windows
from anomaly.windows.series import SeriesWindows

NAN = float("nan")
USUAL = np.array([6.0, 4.0])


def scorable(
    *windows: tuple[list[float], list[int]],
    usual_points: Any = USUAL,
    allow_single_points: bool = False,
    **more: Any,
) -> Scorable[SeriesWindows]:
    """Return what can be scored of windows of mean and stddev of the fields a and b, with their points."""
    mapping = {"name": "p", "database": "d", "measurement": "m", "fields": ["a", "b"], "window": "1m", **more}
    (pipeline,) = normalize([mapping])
    series = SeriesWindows(
        (),
        np.arange(len(windows), dtype=np.int64) * pipeline.window_ns,
        np.array([values for values, _ in windows]),
        np.array([counts for _, counts in windows], dtype=np.float64),
    )
    return scorable_windows(pipeline, series, usual_points, allow_single_points=allow_single_points)


WHOLE = [1.0, 0.1, 2.0, 0.2]


def test_half_of_the_usual_points_suffice_in_each_field() -> None:
    found = scorable((WHOLE, [3, 2]), (WHOLE, [2, 2]), (WHOLE, [3, 1]), (WHOLE, [9, 9]))
    assert found.mask.tolist() == [True, False, False, True]
    assert found.cut_off.tolist() == [False, True, True, False]
    assert not found.lacking.any()
    assert found.windows.begin_ns.tolist() == [0, 180_000_000_000]


def test_any_number_of_points_suffices_while_the_usual_one_is_unknown() -> None:
    assert scorable((WHOLE, [2, 1]), usual_points=None).mask.tolist() == [True]


def test_a_window_that_lacks_an_aggregate_is_lacking_and_not_cut_off() -> None:
    found = scorable(([1.0, NAN, 2.0, 0.2], [1, 4]), (WHOLE, [1, 4]))
    assert (found.mask.tolist(), found.lacking.tolist(), found.cut_off.tolist()) == (
        [False, False],
        [True, False],
        [False, True],
    )


def test_with_missing_usual_one_field_suffices_and_incomplete_ones_are_unknown() -> None:
    found = scorable((WHOLE, [6, 1]), (WHOLE, [1, 1]), ([NAN, NAN, 2.0, 0.2], [0, 4]), missing="usual")
    assert found.mask.tolist() == [True, False, True]
    assert found.complete.tolist() == [[True, False], [False, True]]
    np.testing.assert_array_equal(found.windows.values, [[1.0, 0.1, NAN, NAN], [NAN, NAN, 2.0, 0.2]])


def test_with_missing_usual_a_window_without_a_whole_field_is_lacking() -> None:
    found = scorable(([NAN, NAN, 2.0, NAN], [0, 4]), missing="usual")
    assert (found.mask.tolist(), found.lacking.tolist(), found.cut_off.tolist()) == ([False], [True], [False])


@pytest.mark.parametrize(("points", "is_scorable"), [(0, True), (1, False), (2, False), (3, True)])
def test_a_filled_field_without_points_is_complete_and_one_with_few_points_is_not(
    points: int, is_scorable: bool
) -> None:
    found = scorable((WHOLE, [points, 4]), fill={"previous": "5m"})
    assert found.mask.tolist() == [is_scorable]


@pytest.mark.parametrize(
    ("values", "points", "is_scorable"),
    [
        pytest.param([1.0, NAN, 2.0, 0.2], 1, True, id="a point"),
        pytest.param([1.0, NAN, 2.0, 0.2], 2, False, id="two points have a spread"),
        pytest.param([NAN, NAN, 2.0, 0.2], 1, False, id="a point that has no mean"),
    ],
)
def test_a_single_point_is_complete_without_its_spread_where_that_is_allowed(
    values: list[float], points: int, is_scorable: bool
) -> None:
    usual = np.array([2.0, 2.0])
    assert scorable((values, [points, 2]), usual_points=usual, allow_single_points=True).mask.tolist() == [is_scorable]
    assert scorable((values, [points, 2]), usual_points=usual).mask.tolist() == [False]


def test_a_single_point_of_a_pipeline_of_spreads_alone_is_not_complete() -> None:
    found = scorable(
        ([NAN, 0.2], [1, 2]), usual_points=np.array([2.0, 2.0]), allow_single_points=True, aggregate=["stddev"]
    )
    assert found.mask.tolist() == [False]


def test_few_points_are_some_but_fewer_than_half() -> None:
    counts = np.array([[0.0, 1.0], [2.0, 2.0], [3.0, 0.0]])
    assert are_few_points(counts, USUAL).tolist() == [[False, True], [True, False], [False, False]]


def test_a_field_is_present_with_all_of_its_aggregates() -> None:
    values = np.array([WHOLE, [1.0, NAN, 2.0, 0.2], [1.0, 0.1, np.inf, 0.2]])
    assert present_fields(values, 2).tolist() == [[True, True], [False, True], [True, False]]
