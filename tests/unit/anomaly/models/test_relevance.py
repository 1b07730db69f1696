"""Which deviations count: only those in the direction that matters, and beyond the least that does."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.models.features import Scaling, features, fit_scaling
from anomaly.models.model import Model
from anomaly.models.relevance import Relevance, relevance, relevance_of, settled, usual_levels
from anomaly.pipeline import Field, Pipeline, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.arrays import Floats
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import Fault

numbers = st.floats(-1e6, 1e6)


def pipeline(detector: str = "isolation_forest", **hotend: Any) -> Pipeline:
    """Printers whose hotend is watched so."""
    fields = [{"name": "hotend", **hotend}, "bed", "air"]
    mapping = {**printers.PIPELINE.as_dict(), "fields": fields, "detector": detector, "parameters": {"trees": 50}}
    mapping["parameters"] = mapping["parameters"] if detector in ("isolation_forest", "ensemble") else {}
    return normalize([mapping])[0]


def scaling(wanted: Pipeline, values: Floats) -> Scaling:
    """The baseline of one series' windows (n, d)."""
    series, counts = np.zeros(len(values), dtype=np.intp), np.full((len(values), len(wanted.fields)), 10.0)
    relevant = relevance(wanted.watched, wanted.aggregate)
    return fit_scaling(features(wanted), [("p",)], series, values, counts, relevant)


HISTORY = printers.windows(printers.clean(1, 20_000)).values


def test_without_a_direction_and_a_deviation_nothing_changes() -> None:
    assert relevance([Field("a"), Field("b", unit="K")], ["mean", "stddev"]) is None


@pytest.mark.parametrize(
    ("direction", "sides"), [("both", (0, 0, 0)), ("high", (1, 1, 0)), ("low", (-1, 1, 0))], ids=str
)
def test_sides_are_of_levels_and_spreads_and_of_no_count(direction: str, sides: tuple[int, ...]) -> None:
    found = relevance([Field("a", direction=direction), Field("b", min_deviation=1.0)], ["mean", "stddev", "count"])
    assert found is not None
    assert found.sides == (*sides, 0, 0, 0)
    np.testing.assert_array_equal(found.least, [0, 0, 0, 1, 1, 0])


