"""A candidate beside the current model: refused when it does worse, and only then."""

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import normalize
from anomaly.scoring.feedback import FALSE_ALARM, TRUE, Feedback, Mark
from anomaly.training.candidate import PlantedOffset, compare_candidate, found_offsets, why_blinder
from anomaly.training.fit import TrainedModel, train
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

SECONDS = 12_000
# What the current model (the fixture) was trained on, and a later time.
SEEN = (0, 20_000 * 10**9)
LATER_NS = 10**6 * WINDOW_NS
FAULT = printers.Fault("offset", (1,), 4_050, 250, 12)


def history(seed: int, fault: printers.Fault | None = None, seconds: int = SECONDS) -> Windows:
    printer = [printers.clean(seed + number, seconds) for number in range(2)]
    for samples in printer:
        if fault is not None:
            printers.break_down(samples, fault)
    return printers.windows(*printer, begin_ns=LATER_NS)


@pytest.fixture(scope="module")
def faulty() -> TrainedModel:
    """A model of a history that holds a fault without a mark."""
    return train(PIPELINE, history(21, FAULT), "faulty", 0)


def test_an_equal_is_as_good(model: Model) -> None:
    clean = history(11)
    candidate = train(PIPELINE, clean, "new", 0)
    found = compare_candidate(model, SEEN, candidate, clean, [])
    assert found.worse == ()
    assert (found.current, found.windows, found.unseen, found.planted) == (model.version, 2400, True, 240)
    assert found.found.candidate > 0.7
    assert found_offsets(candidate) == found.found.candidate
    assert "which neither has been trained on" in str(found)


def test_what_the_current_model_was_trained_on_counts_where_there_is_nothing_else(
    model: Model, trained: TrainedModel
) -> None:
    windows = trained.calibration_set.windows
    found = compare_candidate(model, SEEN, trained, windows, [])
    assert (found.windows, found.unseen, found.calmer, found.worse) == (4000, False, False, ())
    assert found.found.current == found.found.candidate
    # The last 300 windows of both series are new: enough to go by them.
    assert compare_candidate(model, (0, 17_000 * 10**9), trained, windows, []).windows == 600


def test_each_of_few_windows_gets_an_offset(model: Model, trained: TrainedModel) -> None:
    found = compare_candidate(model, (0, 19_000 * 10**9), trained, trained.calibration_set.windows, [])
    assert found.unseen
    assert found.planted == found.windows == 200


def test_a_model_of_little_history_is_refused_for_what_it_misses(model: Model) -> None:
    little = history(31, seconds=2_100)
    found = compare_candidate(model, SEEN, train(PIPELINE, little, "new", 0), little, [])
    (reason,) = found.worse
    assert reason.startswith("it misses offsets that the current one finds (")
    assert found.found.candidate < found.found.current - 0.25


def test_a_model_of_a_history_with_a_fault_is_refused_for_what_it_no_longer_sees(
    model: Model, faulty: TrainedModel
) -> None:
    found = compare_candidate(model, SEEN, faulty, history(21, FAULT), [])
    (reason,) = found.worse
    assert reason.startswith("it misses offsets")


def test_a_candidate_that_finds_less_is_refused_however_loud_the_current_model_is(model: Model) -> None:
    moved = history(21, FAULT)
    moved.values[:, 0] += 20.0
    candidate = train(PIPELINE, moved, "new", 0)

    blind, unknown = (
        compare_candidate(model, SEEN, candidate, moved, [], found_before=before) for before in (0.95, None)
    )

    assert blind.loud_per_day.current > 8_000
    (reason,) = blind.worse
    assert reason.startswith("it misses offsets such as the current one found when it was trained (")
    assert unknown.worse == ()


@pytest.mark.parametrize("change", ["level", "noise"])
def test_after_a_drift_the_candidate_is_better(model: Model, change: str) -> None:
    moved = history(41)
    values = moved.values
    values[:, 2] += 5.0 if change == "level" else 0.0
    if change == "noise":
        values[:, ::2] = printers.LEVEL + 3.0 * (values[:, ::2] - printers.LEVEL)
    found = compare_candidate(model, SEEN, train(PIPELINE, moved, "new", 0), moved, [])
    assert found.calmer
    assert found.worse == ()
    assert found.loud_per_day.candidate < 10
    assert found.loud_per_day.current > 100


def test_a_confirmed_period_must_still_be_found(model: Model, faulty: TrainedModel) -> None:
    mark = Mark(TRUE, LATER_NS + 405 * WINDOW_NS, LATER_NS + 430 * WINDOW_NS, {})
    found = compare_candidate(model, SEEN, faulty, history(21, FAULT), [mark])
    assert found.missed == (mark.id,)
    assert f"it no longer finds what was marked as true: {mark.id}" in found.worse
    # A model that is loud all the time finds it by chance.
    moved = history(21, FAULT)
    moved.values[:, 0] += 20.0
    candidate = train(PIPELINE, moved, "new", 0)
    assert compare_candidate(model, SEEN, candidate, moved, [mark]).missed == ()


