"""Drift: none while the world is as in training, some as soon as it is not, and the same after a restart."""

from dataclasses import replace

import numpy as np
import pytest

from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model
from anomaly.models.reference import BINS, Reference, bins, reference
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.drift import DriftMonitor, chance, stability
from anomaly.scoring.events import EventCounter
from anomaly.scoring.results import Result
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.series import SeriesWindows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.serving.test_handler import batch, blocks, harness, named

# A horizon of 240 windows, a result every 10; and a detector that does not get used to anything.
SHORT: Pipeline = normalize(
    [{**PIPELINE.as_dict(), "detector": "robust_z", "parameters": {}, "drift": {"horizon": "40m"}}]
)[0]
KEY = ("printer-1",)


def calm(seed: int, seconds: int) -> np.ndarray:
    """Without the daily swing, which within less than a day is drift."""
    swing = printers.SWING * np.sin(np.arange(seconds)[:, None] * (2 * np.pi / printers.DAY))
    return np.asarray(printers.clean(seed, seconds) - swing)


@pytest.fixture(scope="module")
def model() -> Model:
    return train(SHORT, printers.windows(calm(1, 10_000), calm(2, 10_000)), "v1", seed=0).model


def counted(known: Reference, x: np.ndarray) -> np.ndarray:
    return np.array([np.bincount(column, minlength=BINS) for column in bins(known.edges, x).T], dtype=np.float64)


def test_training_is_stable_against_itself() -> None:
    x = np.random.default_rng(0).standard_normal((5_000, 2))
    known = reference(x)
    np.testing.assert_allclose(known.shares.sum(axis=1), 1)
    np.testing.assert_allclose(stability(counted(known, x), 5_000, known), 0, atol=1e-9)


def test_chance_is_exceeded_once_in_a_hundred_and_a_shift_by_far() -> None:
    rng = np.random.default_rng(1)
    known = reference(rng.standard_normal((20_000, 1)))
    limit = chance(200, known)[0]
    same = [stability(counted(known, rng.standard_normal((200, 1))), 200, known)[0] for _ in range(1_000)]
    assert 0.002 < np.mean(np.array(same) > limit) < 0.03
    moved = stability(counted(known, rng.standard_normal((200, 1)) + 1), 200, known)[0]
    assert moved > 0.25 + limit


@pytest.mark.parametrize("moved", [-1e-6, 1e-6])
def test_a_value_that_never_changed_is_seen_to_move_either_way(moved: float) -> None:
    known = reference(np.full((1_000, 1), 7.0))
    assert stability(counted(known, np.full((100, 1), 7.0)), 100, known)[0] == 0
    assert stability(counted(known, np.full((100, 1), 7.0 + moved)), 100, known)[0] > 1


def of_shares(*shares: float, windows: float = 1_000.0) -> Reference:
    """Return the distribution of one feature by the shares of its first bins."""
    padded = [*shares, *[0.0] * (BINS - len(shares))]
    return Reference(np.zeros((1, 9)), np.array([padded]), np.array([windows]))


def in_bins(*counts: float) -> np.ndarray:
    return np.array([[*counts, *[0.0] * (BINS - len(counts))]])


def test_the_index_is_the_sum_of_differences_times_logarithms_of_ratios() -> None:
    # (0.75 - 0.5) ln(0.75 / 0.5) + (0.25 - 0.5) ln(0.25 / 0.5); bins that are empty in both do not count.
    moved = stability(in_bins(75, 25), 100, of_shares(0.5, 0.5))
    assert moved == pytest.approx([0.25 * np.log(3)])
    assert stability(in_bins(30, 30), 60, of_shares(0.5, 0.5)) == pytest.approx([0.0])


def test_a_bin_that_is_empty_now_counts_as_half_a_window() -> None:
    index = stability(in_bins(100, 0), 100, of_shares(0.5, 0.5))
    assert index == pytest.approx([0.5 * np.log(2) + (0.005 - 0.5) * np.log(0.005 / 0.5)])


