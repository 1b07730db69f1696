"""Features: what is far away must look far away, whatever the series, its unit, and how constant it was."""

import math

import numpy as np
import pytest

from anomaly.models.features import Feature, Scaling, features, fit_scaling
from anomaly.pipeline import normalize
from anomaly.windows.completeness import scorable_windows
from anomaly.windows.series import SeriesWindows
from tests.unit.anomaly import printers

ONE_FIELD = normalize([{**printers.PIPELINE.as_dict(), "fields": ["bed"]}])[0]
MEAN_AND_DEVIATION = [Feature("f", "mean"), Feature("f", "stddev")]


def fit(values: np.ndarray, wanted: list[Feature] = MEAN_AND_DEVIATION, series: np.ndarray | None = None) -> Scaling:
    which = np.zeros(len(values), dtype=np.intp) if series is None else series
    keys = [(f"s{number}",) for number in range(int(which.max()) + 1)]
    return fit_scaling(wanted, keys, which, values, np.full((len(values), 1), 10.0))


def usual(seed: int = 0, level: float = 200.0, deviation: float = 0.5, rows: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.normal(level, 0.2, rows), deviation * np.sqrt(rng.chisquare(9, rows) / 9)], axis=1)


def test_the_order_is_fields_outside_aggregates_inside() -> None:
    assert [feature.name for feature in features(printers.PIPELINE)] == [
        "mean(hotend)",
        "stddev(hotend)",
        "mean(bed)",
        "stddev(bed)",
        "mean(air)",
        "stddev(air)",
    ]


def test_the_usual_lies_within_a_few_units_and_the_unusual_far_outside() -> None:
    scaling = fit(usual())
    x = scaling.transform(usual(seed=1), 1)
    assert np.abs(np.median(x, axis=0)).max() < 0.1
    assert np.abs(x).max() < 13
    noisier, stuck, shifted = scaling.transform(np.array([[200, 2.5], [200, 0.0], [203, 0.5]]), 1)
    assert noisier[1] > 15
    assert stuck[1] < -15
    assert shifted[0] > 10
    assert np.isfinite(stuck).all()


def test_units_do_not_matter() -> None:
    values = usual()
    np.testing.assert_allclose(
        fit(values).transform(values, 1), fit(values * 1e9).transform(values * 1e9, 1), rtol=1e-6, atol=1e-6
    )


def test_series_of_different_levels_look_alike() -> None:
    cold, hot = usual(level=-5, deviation=0.01), usual(seed=1, level=9e5, deviation=30)
    scaling = fit(np.concatenate([cold, hot]), series=np.repeat([0, 1], 4000).astype(np.intp))
    for values, row in ((cold, 1), (hot, 2)):
        x = scaling.transform(values, row)
        assert np.abs(np.median(x, axis=0)).max() < 0.1
        assert 0.5 < np.std(x[:, 1]) < 2


def test_an_unseen_series_gets_the_median_of_the_others() -> None:
    values = np.concatenate([usual(level=level) for level in (10.0, 20.0, 90.0)])
    scaling = fit(values, series=np.repeat([0, 1, 2], 4000).astype(np.intp))
    assert scaling.rows() == {("s0",): 1, ("s1",): 2, ("s2",): 3}
    assert scaling.center[0, 0] == pytest.approx(20.0, abs=0.1)
    assert abs(scaling.transform(np.array([[20.0, 0.5]]), 0)).max() < 1


@pytest.mark.parametrize("level", [0.0, 1e-12, 5.0, -1e9])
def test_a_constant_field_that_moves_is_far_away(level: float) -> None:
    scaling = fit(np.tile([level, 0.0], (500, 1)))
    still = scaling.transform(np.array([[level, 0.0]]), 1)
    np.testing.assert_allclose(still, 0, atol=1e-9)
    moved = scaling.transform(np.array([[level + max(1.0, abs(level)) * 0.1, max(1.0, abs(level)) * 0.1]]), 1)
    assert (np.abs(moved) > 10).all()
    assert np.isfinite(moved).all()


def test_a_mostly_still_field_keeps_a_finite_scale() -> None:
    values = usual()
    values[: int(0.9 * len(values)), 1] = 0.0
    x = fit(values).transform(values, 1)
    assert np.isfinite(x).all()


@pytest.mark.filterwarnings("error")
def test_values_near_the_largest_number_are_far_away_and_leave_numbers() -> None:
    values = usual()
    values[7, 0] = 1.7e308
    still = np.full((500, 2), 5.0)
    still[7, 0] = 1.7e308
    for history, level in ((values, 200.0), (still, 5.0)):
        x = fit(history).transform(np.array([[level, history[0, 1]], [1.7e308, 1.7e308], [-1.7e308, 0.0]]), 1)
        assert np.isfinite(x).all()
        assert abs(x[0, 0]) < 1
        assert x[1].min() > 1e6
        assert x[2, 0] < -1e6


def test_expected_range_is_in_the_fields_unit() -> None:
    scaling = fit(usual())
    low, high = scaling.expected(0, 1)
    assert (low, high) == pytest.approx((200 - 3.09 * 0.2, 200 + 3.09 * 0.2), abs=0.1)
    low, high = scaling.expected(1, 1)
    # The 0.1 % and 99.9 % quantiles of chi-square with nine degrees of freedom are 1.15 and 27.9.
    assert (low, high) == pytest.approx((0.5 * math.sqrt(1.15 / 9), 0.5 * math.sqrt(27.9 / 9)), rel=0.1)


def test_a_cut_off_window_has_less_than_half_of_the_usual_points() -> None:
    scaling = fit(usual())
    counts = np.array([[10.0], [5.0], [4.0]])
    windows = SeriesWindows(("s0",), np.arange(3, dtype=np.int64), np.ones((3, 2)), counts)

    scorable = scorable_windows(ONE_FIELD, windows, scaling.usual[1])

    np.testing.assert_array_equal(scorable.mask, [True, True, False])


def test_arrays_hold_everything() -> None:
    scaling = fit(usual())
    again = Scaling.from_arrays([["s0"]], scaling.arrays())
    np.testing.assert_array_equal(again.transform(usual(5), 1), scaling.transform(usual(5), 1))
    assert again.rows() == scaling.rows()
    assert again.expected(1, 1) == scaling.expected(1, 1)


def test_nothing_cannot_be_learned_from() -> None:
    with pytest.raises(ValueError, match="no windows"):
        fit_scaling(MEAN_AND_DEVIATION, [("s",)], np.array([], dtype=np.intp), np.empty((0, 2)), np.empty((0, 1)))