def test_a_learned_false_alarm_must_not_come_back(trained: TrainedModel, faulty: TrainedModel) -> None:
    mark = Mark(FALSE_ALARM, LATER_NS + 405 * WINDOW_NS, LATER_NS + 430 * WINDOW_NS, {})
    elsewhere = Mark(FALSE_ALARM, 0, WINDOW_NS, {})
    found = compare_candidate(faulty.model, SEEN, trained, history(21, FAULT), [mark, elsewhere])
    assert found.raised == (mark.id,)
    assert f"it raises again what was marked as a false alarm: {mark.id}" in found.worse


def test_a_false_alarm_is_learned_without_blinding_the_model(model: Model) -> None:
    usual = history(21, printers.Fault("offset", (1,), 4_050, 50, 12))
    mark = Mark(FALSE_ALARM, LATER_NS + 405 * WINDOW_NS, LATER_NS + 410 * WINDOW_NS, {})
    weighted, alike = (
        compare_candidate(model, SEEN, train(PIPELINE, usual, "new", 0, feedback=feedback), usual, [mark])
        for feedback in (Feedback(PIPELINE, [mark]), None)
    )
    assert (weighted.worse, weighted.raised) == ((), ())
    assert alike.found.candidate < 0.3 < weighted.found.candidate
    assert alike.found.candidate < weighted.found.candidate - 0.2


def test_a_candidate_that_is_loud_in_usual_data_is_refused(model: Model) -> None:
    usual = history(51)
    candidate = train(PIPELINE, usual, "new", 0)
    # As if it had been calibrated to another noise.
    scores = candidate.calibration_set.scores
    scores[:: len(scores) // 97] += 50.0
    assert compare_candidate(model, SEEN, candidate, usual, []).worse == ("it would open more periods in usual data",)
    # Six loud windows among 2,400 may be chance.
    scores[:] = np.minimum(scores, 1.0)
    scores[:: len(scores) // 6] += 50.0
    assert compare_candidate(model, SEEN, candidate, usual, []).worse == ()


def test_nothing_is_planted_into_spreads() -> None:
    pipeline = normalize([{**PIPELINE.as_dict(), "aggregate": ["stddev"]}])[0]
    whole = history(61)
    windows = Windows(whole.keys, whole.series, whole.begin_ns, whole.values[:, 1::2], whole.counts)
    trained = train(pipeline, windows, "new", 0)
    found = compare_candidate(trained.model, SEEN, trained, windows, [])
    assert (found.planted, found.found.candidate, found.worse) == (0, 0.0, ())
    assert found_offsets(trained) is None


def said_of(current: str, candidate: str, *, loud: float = 0.0, excused: bool = False) -> str:
    """Return what is said of the offsets that the models find (x): of two fields in both directions, in turn."""
    ways = [(field, direction) for direction in ("upwards", "downwards") for field in ("bed", "air")] * 20
    planted = [PlantedOffset(way, ("printer-1",), np.empty(0, np.int64), np.empty((0, 6))) for way in ways]
    found = np.array([[each == "x" for each in finds] for finds in (current, candidate)])
    return why_blinder(planted, found, loud, excused=excused)


ALL = "x" * 80


@pytest.mark.parametrize(("loud", "excused", "most"), [(0.0, False, 20), (0.1, False, 28), (0.0, True, 40)])
def test_a_candidate_that_loses_more_offsets_than_its_margin_is_blinder(loud: float, excused: bool, most: int) -> None:
    within, beyond = ("-" * lost + "x" * (80 - lost) for lost in (most, most + 1))

    assert said_of(ALL, within, loud=loud, excused=excused) == ""
    said = f"it misses offsets that the current one finds ({(79 - most) / 80:.0%} instead of 100%)"
    assert said_of(ALL, beyond, loud=loud, excused=excused) == said


def test_a_candidate_that_loses_the_offsets_of_one_field_and_direction_is_blinder() -> None:
    within, beyond = ("x-xx" * lost + "xxxx" * (20 - lost) for lost in (10, 11))

    assert said_of(ALL, within) == ""
    assert said_of(ALL, beyond) == "it misses offsets of air upwards that the current one finds (45% instead of 100%)"
    assert said_of(ALL, beyond, excused=True) == ""


def test_a_loss_that_may_be_chance_is_none() -> None:
    # Each finds offsets that the other one misses, so which of them finds more is a matter of luck.
    current, candidate = "x" * 52 + "-" * 28, "-" * 49 + "x" * 31

    assert said_of(current, candidate) == ""
    assert said_of(current, "-" * 49 + "x" * 3 + "-" * 28) != ""
