"""The contest of the default with its members: who is compared with whom, and what is worse."""

from typing import Any

import pytest

from anomaly.backtest.evaluate import Evaluation, FoundPeriod, LabelOutcome
from anomaly.backtest.labels import Label
from anomaly.refusal import Refused
from anomaly.scoring.periods import Period
from bench import contest as module
from bench.contest import Entrant, contest, shortfalls
from bench.heatpump.__main__ import trial
from bench.pipelines import shipped

WINDOW_NS = 60_000_000_000
DETECTORS = ("ensemble", "gap", "isolation_forest")


def evaluation(found: int, false: int, covered: float) -> Evaluation:
    """Ten faults of an hour, of which some were found, each covered alike."""
    hour_ns = 60 * WINDOW_NS
    outcomes = []
    for number in range(10):
        begin_ns = 10 * number * hour_ns
        period = Period(begin_ns, begin_ns + int(covered * hour_ns), "closed", 1.0, 90.0, 1, "flow")
        label = Label(begin_ns, begin_ns + hour_ns, {}, "leak")
        known = FoundPeriod(("heatpump-1",), period, begin_ns + WINDOW_NS)
        outcomes.append(LabelOutcome(label, (known,) if number < found else (), WINDOW_NS if number < found else None))
    nothing = FoundPeriod(("heatpump-1",), Period(0, 1, "closed", 1.0, 90.0, 1, "flow"), 1)
    return Evaluation(tuple(outcomes), 10.0, WINDOW_NS, false=(nothing,) * false)


def run(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], detectors: tuple[str, ...] = DETECTORS
) -> list[Entrant]:
    def evaluations(pipeline: Any, trial: Any) -> Any:
        if isinstance(given[pipeline.detector], str):
            raise Refused(given[pipeline.detector])
        return given[pipeline.detector].items()

    monkeypatch.setattr(module, "_evaluations", evaluations)
    return contest(shipped("heatpump"), [trial(1)], detectors)


def test_each_is_also_shown_at_the_lowest_severity_with_no_more_false_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    default, gap, forest = run(
        monkeypatch,
        {
            "ensemble": {60.0: evaluation(9, 9, 0.5), 75.0: evaluation(7, 2, 0.5)},
            "gap": {60.0: evaluation(8, 3, 0.1), 65.0: evaluation(6, 2, 0.1), 75.0: evaluation(3, 0, 0.1)},
            "isolation_forest": {75.0: evaluation(9, 5, 0.5), 100.0: evaluation(9, 3, 0.5)},
        },
    )

    assert default.equal == default.delivered
    assert (default.equal.severity, default.equal.found, default.equal.false) == (75.0, 7, 2)  # type: ignore[union-attr]
    assert (gap.equal.severity, gap.equal.found, gap.delivered.found) == (65.0, 6, 3)  # type: ignore[union-attr]
    assert forest.equal is None
    assert (default.delivered.false_per_day, default.delivered.coverage) == (0.2, 0.35)  # type: ignore[union-attr]


def test_one_fault_less_is_as_good_and_two_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"ensemble": {75.0: evaluation(7, 2, 0.9)}, "gap": {75.0: evaluation(8, 2, 0.1)}}
    bad = good | {"gap": {75.0: evaluation(9, 2, 0.1)}}
    short = good | {"gap": {75.0: evaluation(7, 2, 1.0)}}
    forest = {"isolation_forest": {75.0: evaluation(1, 0, 0.1)}}

    assert shortfalls(run(monkeypatch, good | forest)) == []
    assert shortfalls(run(monkeypatch, bad | forest)) == ["ensemble finds 7 of 10, gap 9"]
    assert shortfalls(run(monkeypatch, short | forest)) == ["ensemble covers 0.63, gap 0.70"]


def test_a_refusal_is_kept_and_is_worse_than_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "ensemble": {75.0: evaluation(7, 2, 0.9)},
        "gap": "the history has 3 windows",
        "isolation_forest": {75.0: evaluation(1, 0, 0.1)},
    }
    refused = next(each for each in run(monkeypatch, given) if each.detector == "gap")

    assert (refused.refused, refused.delivered, refused.equal) == (["the history has 3 windows"], None, None)


def test_a_default_that_cannot_be_trained_is_worse_than_each_member_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "ensemble": "the history has 3 windows",
        "gap": {75.0: evaluation(7, 2, 0.9)},
        "isolation_forest": "the history has 3 windows",
    }

    texts = shortfalls(run(monkeypatch, given))

    assert texts == ["ensemble cannot be trained, gap can"]


def test_members_without_the_default_are_shown_and_compared_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    entrants = run(monkeypatch, {"gap": {75.0: evaluation(7, 2, 0.9)}}, detectors=("gap",))

    assert (entrants[0].delivered is not None, entrants[0].equal, shortfalls(entrants)) == (True, None, [])