def test_a_feature_that_no_window_had_has_not_moved() -> None:
    assert stability(in_bins(), 0, of_shares(0.5, 0.5)) == pytest.approx([0.0])


@pytest.mark.parametrize(("used", "chi_squared"), [(10, 21.666), (4, 11.345), (2, 6.635), (1, 6.635)])
def test_chance_is_the_99th_percentile_of_chi_squared_over_the_windows(used: int, chi_squared: float) -> None:
    known = of_shares(*[1 / used] * used, windows=1_000.0)
    assert chance(200, known) == pytest.approx([chi_squared * (1 / 200 + 1 / 1_000)], rel=0.02)


def test_a_result_comes_with_the_first_window_of_each_24th_of_the_horizon(model: Model) -> None:
    stream = Stream(model)
    samples = calm(9, 400)
    first = stream.feed(samples[:90])
    last_of_the_24th = stream.feed(samples[90:100])
    first_of_the_next = stream.feed(samples[100:110])
    assert (first, last_of_the_24th) == ([], [])
    assert [result.time_ns for result in first_of_the_next] == [10 * WINDOW_NS]
    # A gap of several results' length is one result, of the time at which the series goes on.
    stream.at = 45 * WINDOW_NS
    assert [result.time_ns for result in stream.feed(samples[:20])] == [40 * WINDOW_NS]


def test_drift_is_that_of_each_series_until_it_is_forgotten(model: Model) -> None:
    stream = Stream(model)
    stream.feed(calm(9, 300))
    assert stream.drift.keys == [KEY]
    assert stream.drift.state([("stranger",)])["weight"].shape == (0,)
    assert stream.drift.state([KEY])["weight"].shape == (1,)
    stream.drift.forget(KEY)
    assert stream.drift.keys == []
    assert stream.feed(calm(9, 100)) == []