class TestDeviation:
    LEVELS = st.lists(st.integers(-50, 50), min_size=1, max_size=5, unique=True).map(
        lambda places: np.array(sorted(places)) * 4.0
    )

    @given(LEVELS, st.lists(numbers, min_size=1, max_size=5), st.floats(0.01, 2.0))
    def test_what_is_settled_moves_by_the_least_deviation_at_most_and_keeps_its_order(
        self, levels: Floats, values: list[float], least: float
    ) -> None:
        given = np.array(sorted(values))
        found = settled(given, levels, least)
        assert np.abs(found - given).max() <= least * (1 + 1e-9) + 1e-9
        assert (np.diff(found) >= -1e-9).all()

    @given(LEVELS, st.floats(-1.0, 1.0), st.floats(0.01, 1.99))
    def test_what_is_near_to_a_usual_level_is_that_level(self, levels: Floats, share: float, least: float) -> None:
        np.testing.assert_array_equal(settled(levels + 0.999 * share * least, levels, least), levels)

    @given(st.floats(2.0, 1e3))
    def test_what_is_beyond_all_levels_is_as_much_further_as_it_is_too_far(self, beyond: float) -> None:
        found = settled(np.array([-5.0 - beyond, 7.0 + beyond]), np.array([-5.0, 7.0]), 2.0)
        assert found == pytest.approx([-5.0 - beyond + 2.0, 7.0 + beyond - 2.0])

    def test_each_value_may_have_levels_and_a_least_deviation_of_its_own(self) -> None:
        values = np.array([1.4, 12.0, -3.0, np.nan])
        levels = np.array([[0.0, 8.0, np.nan], [0.0, 6.0, 16.0], [-2.5, np.nan, np.nan], [1.0, 2.0, 3.0]])
        least = np.array([1.0, 2.0, 0.1, 0.5])

        found = settled(values, levels, least)

        alone = [
            settled(values[at : at + 1], levels[at][np.isfinite(levels[at])], float(least[at]))[0] for at in range(4)
        ]
        np.testing.assert_array_equal(found, alone)
        assert found[0] == pytest.approx(8.0 * 0.4 / 6.0)
        assert found[2] == pytest.approx(-2.9)

    def test_the_usual_levels_are_the_center_and_the_other_modes(self) -> None:
        rng = np.random.default_rng(0)
        values = np.concatenate([rng.normal(mode, 0.1, count) for mode, count in ((20, 900), (220, 700), (90, 60))])
        values = np.append(values, [500.0, 600.0])
        levels = usual_levels(values, 20.0, 2.0)
        assert levels == pytest.approx([20.0, 90.0, 220.0], abs=0.1)

    @given(st.integers(0, 1000), st.floats(0.05, 30.0))
    def test_levels_are_far_enough_apart_to_be_told_apart(self, seed: int, least: float) -> None:
        values = np.random.default_rng(seed).uniform(-100, 100, 300)
        levels = usual_levels(values, 0.0, least)
        assert 0.0 in levels
        assert len(levels) <= 32
        assert (np.diff(levels) >= 2.0 * least).all()

    def test_small_differences_vanish_in_every_mode_of_a_series(self) -> None:
        heated = HISTORY.copy()
        heated[::3, 0] -= 150.0
        found = scaling(pipeline(min_deviation=4.0), heated)
        hot, cold = np.median(heated[1::3], axis=0), np.median(heated[::3], axis=0)
        for mode in (hot, cold):
            near, far = mode.copy(), mode.copy()
            near[0] += 3.0
            far[0] += 12.0
            x = found.transform(np.stack([mode, near, far]), 1)
            assert x[0, 0] == x[1, 0]
            assert x[2, 0] > x[0, 0] + 5

    def test_a_spread_may_grow_by_it_and_a_stuck_sensor_is_still_seen(self) -> None:
        found, plain = scaling(pipeline(min_deviation=2.0), HISTORY), scaling(pipeline(), HISTORY)
        window = np.median(HISTORY, axis=0)
        grown, much, stuck = window.copy(), window.copy(), window.copy()
        grown[1], much[1], stuck[1] = 2.0, 4.0, 0.0
        x = found.transform(np.stack([grown, much, stuck]), 1)
        assert abs(x[0, 1]) < 0.1
        assert x[1, 1] > 10
        assert x[2, 1] == plain.transform(stuck[None], 1)[0, 1] < -10

    def test_the_expected_range_holds_what_does_not_count(self) -> None:
        found, plain = scaling(pipeline(min_deviation=5.0), HISTORY), scaling(pipeline(), HISTORY)
        center = float(found.center[1, 0])
        assert found.expected(0, 1) == (center - 5.0, center + 5.0)
        assert found.expected(1, 1) == (plain.expected(1, 1)[0], found.typical[1, 1] + 5.0)
        assert found.expected(2, 1) == plain.expected(2, 1)


class TestDirection:
    @given(st.lists(st.tuples(numbers, st.floats(0, 1e6)), min_size=1, max_size=10))
    def test_low_is_the_mirror_image_of_high(self, windows: list[tuple[float, float]]) -> None:
        x = np.array(windows)
        mirror = np.array([-1.0, 1.0])
        high, low = (one_field(direction) for direction in ("high", "low"))
        np.testing.assert_array_equal(high.directed(x, x), low.directed(x * mirror, x * mirror) * mirror)

    @given(st.lists(st.tuples(st.floats(-1e6, 0), numbers), min_size=1, max_size=10))
    def test_nothing_counts_where_the_level_is_on_the_other_side(self, windows: list[tuple[float, float]]) -> None:
        x = np.array(windows)
        np.testing.assert_array_equal(one_field("high").directed(x, x), np.zeros_like(x))

    @given(numbers, numbers, numbers)
    def test_a_fall_makes_nothing_odder(self, level: float, spread: float, fall: float) -> None:
        before, after = np.array([[level, spread]]), np.array([[level - abs(fall), spread]])
        found = one_field("high")
        assert (found.directed(after, after) <= found.directed(before, before)).all()

    def test_a_rise_counts_with_its_spread(self) -> None:
        x = np.array([[3.0, 9.0], [3.0, 90.0], [3.0, -9.0]])
        np.testing.assert_array_equal(one_field("high").directed(x, x), [[3, 9], [3, 36], [3, 0]])

    def test_the_expected_range_has_both_ends(self) -> None:
        found, plain = scaling(pipeline(direction="high"), HISTORY), scaling(pipeline(), HISTORY)
        for feature in range(6):
            assert found.expected(feature, 1) == plain.expected(feature, 1)


