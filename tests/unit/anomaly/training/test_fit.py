"""Fitting: deterministic, careful, and refusing what should not become a model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from anomaly.models.model import score_windows
from anomaly.pipeline import Pipeline, normalize
from anomaly.training.fit import TrainedModel, train
from anomaly.training.progress import KeptNotes, SilentProgress
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE

SHORT = printers.windows(printers.clean(5, 4000), printers.clean(6, 4000))


def scores(trained: TrainedModel) -> np.ndarray:
    return score_windows(trained.model.scaling, trained.model.detector, SHORT)


def test_a_seed_decides_everything() -> None:
    first, same, other = (train(PIPELINE, SHORT, "v", seed) for seed in (3, 3, 4))
    for name, array in first.model.arrays().items():
        np.testing.assert_array_equal(array, same.model.arrays()[name])
    assert (scores(first) != scores(other)).any()


def test_incomplete_and_cut_off_windows_are_left_out() -> None:
    values, counts = SHORT.values.copy(), SHORT.counts.copy()
    values[7, 2] = np.nan
    counts[11] = 3
    trained = train(PIPELINE, replace(SHORT, values=values, counts=counts), "v", 0)
    assert (trained.windows, trained.left_out) == (798, 2)


def test_the_estimator_kept_for_people_is_the_one_that_serves() -> None:
    trained = train(PIPELINE, SHORT, "v", 0)
    detector: Any = trained.model.detector
    x = trained.model.scaling.transform(SHORT.values, SHORT.series + 1)
    np.testing.assert_allclose(
        -trained.estimator.score_samples(x),  # type: ignore[attr-defined]
        detector.inner.paper_score(x),
        atol=1e-9,
        rtol=0,
    )


def of_one_field(**more: Any) -> Pipeline:
    return normalize(
        [{"name": "x", "database": "d", "measurement": "m", "fields": ["bed"], "aggregate": ["mean"], **more}]
    )[0]


ONE = of_one_field(window="10s", detector="robust_z")


def moved(levels: list[float], windows: int = 80) -> Windows:
    """A history of one series in blocks of windows, each at another level."""
    level = np.repeat(levels, windows)
    values = level + np.random.default_rng(0).normal(0.0, 1.0, len(level))
    begin_ns = np.arange(len(level)) * ONE.window_ns
    return Windows(((),), np.zeros(len(level), dtype=np.intp), begin_ns, values[:, None], np.ones((len(level), 1)))


@pytest.mark.parametrize(
    ("levels", "windows", "done"),
    [
        (
            [200.0] * 20 + [10.0] * 30,
            2_000,
            "so the model was trained on the newest 50% of it, since 1970-01-01T05:33:2",
        ),
        (
            [10.0, 10.0, 200.0] * 16 + [10.0, 10.0],
            4_000,
            "the model was trained on all of it, and finds only what is odder",
        ),
    ],
    ids=["the begin differs", "it goes to and fro"],
)
def test_a_history_that_looks_like_no_rest_is_trained_on_and_told(levels: list[float], windows: int, done: str) -> None:
    trained = train(ONE, moved(levels), "v", 0)
    (said,) = trained.quality.done
    assert "% of the history looks like nothing in the rest of it, first at 1970-01-01T" in said
    assert done in said
    assert trained.windows == windows


def test_what_a_history_is_not_enough_for_is_noted_once_however_many_parts_are_tried() -> None:
    pipeline = of_one_field(
        window="10s", detector="isolation_forest", parameters={"context": ["time_of_week"], "trees": 10}
    )
    kept = KeptNotes(SilentProgress())

    trained = train(pipeline, moved([100.0 * step for step in range(1, 21)] + [10.0] * 30), "v", 0, kept)

    assert "so the model was trained on the newest 50% of it" in trained.quality.done[0]
    assert kept.notes == trained.plan.lines()
    assert len(kept.notes) == 1


def test_a_history_that_is_as_it_was_needs_no_treatment() -> None:
    assert train(ONE, moved([10.0] * 48), "v", 0).quality.done == ()


def test_a_disk_that_fills_is_not_anomalous_for_ever() -> None:
    hour = 3_600_000_000_000
    pipeline = of_one_field(window="1h", parameters={"trees": 10})
    begin_ns = np.arange(24 * 20) * hour
    values = 20.0 + 0.8 * begin_ns / (24 * hour) + np.random.default_rng(0).normal(0.0, 0.1, len(begin_ns))
    ones = np.ones((len(begin_ns), 1))
    windows = Windows(((),), np.zeros(len(begin_ns), dtype=np.intp), begin_ns, values[:, None], ones)
    ahead = begin_ns >= 14 * 24 * hour

    trained = train(pipeline, windows.where(~ahead), "v", 0)

    model = trained.model
    ((_, feature, slope),) = trained.plan.trends
    assert feature == "mean(bed)"
    assert slope == pytest.approx(0.8, rel=0.02)
    assert "mean(bed) of the only series by 0.805 a day: the model takes that for usual until " in "".join(
        trained.plan.lines()
    )
    verdicts = model.judge(model.follow(()), (), begin_ns[ahead], windows.values[ahead])
    assert max(verdict.severity for verdict in verdicts) < 75
    assert verdicts[-1].expected_low[0] < values[-1] < verdicts[-1].expected_high[0]
    # Two days' worth at once is not the trend.
    (jump,) = model.judge(model.follow(()), (), begin_ns[ahead][:1], windows.values[ahead][:1] + 1.6)
    assert jump.severity > 75


def test_a_history_with_a_fault_in_it_is_trained_on_with_a_warning() -> None:
    samples = printers.clean(5, 20_000)
    printers.break_down(samples, printers.Fault("offset", (1,), 8_850, 300, 9))
    trained = train(PIPELINE, printers.windows(samples), "v", 0)
    (warning,) = trained.quality.warnings
    assert "of the history would be anomalous to a model of the rest of it, first at 1970-01-01T02:27:3" in warning
    assert trained.quality.observed_per_day == pytest.approx(0.015 * 8640, rel=0.1)


def test_equal_faults_in_a_history_are_told_with_their_times() -> None:
    pipeline = of_one_field(window="1m", detector="robust_z")
    count = 3 * 1_440
    values = 20.0 + np.random.default_rng(0).normal(0.0, 1.0, count)
    for begin in (500, 1_200, 1_900):
        values[begin : begin + 40] += 15.0
    begin_ns = np.arange(count) * pipeline.window_ns
    windows = Windows((("p1",),), np.zeros(count, dtype=np.intp), begin_ns, values[:, None], np.ones((count, 1)))

    trained = train(pipeline, windows, "v", 0)

    told = [warning for warning in trained.quality.warnings if "stretches" in warning]
    assert [warning.split(": the model takes them as usual", 1)[0] for warning in told] == [
        (
            "3 stretches of the history look like faults: 1970-01-01T08:20:00Z to 1970-01-01T09:00:00Z of p1, "
            "1970-01-01T20:00:00Z to 1970-01-01T20:40:00Z of p1, 1970-01-02T07:40:00Z to 1970-01-02T08:20:00Z of p1"
        )
    ]


def test_a_clean_history_is_trained_on_without_a_warning(trained: TrainedModel) -> None:
    assert trained.quality.warnings == ()
    assert trained.quality.odd_blocks == 0
    assert trained.quality.observed_per_day < 5
    assert trained.quality.expected_per_day == pytest.approx(1 / 100, rel=0.01)


def test_a_history_with_a_hole_is_trained_on() -> None:
    begin = SHORT.begin_ns.copy()
    begin[begin > np.median(begin)] += 10**15
    assert train(PIPELINE, replace(SHORT, begin_ns=begin), "v", 0).windows == 800


def test_a_series_that_hardly_spoke_is_trained_with_the_others() -> None:
    mask = (SHORT.series == 0) | (np.arange(len(SHORT)) == len(SHORT) - 1)
    trained = train(PIPELINE, SHORT.where(mask), "v", 0)
    assert trained.windows == 401
    calm = np.array([[220.0, 0.4, 90.0, 0.3, 28.0, 0.1]])
    assert printers.judge(trained.model, ("printer-2",), calm) == printers.judge(trained.model, ("unseen",), calm)


@pytest.mark.parametrize("detector", ["gap", "half_space_trees"])
def test_what_remembers_each_series_is_trained_where_one_is_missing_in_a_fold(detector: str) -> None:
    mask = (SHORT.series == 0) | (np.arange(len(SHORT)) == len(SHORT) - 1)
    model = train(replace(PIPELINE, detector=detector), SHORT.where(mask), "v", 0).model
    (verdict,) = printers.judge(model, ("printer-2",), np.array([[220.0, 0.4, 90.0, 0.3, 28.0, 0.1]]))
    assert verdict.severity < 50


def test_windows_of_one_count_only() -> None:
    pipeline = normalize([{**PIPELINE.as_dict(), "fields": ["hotend"], "group_by": [], "aggregate": ["mean"]}])[0]
    windows = Windows(((),), SHORT.series * 0, SHORT.begin_ns, SHORT.values[:, :1], np.ones((len(SHORT), 1)))
    model = train(pipeline, windows, "v", 0).model
    calm, hot = printers.judge(model, (), np.array([[220.0], [225.0]]))
    assert calm.severity < 50
    assert hot.severity > 70
    assert hot.contribution == (1.0,)


@pytest.mark.filterwarnings("error")
def test_fields_that_follow_exactly_stand_still_lack_or_overflow_are_scored_by_numbers() -> None:
    def hostile(rows: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        load, other = rng.normal(0.0, 1.0, (2, rows))
        sparse = np.where(rng.random(rows) < 0.4, load, np.nan)
        rare = (rng.random(rows) < 0.02).astype(np.float64)
        still = np.full(rows, 0.1)
        return np.stack([load, load, other, load + other, load * 1e12, load * 1e-12, rare, 2 * rare, still, sparse], 1)

    values = hostile(400, 1)
    fields = [f"f{number}" for number in range(values.shape[1])]
    changes = {"fields": fields, "group_by": [], "aggregate": ["mean"], "missing": "usual", "detector": "ensemble"}
    pipeline = normalize([{**PIPELINE.as_dict(), **changes}])[0]
    begin_ns = np.arange(len(values)) * pipeline.window_ns
    windows = Windows(((),), np.zeros(len(values), dtype=np.intp), begin_ns, values, np.full(values.shape, 10.0))
    lacking, far = hostile(1, 2), hostile(1, 3)
    lacking[0, 1:4], far[0, 0], far[0, 4] = np.nan, 1.7e308, -1.7e308

    model = train(pipeline, windows, "v", 0).model
    *usual, without_fields, beyond = printers.judge(model, (), np.concatenate([hostile(100, 4), lacking, far]))

    assert np.median([verdict.severity for verdict in usual]) < 50
    assert without_fields.severity < 75
    assert beyond.severity > 99
    assert np.isfinite([verdict.score for verdict in (*usual, without_fields, beyond)]).all()
    np.testing.assert_allclose(
        np.sum([verdict.contribution for verdict in (*usual, without_fields, beyond)], axis=1), 1
    )


def test_threads_change_nothing_and_two_models_are_equal_byte_by_byte() -> None:
    one, other = (train(PIPELINE, SHORT, "v", 3, jobs=jobs).model.arrays() for jobs in (1, 3))
    assert {name: array.tobytes() for name, array in one.items()} == {
        name: array.tobytes() for name, array in other.items()
    }


@pytest.mark.parametrize("detector", ["ensemble", "isolation_forest", "robust_z", "gap"])
def test_a_least_deviation_wider_than_the_noise_does_not_make_what_is_just_beyond_it_as_rare_as_can_be(
    detector: str,
) -> None:
    # The means of windows have a standard deviation of 0.03, and those of a history never come near to the least one.
    points = np.random.default_rng(3).normal(20.0, 0.1, (2_960, 10))
    values = np.stack([points.mean(axis=1), points.std(axis=1, ddof=1)], axis=1)
    begin_ns = 1_700_000_040_000_000_000 + np.arange(len(values)) * 60_000_000_000
    specification = {
        "name": "narrow",
        "database": "narrow",
        "measurement": "narrow",
        "fields": [{"name": "value", "min_deviation": 2}],
        "window": "1m",
        "detector": detector,
    }
    (made,) = normalize([specification])
    series, counts = np.zeros(2_880, dtype=np.intp), np.full((2_880, 1), 10.0)
    model = train(made, Windows(((),), series, begin_ns[:2_880], values[:2_880], counts), "v", 0).model
    later = values[2_880:].copy()
    later[20, 0], later[40, 0] = 22.02, 25.0

    verdicts = model.judge(model.follow(()), (), begin_ns[2_880:], later)

    severities = np.array([verdict.severity for verdict in verdicts])
    assert severities[20] < made.periods.open
    assert severities[40] == 100.0
    assert severities[:20].max() < made.periods.open