class Stream:
    """Windows of one printer through scorer and drift."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.scorer = Scorer(model.pipeline, EventCounter("", lambda message: None))
        self.drift = DriftMonitor(model.pipeline)
        self.at = 0

    def feed(self, samples: np.ndarray, points_of_air: int = 10) -> list[Result]:
        windows = printers.windows(samples, begin_ns=self.at)
        windows.counts[:, 2] = points_of_air
        self.at += len(windows) * WINDOW_NS
        found: list[Result] = []
        for index in range(len(windows)):
            one = slice(index, index + 1)
            run = SeriesWindows(KEY, windows.begin_ns[one], windows.values[one], windows.counts[one])
            scored = self.scorer.feed_series(self.model, run)
            assert scored is not None
            for _, drift in self.drift.feed(scored):
                found += drift
        return found


def test_a_result_comes_ten_windows_apart_and_says_what_is_known(model: Model) -> None:
    found = Stream(model).feed(calm(9, 3_000))
    assert [result.time_ns for result in found] == [number * 10 * WINDOW_NS for number in range(1, 30)]
    last = found[-1]
    assert last.measurement == "drift"
    assert last.tags == {"pipeline": "printer", "printer": "printer-1"}
    assert set(last.fields) == {"psi", "psi_hotend", "psi_bed", "psi_air", "above", "filled", "drifted", "model"}
    assert last.fields["filled"] == pytest.approx(1 - np.exp(-290 / 240))
    assert last.fields["psi"] == max(last.fields[f"psi_{name}"] for name in printers.FIELDS)
    # The chance of small numbers alone is not drift.
    assert {result.fields["drifted"] for result in found} == {0}


def test_a_shift_of_one_field_is_drift_and_its_field_is_named(model: Model) -> None:
    stream = Stream(model)
    stream.feed(calm(9, 4_000))
    samples = calm(10, 4_000)
    samples[:, 1] += 0.6
    last = stream.feed(samples)[-1].fields
    assert last["drifted"] == 1
    assert last["psi"] == last["psi_bed"]
    assert float(last["psi_bed"]) > 0.25
    assert float(last["psi_hotend"]) < 0.25


def test_a_field_without_points_is_unknown_to_drift() -> None:
    pipeline = normalize([{**SHORT.as_dict(), "missing": "usual"}])[0]
    model = train(pipeline, printers.windows(calm(1, 10_000), calm(2, 10_000)), "v1", seed=0).model
    samples = calm(9, 4_000)
    samples[:, 2] += 30

    lacking = Stream(model).feed(samples, points_of_air=0)[-1].fields
    few = Stream(model).feed(samples, points_of_air=4)[-1].fields
    complete = Stream(model).feed(samples)[-1].fields

    assert (lacking["psi_air"], lacking["drifted"]) == (0.0, 0)
    for fields in (few, complete):
        assert float(fields["psi_air"]) > 1
        assert fields["drifted"] == 1


def test_many_anomalous_windows_are_drift(model: Model) -> None:
    stream = Stream(model)
    samples = calm(9, 4_000)
    for start in range(0, 4_000, 100):
        samples[start : start + 10] += 30
    last = stream.feed(samples)[-1].fields
    assert last["above"] == pytest.approx(0.1, abs=0.02)
    assert last["drifted"] == 1


def test_nothing_is_judged_before_the_horizon_is_half_full(model: Model) -> None:
    found = Stream(model).feed(calm(9, 3_000) + 30)
    drifted = {bool(result.fields["drifted"]): float(result.fields["filled"]) for result in reversed(found)}
    assert drifted[True] >= 0.5
    assert {result.fields["drifted"] for result in found if float(result.fields["filled"]) < 0.5} == {0}


def test_a_new_model_starts_anew(model: Model) -> None:
    stream = Stream(model)
    stream.feed(calm(9, 3_000))
    stream.model = replace(model, version="v2")
    found = stream.feed(calm(10, 300))
    assert [result.fields["model"] for result in found] == ["v2", "v2"]
    assert found[0].fields["filled"] == pytest.approx(1 - np.exp(-10 / 240))


def test_a_restart_changes_nothing(model: Model) -> None:
    whole, parted = Stream(model), Stream(model)
    expected = whole.feed(calm(9, 3_000))
    found = parted.feed(calm(9, 3_000)[:1_230])
    saved = parted.drift.state()
    parted.drift = DriftMonitor(SHORT)
    parted.drift.restore(saved)
    found += parted.feed(calm(9, 3_000)[1_230:])
    assert [result.time_ns for result in found] == [result.time_ns for result in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.fields == pytest.approx(other.fields)


def test_a_state_has_every_window_that_was_scored(model: Model) -> None:
    stream = Stream(model)
    stream.feed(calm(9, 100))
    saved = stream.drift.state()
    stream.drift = DriftMonitor(SHORT)
    stream.drift.restore(saved)
    first, second = stream.feed(calm(10, 200))
    assert first.fields["filled"] == pytest.approx(1 - np.exp(-10 / 240))
    assert second.fields["filled"] == pytest.approx(1 - np.exp(-20 / 240))


def test_state_of_another_pipeline_is_refused(model: Model) -> None:
    stream = Stream(model)
    stream.feed(calm(9, 300))
    other = normalize([{**PIPELINE.as_dict(), "fields": ["hotend"]}])[0]
    with pytest.raises(ValueError, match="for 2 features"):
        DriftMonitor(other).restore(stream.drift.state())


def test_the_udf_writes_drift_says_it_once_and_keeps_it_over_a_restart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    samples = calm(9, 4_000)
    samples[:, 1] += 0.8
    feed = [batch(number, block) for number, block in enumerate(blocks(samples))]
    with harness(SHORT) as udf:
        points = udf.feed(feed[:200])
        saved = udf.snapshot()
    with harness(SHORT, now_ns=udf.now_ns, restore=saved) as udf:
        points += udf.feed(feed[200:])
        assert udf.handler.events.counts["results that say drift"] > 1
    drift = named(points, "drift")
    assert len(drift) == 39
    assert drift[-1].fields["drifted"] == 1
    assert drift[-1].fields["filled"] == pytest.approx(1 - np.exp(-390 / 240), abs=0.02)