def one_field(direction: str) -> Relevance:
    found = relevance([Field("f", direction=direction)], ["mean", "stddev"])
    assert found is not None
    return found


def test_one_window_alone_is_the_same_as_among_others() -> None:
    found = scaling(pipeline(direction="low", min_deviation=0.5), HISTORY)
    together = found.transform(HISTORY, np.ones(len(HISTORY), dtype=np.intp))
    np.testing.assert_array_equal(together, [found.transform(row[None], 1)[0] for row in HISTORY])


def test_arrays_hold_the_levels() -> None:
    wanted = pipeline(direction="low", min_deviation=0.5)
    found = scaling(wanted, HISTORY)
    again = Scaling.from_arrays([["p"]], found.arrays(), relevance(wanted.watched, wanted.aggregate))
    np.testing.assert_array_equal(again.transform(HISTORY, 1), found.transform(HISTORY, 1))
    # The center of a series that training has not seen is the only level that is known.
    near = found.center[0] + np.array([0.4, 0, 0, 0, 0, 0])
    assert found.transform(near[None], 0)[0, 0] == 0.0


BEGIN_S = 20_000
# In standard deviations of 0.6: the small one is 2.7 off, the large one 6.
SMALL, LARGE = 4.5, 10.0


@cache
def model(detector: str, **hotend: Any) -> Model:
    windows = printers.windows(*(printers.clean(seed, BEGIN_S) for seed in (1, 2)))
    return train(pipeline(detector, **hotend), windows, "v1", seed=0).model


def reasons(detector: str, strength: float, field: int = 0, **hotend: Any) -> set[str]:
    """The periods of a printer with an offset of ten minutes."""
    samples = printers.clean(7, 3_000)
    printers.break_down(samples, Fault("offset", (field,), 1_000, 600, strength))
    made = model(detector, **hotend)
    return set(found(made, samples))


def found(made: Model, samples: Floats) -> Iterator[str]:
    scorer = Scorer(made.pipeline, EventCounter("", lambda message: None))
    (run,) = printers.runs(printers.windows(samples, begin_ns=BEGIN_S * 10**9))
    for scored in scorer.feed(made, run):
        yield from (period.reason for period in scored.periods)


@pytest.mark.parametrize("detector", ["ensemble", "isolation_forest"])
class TestDetection:
    def test_without_either_all_of_these_are_found(self, detector: str) -> None:
        assert {sign * size for sign in (1, -1) for size in (SMALL, LARGE) if reasons(detector, sign * size)} == {
            SMALL,
            -SMALL,
            LARGE,
            -LARGE,
        }

    def test_high_finds_what_rises_and_nothing_that_falls(self, detector: str) -> None:
        assert reasons(detector, SMALL, direction="high") == reasons(detector, LARGE, direction="high") == {"hotend"}
        assert reasons(detector, -SMALL, direction="high") == reasons(detector, -LARGE, direction="high") == set()

    def test_low_finds_what_falls_and_nothing_that_rises(self, detector: str) -> None:
        assert reasons(detector, -LARGE, direction="low") == {"hotend"}
        assert reasons(detector, LARGE, direction="low") == set()

    def test_a_fall_that_lasts_is_not_found_either(self, detector: str) -> None:
        """Means over many windows see what no window shows: that the level is never above its center."""
        samples = printers.clean(7, 20_000)
        printers.break_down(samples, Fault("offset", (0,), 2_000, 18_000, -LARGE))
        assert set(found(model(detector, direction="high"), samples)) == set()

    def test_other_fields_count_as_before(self, detector: str) -> None:
        assert reasons(detector, -LARGE, field=1, direction="high") == {"bed"}

    def test_a_deviation_silences_what_is_smaller_and_nothing_else(self, detector: str) -> None:
        assert reasons(detector, SMALL, min_deviation=4.0) == reasons(detector, -SMALL, min_deviation=4.0) == set()
        assert reasons(detector, LARGE, min_deviation=4.0) == reasons(detector, -LARGE, min_deviation=4.0) == {"hotend"}


