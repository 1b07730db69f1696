"""Windows of many series that are scored at once come out as those of one series after the other."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import normalize
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.results import Result
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import TrainedModel, train
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.scoring.test_core import flat

SECONDS = 1_200
FAULTS = (
    printers.Fault("offset", (1,), 403, 200, 9.0),
    printers.Fault("gap", (0, 1, 2), 700, 120),
    printers.Fault("gap", (2,), 900, 30),
)


@pytest.fixture(scope="module", params=["ensemble", "isolation_forest"])
def model(request: pytest.FixtureRequest) -> Model:
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "detector": request.param, "parameters": {}}])
    return train(pipeline, printers.windows(printers.clean(1, 6_000), printers.clean(2, 6_000)), "v1", seed=0).model


def history() -> Windows:
    """Four printers, two of which training has not seen; the first has faults, the second a slow hour."""
    samples = [printers.clean(seed, SECONDS) for seed in (11, 12, 13, 14)]
    for fault in FAULTS:
        printers.break_down(samples[0], fault)
    windows = printers.windows(*samples, begin_ns=WINDOW_NS)
    slow = (windows.series == 1) & (windows.begin_ns > 60 * WINDOW_NS)
    return replace(windows, counts=np.where(slow[:, None], 3.0, windows.counts))


def closing_together(windows: Windows, ends: int = 1) -> Iterator[Windows]:
    """Yield the windows as they close: those that end together, `ends` of them at a time."""
    ticks = windows.begin_ns // (ends * WINDOW_NS)
    for tick in np.unique(ticks):
        yield windows.where(ticks == tick)


def core(model: Model, events: EventCounter) -> ScoringCore:
    return ScoringCore(model.pipeline, events)


def sorted_results(results: list[Result]) -> list[tuple[Any, ...]]:
    """Return results with numbers that may differ in their last digit rounded, in an order of their own."""
    return sorted(
        (
            result.measurement,
            result.time_ns,
            sorted(result.tags.items()),
            [
                (name, round(value, 9) if isinstance(value, float) else value)
                for name, value in sorted(result.fields.items())
            ],
        )
        for result in results
    )


@pytest.mark.parametrize("ends", [1, 3])
def test_together_and_one_by_one_give_the_same_results(model: Model, ends: int) -> None:
    nobody, windows = Feedback(model.pipeline), history()
    events = EventCounter("", lambda message: None), EventCounter("", lambda message: None)
    together, alone = core(model, events[0]), core(model, events[1])
    found: list[Result] = []
    expected: list[Result] = []
    for closed in closing_together(windows, ends):
        found += flat(together.feed_together(model, closed, nobody))
        for one in closed.by_series():
            expected += flat(alone.feed(model, one, nobody))
    assert sorted_results(found) == sorted_results(expected)
    assert events[0].counts == events[1].counts
    assert {result.measurement for result in found} >= {"score", "period", "notice"}


def test_a_period_follows_the_score_of_the_window_that_made_it_known(model: Model) -> None:
    """An alert goes by this order: scores without anomalies after a period end it."""
    together = core(model, EventCounter("", lambda message: None))
    results = flat(together.feed_together(model, history(), Feedback(model.pipeline)))
    own = [result for result in results if result.tags.get("printer") == "printer-1"]
    opened = next(at for at, result in enumerate(own) if result.fields.get("state") == "open")
    scores = [result for result in own[:opened] if result.measurement == "score"]
    assert own[opened].measurement == "period"
    assert own[opened].fields["end_ms"] == (scores[-1].time_ns + WINDOW_NS) // 1_000_000


@pytest.mark.parametrize("missing", ["skip", "usual"])
def test_windows_at_odd_rates_are_judged_together(model: Model, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (pipeline,) = normalize([{**model.pipeline.as_dict(), "missing": missing}])
    nobody, windows = Feedback(pipeline), history()
    windows = windows.where((windows.series < 2) & np.isfinite(windows.values).all(axis=1))
    points = np.random.default_rng(4).choice([3.0, 10.0, 10.0, 10.0, 11.0, 25.0], (len(windows) // 8 + 1, 3))
    windows = replace(windows, counts=np.repeat(points, 8, axis=0)[: len(windows)])
    events = EventCounter("", lambda message: None), EventCounter("", lambda message: None)
    together, alone = ScoringCore(pipeline, events[0]), ScoringCore(pipeline, events[1])
    found: list[Result] = []
    expected: list[Result] = []
    for closed in closing_together(windows, 2):
        for one in closed.by_series():
            expected += flat(alone.feed(model, one, nobody))

    monkeypatch.delattr(Scorer, "feed")
    for closed in closing_together(windows, 2):
        found += flat(together.feed_together(model, closed, nobody))

    assert sorted_results(found) == sorted_results(expected)
    assert events[0].counts == events[1].counts
    assert events[0].counts["partial windows" if missing == "usual" else "cut-off windows"] > 0
    assert {result.measurement for result in found} >= {"score", "notice"}


def test_windows_of_many_moments_at_once_leave_the_state_of_one_by_one(trained: TrainedModel) -> None:
    model, windows = trained.model, history()
    assert not model.remembers, "only then windows of one series are judged at once"
    nobody, quiet = Feedback(model.pipeline), EventCounter("", lambda message: None)
    together, alone = core(model, quiet), core(model, quiet)

    list(together.feed_together(model, windows, nobody))
    for one in windows.by_series():
        list(alone.feed(model, one, nobody))

    found, expected = together.state_of(windows.keys), alone.state_of(windows.keys)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_more_newcomers_than_memory_has_room_for_come_out_as_one_by_one(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is room for ten newcomers.
    monkeypatch.setattr("anomaly.scoring.newcomers._MOST_KEPT", 10_000)
    (pipeline,) = normalize([{**model.pipeline.as_dict(), "memory": "8MiB"}])
    nobody, windows = Feedback(pipeline), printers.windows(*[printers.clean(15, 30)] * 14)
    events = EventCounter("", lambda message: None), EventCounter("", lambda message: None)
    together, alone = ScoringCore(pipeline, events[0]), ScoringCore(pipeline, events[1])
    fitting = replace(model, pipeline=pipeline)
    found: list[Result] = []
    expected: list[Result] = []

    for closed in closing_together(windows):
        found += flat(together.feed_together(fitting, closed, nobody))
        for one in closed.by_series():
            expected += flat(alone.feed(fitting, one, nobody))

    assert sorted_results(found) == sorted_results(expected)
    assert events[0].counts == events[1].counts
    assert any("no room" in str(result.fields.get("text")) for result in found)


def test_a_new_model_and_a_restart_are_noticed(model: Model) -> None:
    nobody, windows = Feedback(model.pipeline), history()
    newer = replace(model, version="v2")
    quiet = EventCounter("", lambda message: None)
    together, alone = core(model, quiet), core(model, quiet)
    found: list[Result] = []
    expected: list[Result] = []
    for number, closed in enumerate(closing_together(windows)):
        if number == 50:
            saved = together.state()
            assert saved is not None
            together = core(model, quiet)
            together.restore(saved)
        scoring = model if number < 80 else newer
        found += flat(together.feed_together(scoring, closed, nobody))
        for one in closed.by_series():
            expected += flat(alone.feed(scoring, one, nobody))
    assert sorted_results([each for each in found if each.measurement == "score"]) == sorted_results(
        [each for each in expected if each.measurement == "score"]
    )


def test_without_a_model_all_windows_are_counted(model: Model) -> None:
    events = EventCounter("", lambda message: None)
    nobody = Feedback(model.pipeline)
    closed = next(closing_together(history()))
    assert list(core(model, events).feed_together(None, closed, nobody)) == []
    assert events.counts == {"unscored windows": 4}


def test_a_series_that_cannot_be_scored_costs_only_its_own_windows(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    events = EventCounter("", said.append)
    nobody, scoring = Feedback(model.pipeline), core(model, events)
    first, second, third = (closed for _, closed in zip(range(3), closing_together(history()), strict=False))
    for closed in (first, second):
        list(scoring.feed_together(model, closed, nobody))
    judge_many, odd_row = Model.judge_many, model.row(("printer-2",))

    def failing(self: Model, followers: Any, row: Any, *more: Any) -> Any:
        if odd_row in np.atleast_1d(row):
            raise ZeroDivisionError("odd numbers")
        return judge_many(self, followers, row, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Model, "judge_many", failing)
        scores = flat(scoring.feed_together(model, third, nobody))
    assert [result.tags["printer"] for result in scores] == ["printer-1", "printer-3", "printer-4"]
    assert events.counts["failures of many series"] == 1
    assert events.counts["failed windows"] == 1
    assert sum("Traceback" in line for line in said) == 1
