"""A window beyond a limit is always anomalous, with the limit as the reason, whoever brings it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, Appearance, Feedback, Mark
from anomaly.scoring.results import Result
from anomaly.scoring.scorer import ScoredWindow, Scorer
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, PIPELINE, WINDOW_NS
from tests.unit.anomaly.scoring.test_core import flat

BEGIN_NS = 1_700_000_000_000_000_000 // WINDOW_NS * WINDOW_NS
# The bed is at 90 with noise of 0.4: 91 is nothing that a detector would tell.
WARM = 91.0


def limited(**more: Any) -> Pipeline:
    fields = ["hotend", {"name": "bed", "limits": [80, 90.8]}, "air"]
    return normalize([{**PIPELINE.as_dict(), "fields": fields, **more}])[0]


def windows(bed: float = WARM, at: int = 20) -> Windows:
    """Forty windows of two printers; in one of the first printer's the bed is so warm, without a jump in its spread."""
    made = printers.windows(printers.clean(21, 400), printers.clean(22, 400), begin_ns=BEGIN_NS)
    made.values[at, 2] = bed
    return made


def served(model: Model, pipeline: Pipeline, given: Windows, feedback: Feedback | None = None) -> list[Result]:
    core = ScoringCore(pipeline, EventCounter("", lambda message: None))
    return [
        result
        for begin_ns in np.unique(given.begin_ns)
        for result in flat(
            core.feed_together(
                replace(model, pipeline=pipeline),
                given.where(given.begin_ns == begin_ns),
                feedback or Feedback(pipeline, []),
            )
        )
    ]


def scored(model: Model, pipeline: Pipeline, given: Windows) -> list[ScoredWindow]:
    """As a backtest and a catch-up score."""
    scorer = Scorer(pipeline, EventCounter("", lambda message: None))
    return [each for run in printers.runs(given) for each in scorer.feed(replace(model, pipeline=pipeline), run)]


def test_a_window_beyond_a_limit_is_a_period_with_the_limit_as_its_reason(model: Model) -> None:
    plain = [result for result in served(model, PIPELINE, windows()) if result.measurement == "period"]
    found = [result for result in served(model, limited(), windows()) if result.measurement == "period"]

    assert plain == []
    assert {result.time_ns for result in found} == {BEGIN_NS + 20 * WINDOW_NS}
    assert [result.fields["state"] for result in found] == ["open", "closed"]
    assert {
        (each.fields["reason"], each.fields["peak_severity"], each.fields["points"], each.fields["_limit"])
        for each in found
    } == {("bed above 90.8", 100.0, 1, True)}


def test_what_a_limit_says_is_in_the_score_and_the_score_is_the_detectors(model: Model) -> None:
    at = BEGIN_NS + 20 * WINDOW_NS
    (before, *_), (after, *_) = (
        [each for each in served(model, pipeline, windows()) if each.measurement == "score" and each.time_ns == at]
        for pipeline in (PIPELINE, limited())
    )
    assert after.fields["severity"] == 100.0
    assert after.fields["label"] == 1
    assert [after.fields[f"contribution_{name}"] for name in FIELDS] == [0.0, 1.0, 0.0]
    assert after.fields["score"] == before.fields["score"]


def test_one_series_after_the_other_and_all_together_are_one(model: Model) -> None:
    severities = {each.begin_ns: each.verdict.severity for each in scored(model, limited(), windows())[:40]}
    together = {
        result.time_ns: result.fields["severity"]
        for result in served(model, limited(), windows())
        if result.measurement == "score" and result.tags["printer"] == "printer-1"
    }
    assert severities[BEGIN_NS + 20 * WINDOW_NS] == 100.0
    assert together == pytest.approx(severities)


def test_with_max_a_single_point_is_beyond(model: Model) -> None:
    given = windows(bed=90.0)
    given.values[:, 1::2] = given.values[:, ::2]
    given.values[20, 3] = WARM
    (found,) = (each for each in scored(model, limited(aggregate=["mean", "max"]), given) if each.verdict.limit)
    assert found.begin_ns == BEGIN_NS + 20 * WINDOW_NS


def test_a_spread_is_beyond_no_limit(model: Model) -> None:
    given = windows(bed=90.0)
    given.values[20, 3] = 95.0
    assert all(each.verdict.limit is None for each in scored(model, limited(), given))


def test_an_override_is_for_its_series_alone(model: Model) -> None:
    override = {"where": {"printer": "printer-1"}, "fields": [{"name": "bed", "limits": [None, 95]}]}
    given = windows()
    given.values[60, 2] = WARM

    found = scored(model, limited(overrides=[override]), given)

    assert [each.begin_ns for each in found if each.verdict.limit is not None] == [given.begin_ns[60]]


def test_maintenance_keeps_a_limit_out_of_periods_and_a_false_alarm_does_not(model: Model) -> None:
    def periods(mark: Mark) -> list[Result]:
        pipeline = limited()
        results = served(model, pipeline, windows(), Feedback(pipeline, [mark]))
        return [result for result in results if result.measurement == "period"]

    begin_ns = BEGIN_NS + 20 * WINDOW_NS
    (window,) = (each for each in scored(model, limited(), windows()) if each.verdict.limit is not None)
    looks = Appearance(window.verdict.score, window.verdict.contribution, window.verdict.value, window.verdict.value)
    marks = [Mark(kind, begin_ns, begin_ns + WINDOW_NS, {}, appearance=looks) for kind in (MAINTENANCE, FALSE_ALARM)]
    assert [bool(periods(mark)) for mark in marks] == [False, True]