class TestShare:
    """A least deviation that is a share of the usual value is one of each series' own."""

    def scaling(self, *overrides: dict[str, Any], **hotend: Any) -> Scaling:
        """The baselines of three printers, the second of which is ten times as hot as the first."""
        fields = [{"name": "hotend", **hotend}, "bed", "air"]
        (wanted,) = normalize([{**printers.PIPELINE.as_dict(), "fields": fields, "overrides": list(overrides)}])
        scale = np.array([10.0, 1.0] + [1.0] * 4)
        values = np.concatenate([HISTORY, HISTORY * scale, HISTORY])
        series = np.repeat(np.arange(3), len(HISTORY))
        keys = [("p1",), ("p2",), ("p3",)]
        relevant = relevance_of(wanted, keys)
        made = fit_scaling(features(wanted), keys, series, values, np.full((len(values), 3), 10.0), relevant)
        again = Scaling.from_arrays(keys, made.arrays(), relevant)
        np.testing.assert_array_equal(again.transform(HISTORY, 2), made.transform(HISTORY, 2))
        return made

    def test_a_share_is_one_of_the_series_own_level_for_its_spread_too(self) -> None:
        found = self.scaling(min_deviation="20%")
        assert found.least is not None
        center = found.center[:, 0]
        assert center[2] == pytest.approx(10 * center[1])
        np.testing.assert_allclose(found.least, np.outer(0.2 * center, [1, 1, 0, 0, 0, 0]))
        for row in (1, 2, 3):
            near, far = (np.array([[center[row] * share, *HISTORY[0, 1:]]]) for share in (1.19, 1.3))
            assert found.transform(near, row)[0, 0] == 0.0
            assert found.transform(far, row)[0, 0] > 5.0

    def test_an_override_is_for_its_series_alone(self) -> None:
        override = {"where": {"printer": {"not": "p1"}}, "fields": [{"name": "hotend", "min_deviation": 7}]}
        found = self.scaling(override)
        assert found.least is not None
        assert found.least[:, 0].tolist() == [0.0, 0.0, 7.0, 7.0]

    def test_a_model_of_a_release_before_has_the_least_deviation_of_its_pipeline(self) -> None:
        wanted = pipeline(min_deviation=4.0)
        made = scaling(wanted, HISTORY)
        old = {name: array for name, array in made.arrays().items() if name != "scaling_least"}
        again = Scaling.from_arrays([["p"]], old, relevance(wanted.watched, wanted.aggregate))
        np.testing.assert_array_equal(again.transform(HISTORY, 1), made.transform(HISTORY, 1))


def test_learning_keeps_the_noise_and_sees_the_rest_as_it_is_judged() -> None:
    made = scaling(pipeline(min_deviation=4.0), HISTORY)
    values = np.repeat(HISTORY[:1], 4, axis=0)
    center = float(made.center[1, 0])
    values[:, 0] = center + np.array([-3.9, 0.5, 6.0, -60.0])

    judged, learnt = made.transform(values, 1), made.with_noise.transform(values, 1)

    np.testing.assert_allclose(judged[:, 0] * made.scale[1, 0], [0.0, 0.0, 2.0, -56.0], atol=1e-9)
    np.testing.assert_allclose(learnt[:, 0] * made.scale[1, 0], [-3.9, 0.5, 2.0, -56.0], atol=1e-9)
    np.testing.assert_array_equal(learnt[:, 2:], judged[:, 2:])
    assert made.with_noise.arrays().keys() == made.arrays().keys()
