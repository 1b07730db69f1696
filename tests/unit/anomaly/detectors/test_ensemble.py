"""The ensemble from training to scores: its levels, and that it goes on after a restart."""

import numpy as np
import pytest

from anomaly.detectors import ensemble
from anomaly.detectors.declaration import HoldOut
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.arrays import AnyArray
from tests.unit.anomaly import printers

PIPELINE: Pipeline = normalize([{**printers.PIPELINE.as_dict(), "detector": "ensemble", "parameters": {"trees": 20}}])[
    0
]


@pytest.fixture(scope="module")
def model() -> Model:
    return train(PIPELINE, printers.windows(printers.clean(5, 60_000)), "v", 0).model


def test_levels_are_the_lowest_ones_without_a_hold_out() -> None:
    assert ensemble.MEMBERS == ("gap", "slow_gap", "seasonal", "seasonal_gap", "isolation_forest")
    levels = ensemble.levels(HoldOut(np.zeros((0, 5)), 288.0, is_long=False))
    np.testing.assert_array_equal(levels, [0.06, 3.0, 11.0, 0.11, 24.0])


def test_levels_are_equally_rare_and_at_least_the_lowest_ones() -> None:
    usual = np.array([1.0, 2.0, 5.0, 0.5, 100.0])
    scores = np.random.default_rng(0).exponential(1.0, (200_000, 5)) * usual
    # Once in a thousand days is a window in a hundred thousand.
    np.testing.assert_allclose(
        ensemble.levels(HoldOut(scores, 100.0, is_long=True)) / usual, np.log(100_000), rtol=0.15
    )
    tiny = ensemble.levels(HoldOut(1e-6 * scores, 100.0, is_long=True))
    np.testing.assert_array_equal(tiny[:4], [0.06, 6.0, 11.0, 0.11])
    assert 0.0 < tiny[4] < 0.01
    assert ensemble.levels(HoldOut(1e-6 * scores, 100.0, is_long=False))[4] == 24.0


def test_the_forest_says_how_rare_each_window_is_by_itself(model: Model) -> None:
    (run,) = printers.runs(printers.windows(printers.clean(7, 3_000)))
    x = model.features(run.key, run.values)
    place, row = np.zeros(len(x), dtype=np.intp), np.array([model.row(run.key)])
    followers = model.detector.followers(1)
    followers.begin(np.array([0]), row)
    assert isinstance(model.detector, ensemble.Ensemble)
    assert isinstance(followers, ensemble.EnsembleFollowers)
    forest = model.detector.members["isolation_forest"].followers(1)
    forest.begin(np.array([0]), row)

    scores, _, surprises = followers.weigh(place, run.begin_ns, x)

    alone, _ = forest.explain(place, run.begin_ns, x)
    assert model.detector.alone is not None
    np.testing.assert_array_equal(surprises, model.detector.alone.surprise(alone))
    assert 0.2 < surprises.mean() < 2.0, "the surprise of usual windows is 1 on average"
    judged = model.judge(model.follow(run.key), run.key, run.begin_ns, run.values)
    assert model.evidence_excess is not None
    expected = np.maximum(surprises - model.evidence_excess[row[0]], 0.0)
    np.testing.assert_array_equal([verdict.surprise for verdict in judged], expected)
    np.testing.assert_array_equal([verdict.score for verdict in judged], scores)


def test_a_model_of_a_release_that_weighed_no_window_alone_scores_as_before(model: Model) -> None:
    arrays = {name: array for name, array in model.detector.arrays().items() if not name.startswith("ensemble_alone")}
    (run,) = printers.runs(printers.windows(printers.clean(7, 300)))
    x = model.features(run.key, run.values)
    place = np.zeros(len(x), dtype=np.intp)

    both = []
    for detector in (ensemble.load(model.detector.arrays()), ensemble.load(arrays)):
        followers = detector.followers(1)
        followers.begin(np.array([0]), np.array([model.row(run.key)]))
        both.append(followers.weigh(place, run.begin_ns, x))

    (scores, shares, surprises), (old_scores, old_shares, old_surprises) = both
    np.testing.assert_array_equal(old_scores, scores)
    np.testing.assert_array_equal(old_shares, shares)
    assert surprises.all()
    assert not old_surprises.any()


def test_a_fault_is_found_again_when_it_comes_again(model: Model) -> None:
    samples = printers.clean(7, 6_000)
    for start in (2_000, 4_000):
        printers.break_down(samples, printers.Fault("offset", (1,), start, 300, 9.0))
    (run,) = printers.runs(printers.windows(samples))
    scored = list(Scorer(PIPELINE, EventCounter("", lambda message: None)).feed(model, run))
    periods = {period.begin_ns: period for window in scored for period in window.periods}
    assert [begin // printers.WINDOW_NS for begin in periods] == [200, 400]
    assert {period.reason for period in periods.values()} == {"bed"}


def test_a_restart_goes_on_with_what_was_remembered(model: Model) -> None:
    (run,) = printers.runs(printers.windows(printers.clean(8, 3_000)))
    whole = [scored.verdict for scored in Scorer(PIPELINE, EventCounter("", print)).feed(model, run)]
    first = np.arange(len(run)) < 111
    before = Scorer(PIPELINE, EventCounter("", print))
    verdicts = [scored.verdict for scored in before.feed(model, run.where(first))]
    after = Scorer(PIPELINE, EventCounter("", print))
    after.restore(before.state())
    verdicts += [scored.verdict for scored in after.feed(model, run.where(~first))]
    np.testing.assert_allclose(
        [verdict.score for verdict in verdicts], [verdict.score for verdict in whole], rtol=0, atol=1e-9
    )
    cold = [scored.verdict.score for scored in Scorer(PIPELINE, EventCounter("", print)).feed(model, run.where(~first))]
    assert np.abs(np.array(cold) - [verdict.score for verdict in whole[111:]]).max() > 1e-3


@pytest.mark.parametrize(
    "damage",
    [
        {"followers_memory_gap_after_ns": np.zeros((2, 6), dtype=np.int64)},
        # What says which series are remembered is damaged, too.
        {"followers_key_lengths": np.array([[2]], dtype=np.int32)},
    ],
    ids=["memory", "keys"],
)
def test_a_state_that_does_not_fit_is_counted_and_begun_anew(model: Model, damage: dict[str, AnyArray]) -> None:
    (run,) = printers.runs(printers.windows(printers.clean(8, 300)))
    scorer, events = Scorer(PIPELINE, EventCounter("", print)), EventCounter("", print)
    list(scorer.feed(model, run))
    state = scorer.state()
    again = Scorer(PIPELINE, events)
    again.restore({**state, **damage})
    later = printers.runs(printers.windows(printers.clean(8, 300), begin_ns=300 * 10**9))[0]
    assert len(list(again.feed(model, later))) == 30
    assert events.counts["lost memories"] == 1


def test_a_window_that_comes_twice_is_scored_once(model: Model) -> None:
    (run,) = printers.runs(printers.windows(printers.clean(8, 300)))
    events = EventCounter("", print)
    scorer = Scorer(PIPELINE, events)
    assert len(list(scorer.feed(model, run))) == 30
    last = np.arange(len(run)) == len(run) - 1
    assert list(scorer.feed(model, run.where(last))) == []
    assert events.counts == {"scored windows": 30, "repeated windows": 1}
