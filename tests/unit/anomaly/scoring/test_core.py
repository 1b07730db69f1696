"""The scoring core beyond single windows: silence while it lasts, and what it makes of a pipeline."""

from typing import Any

from anomaly.models.model import Model
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import MAINTENANCE, Feedback, Mark
from anomaly.scoring.results import Result
from anomaly.windows.arrays import Key
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

LIVE: list[Key] = [("printer-1",), ("printer-2",)]
NOBODY_SAID = Feedback(PIPELINE)
WINDOWS = printers.runs(printers.windows(printers.clean(7, 300), printers.clean(8, 300), begin_ns=WINDOW_NS))
SILENCE = PIPELINE.periods.silence_ns // WINDOW_NS


def core() -> ScoringCore:
    return ScoringCore(PIPELINE, EventCounter("", lambda message: None))


def fed(core: ScoringCore, model: Model, begin: int, end: int, keys: list[Key] = LIVE) -> list[Result]:
    """Feed windows [begin, end) of each series."""
    found: list[Result] = []
    for windows in WINDOWS:
        if windows.key in keys:
            number = windows.begin_ns // WINDOW_NS - 1
            found += core.feed(model, windows.where((number >= begin) & (number < end)), NOBODY_SAID)
    return found


def silent(core: ScoringCore, model: Model | None, window: int, feedback: Feedback = NOBODY_SAID) -> list[Result]:
    """Look after all windows before number `window` are known."""
    watermarks = dict.fromkeys(LIVE, (window + 1) * WINDOW_NS)
    return list(core.silent(model, watermarks, feedback, listening_ns=0))


def told(results: list[Result]) -> list[tuple[Any, ...]]:
    return [
        (result.measurement, result.tags.get("printer"), result.fields["state"], result.fields.get("joint"))
        for result in results
        if result.measurement in ("period", "notice")
    ]


def test_a_silent_series_is_told_while_it_lasts_and_closed_by_its_next_window(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    fed(scoring, model, 2, 12, LIVE[1:])

    opened = silent(scoring, model, 2 + SILENCE + 1)
    closed = fed(scoring, model, 15, 16, LIVE[:1])

    assert told(opened) == [("period", "printer-1", "open", False)]
    assert told(closed) == [("period", "printer-1", "closed", False)]
    before, after = opened[0], next(result for result in closed if result.measurement == "period")
    assert (before.time_ns, before.tags) == (after.time_ns, after.tags)
    assert after.fields["begin_ms"] == 3 * WINDOW_NS // 1_000_000
    assert after.fields["end_ms"] == 16 * WINDOW_NS // 1_000_000


def test_a_pipeline_all_of_whose_series_are_silent_is_one_notice(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)

    opened = silent(scoring, model, 2 + SILENCE + 1)
    back = fed(scoring, model, 15, 16)

    assert told(opened) == [
        ("period", "printer-1", "open", True),
        ("period", "printer-2", "open", True),
        ("notice", None, "open", None),
    ]
    assert opened[-1].tags == {"pipeline": "printer", "notice": "silence"}
    assert opened[-1].fields["text"] == "all 2 series"
    assert sorted(told(back), key=str) == [
        ("notice", None, "closed", None),
        ("period", "printer-1", "closed", True),
        ("period", "printer-2", "closed", True),
    ]


def test_a_known_series_that_never_came_is_silent_too(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 20, LIVE[1:])
    assert told(silent(scoring, model, 12)) == [("period", "printer-1", "open", False)]


def test_without_a_model_nobody_knows_what_is_missing(model: Model) -> None:
    assert silent(core(), None, 50) == []


def test_silence_during_maintenance_is_not_told(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    fed(scoring, model, 2, 12, LIVE[1:])
    mark = Mark(MAINTENANCE, 3 * WINDOW_NS, 30 * WINDOW_NS, {"printer": "printer-1"})

    opened = silent(scoring, model, 10, Feedback(PIPELINE, [mark]))
    closed = fed(scoring, model, 15, 16, LIVE[:1])

    assert told(opened) == []
    assert told(closed) == []


def test_a_told_silence_goes_on_through_a_restart(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    silent(scoring, model, 10)
    resumed = core()
    resumed.restore(scoring.state(model))

    assert silent(resumed, model, 12) == []
    assert told(fed(resumed, model, 15, 16, LIVE[:1])) == [
        ("period", "printer-1", "closed", True),
        ("notice", None, "closed", None),
    ]
