"""The scoring core beyond single windows: silence while it lasts, and what it makes of a pipeline."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from anomaly.models.model import Model
from anomaly.pipeline import normalize
from anomaly.scoring.core import ScoringCore, last_windows
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import MAINTENANCE, Feedback, Mark
from anomaly.scoring.results import Result, ResultColumns
from anomaly.scoring.scorer import judgement, series_name
from anomaly.windows.arrays import Key
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

LIVE: list[Key] = [("printer-1",), ("printer-2",)]
NOBODY_SAID = Feedback(PIPELINE)
WINDOWS = printers.runs(printers.windows(printers.clean(7, 300), printers.clean(8, 300), begin_ns=WINDOW_NS))
SILENCE = PIPELINE.periods.silence_ns // WINDOW_NS


def core() -> ScoringCore:
    return ScoringCore(PIPELINE, EventCounter("", lambda message: None))


def flat(results: Iterable[Result | ResultColumns]) -> list[Result]:
    """Return results, those in columns as objects."""
    return [one for each in results for one in ([each] if isinstance(each, Result) else each)]


def fed(core: ScoringCore, model: Model, begin: int, end: int, keys: list[Key] = LIVE) -> list[Result]:
    """Feed windows [begin, end) of each series."""
    found: list[Result] = []
    for windows in WINDOWS:
        if windows.key in keys:
            number = windows.begin_ns // WINDOW_NS - 1
            found += flat(core.feed(model, windows.where((number >= begin) & (number < end)), NOBODY_SAID))
    return found


def silent(core: ScoringCore, model: Model | None, window: int, feedback: Feedback = NOBODY_SAID) -> list[Result]:
    """Look after all windows before number `window` are known."""
    watermarks = np.full(len(LIVE), (window + 1) * WINDOW_NS)
    return list(core.silent(model, LIVE, watermarks, feedback, listening_ns=0))


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


def test_a_series_whose_window_comes_twice_is_named(model: Model) -> None:
    said: list[str] = []
    scoring = ScoringCore(PIPELINE, EventCounter("", said.append))
    fed(scoring, model, 0, 2)

    assert fed(scoring, model, 1, 2, LIVE[:1]) == []

    assert any("a window of printer-1 has been scored already" in each for each in said)


def test_a_window_that_feedback_keeps_out_of_periods_says_nothing_to_them(model: Model) -> None:
    (verdict,) = printers.judge(model, LIVE[0], np.array([[290.0, 0.5, 90.2, 0.3, 28.0, 0.1]]))

    told_to_periods, kept_out = judgement(verdict, None), judgement(verdict, "maintenance")

    assert told_to_periods == (verdict.score, verdict.severity, verdict.surprise, verdict.contribution, None)
    assert verdict.severity > 90
    assert kept_out == (verdict.score, 0.0, 0.0, verdict.contribution, None)


def test_only_series_with_a_silence_that_was_told_are_silent(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    fed(scoring, model, 2, 12, LIVE[1:])
    silent(scoring, model, 2 + SILENCE + 1)

    assert scoring.are_silent([*LIVE, ("unknown",)]).tolist() == [True, False, False]


def test_a_state_says_up_to_where_its_series_are_scored(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    fed(scoring, model, 2, 5, LIVE[1:])

    keys, last_ns = last_windows(scoring.state_of(LIVE))
    nothing = last_windows(scoring.state_of([]))

    assert (keys, last_ns.tolist()) == (LIVE, [2 * WINDOW_NS, 5 * WINDOW_NS])
    assert (nothing[0], nothing[1].tolist()) == ([], [])


def test_a_series_without_tags_has_a_name_in_messages() -> None:
    assert series_name(()) == "the series"


def test_without_a_model_nobody_knows_what_is_missing(model: Model) -> None:
    assert silent(core(), None, 50) == []


def test_what_becomes_known_at_a_quiet_time_is_marked_and_its_end_is_not(model: Model) -> None:
    calendar = {"means": "quiet", "begin": "1970-01-01T00:00", "lasts": "1h"}
    quiet = Feedback(normalize([{**PIPELINE.as_dict(), "calendars": [calendar]}])[0])
    scoring = core()
    fed(scoring, model, 0, 2)

    opened = silent(scoring, model, 2 + SILENCE + 1, quiet)
    windows = WINDOWS[0].where(WINDOWS[0].begin_ns // WINDOW_NS == 16)
    closed = [each for each in flat(scoring.feed(model, windows, quiet)) if each.measurement in ("period", "notice")]

    assert [each.fields.get("quiet") for each in opened] == [True, True, True]
    assert [(each.fields["state"], each.fields.get("quiet")) for each in closed] == [("closed", None)] * 2


def test_an_anomaly_at_a_quiet_time_is_marked_and_told_when_it_goes_on(model: Model) -> None:
    # The quiet time ends with the 20th window.
    calendar = {"means": "quiet", "begin": "1970-01-01T00:00", "lasts": "200s"}
    quiet = Feedback(normalize([{**PIPELINE.as_dict(), "calendars": [calendar]}])[0])
    scoring, windows = core(), WINDOWS[0]
    values = windows.values.copy()
    values[15:25, 0] += 50.0
    hot = replace(windows, values=values)

    found = [each for each in flat(scoring.feed(model, hot, quiet)) if each.measurement == "period"]

    ends = [int(str(each.fields["end_ms"])) for each in found if each.fields["state"] == "open"]
    assert ends == [(window + 2) * 10_000 for window in range(15, 25)]
    marked = [each.fields.get("quiet", False) for each in found if each.fields["state"] == "open"]
    assert marked == [end_ms < 200_000 for end_ms in ends]


def test_silence_during_maintenance_is_not_told(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    fed(scoring, model, 2, 12, LIVE[1:])
    mark = Mark(MAINTENANCE, 3 * WINDOW_NS, 30 * WINDOW_NS, {"printer": "printer-1"})

    opened = silent(scoring, model, 10, Feedback(PIPELINE, [mark]))
    closed = fed(scoring, model, 15, 16, LIVE[:1])

    assert told(opened) == []
    assert told(closed) == []


def test_silence_of_all_series_during_maintenance_is_no_notice(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    mark = Mark(MAINTENANCE, 3 * WINDOW_NS, 14 * WINDOW_NS, {})

    opened = silent(scoring, model, 10, Feedback(PIPELINE, [mark]))
    closed = fed(scoring, model, 15, 16)
    # A silence of one of them later is told by itself.
    fed(scoring, model, 16, 30, LIVE[1:])
    later = silent(scoring, model, 29, Feedback(PIPELINE, [mark]))

    assert told(opened) == []
    assert told(closed) == []
    assert told(later) == [("period", "printer-1", "open", False)]


def test_what_is_open_of_a_forgotten_series_is_closed(model: Model) -> None:
    scoring, windows = core(), WINDOWS[0].where(WINDOWS[0].begin_ns <= 26 * WINDOW_NS)
    values, counts = windows.values.copy(), windows.counts.copy()
    values[-1, 0] += 50.0
    counts[4:] = np.floor(counts[4:] / 5)
    found = flat(scoring.feed(model, replace(windows, values=values, counts=counts), NOBODY_SAID))

    closed = flat(scoring.forget(windows.key, model))

    opened = [each for each in found if each.fields.get("state") == "open"]
    assert sorted(told(opened), key=str) == [
        ("notice", "printer-1", "open", None),
        ("period", "printer-1", "open", None),
    ]
    assert told(closed) == [("period", "printer-1", "closed", None), ("notice", "printer-1", "closed", None)]
    assert {(each.measurement, each.time_ns) for each in closed} == {
        (each.measurement, each.time_ns) for each in opened
    }
    assert flat(scoring.forget(windows.key, model)) == []


def test_the_notice_of_a_silent_pipeline_ends_with_its_last_series(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    silent(scoring, model, 2 + SILENCE + 1)

    first, last = (told(flat(scoring.forget(key, model))) for key in LIVE)

    assert first == [("period", "printer-1", "closed", True)]
    assert last == [("period", "printer-2", "closed", True), ("notice", None, "closed", None)]


def test_a_told_silence_goes_on_through_a_restart(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    silent(scoring, model, 10)
    resumed = core()
    resumed.restore(scoring.state())

    assert silent(resumed, model, 12) == []
    assert told(fed(resumed, model, 15, 16, LIVE[:1])) == [
        ("period", "printer-1", "closed", True),
        ("notice", None, "closed", None),
    ]


def notices(results: Iterable[Result | ResultColumns]) -> list[Any]:
    return [result.fields["state"] for result in flat(results) if result.measurement == "notice"]


def slow(core: ScoringCore, model: Model, begin: int, end: int) -> list[Any]:
    """Feed windows [begin, end) of the first series with a third of their points; return the states of notices."""
    windows = WINDOWS[0].where(WINDOWS[0].begin_ns >= (begin + 1) * WINDOW_NS)
    windows = windows.where(windows.begin_ns < (end + 1) * WINDOW_NS)
    return notices(core.feed(model, replace(windows, counts=np.floor(windows.counts / 3)), NOBODY_SAID))


def test_a_rate_that_people_were_told_of_stays_where_another_core_is_taken_over(model: Model) -> None:
    here, there = core(), core()
    assert slow(here, model, 0, 12) == ["open"]
    fed(there, model, 0, 12, LIVE[:1])

    here.adopt(there, LIVE[:1], [], model)

    assert notices(fed(here, model, 12, 30, LIVE[:1])) == ["closed"]


def test_a_core_that_takes_another_one_over_goes_on_as_that_one_would(model: Model) -> None:
    here, there, other = core(), core(), core()
    fed(here, model, 0, 3)
    for whole in (there, other):
        fed(whole, model, 0, 12)

    here.adopt(there, LIVE[:1], LIVE[:1], model)

    expected, found = (each.state_of(LIVE[:1]) for each in (other, here))
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in expected.items()
    }
    # The second series is not taken over.
    assert told(fed(here, model, 12, 13)) == [("period", "printer-2", "closed", None)]


def test_what_a_core_has_taken_over_tells_of_a_silence_since_then(model: Model) -> None:
    here, there = core(), core()
    fed(there, model, 0, 3)
    here.adopt(there, LIVE, [], model)
    assert told(fed(here, model, 3 + SILENCE + 1, 3 + SILENCE + 2)) == [
        ("period", "printer-1", "closed", None),
        ("period", "printer-2", "closed", None),
    ]


def test_what_became_known_long_ago_is_history(model: Model) -> None:
    scoring, windows = core(), WINDOWS[0]
    values = windows.values.copy()
    values[10:25, 0] += 50.0
    cut_ns = 18 * WINDOW_NS

    now_ns = cut_ns + PIPELINE.alerts.age_ns
    found = flat(scoring.feed(model, replace(windows, values=values), NOBODY_SAID, now_ns))

    scores = [each for each in found if each.measurement == "score"]
    assert len(scores) == len(windows)
    assert [each.fields.get("history", False) for each in scores] == [
        each.time_ns + WINDOW_NS < cut_ns for each in scores
    ]
    opened = [each for each in found if each.measurement == "period" and each.fields["state"] == "open"]
    assert [each.fields.get("history", False) for each in opened] == [
        int(str(each.fields["end_ms"])) * 1_000_000 < cut_ns for each in opened
    ]
    assert {each.fields.get("history", False) for each in opened} == {False, True}


def test_without_a_clock_nothing_is_history(model: Model) -> None:
    assert all("history" not in each.fields for each in flat(core().feed(model, WINDOWS[0], NOBODY_SAID)))


def test_a_told_silence_whose_points_were_under_way_names_the_windows_beside_it(model: Model) -> None:
    """In the end it lasts three windows, which are fewer than a silence has."""
    scoring = core()
    fed(scoring, model, 0, 2)
    fed(scoring, model, 2, 12, LIVE[1:])
    assert told(silent(scoring, model, 2 + SILENCE + 1)) == [("period", "printer-1", "open", False)]

    found = fed(scoring, model, 5, 6, LIVE[:1])

    late = [each for each in found if each.measurement == "late"]
    assert [each.time_ns // WINDOW_NS for each in late] == [2, 6], "those before and after the silence"
    assert [each.tags["printer"] for each in late] == ["printer-1"] * 2
    assert [each.fields for each in late] == [{"points": 0, "seen_ms": 7 * WINDOW_NS // 1_000_000}] * 2


def test_a_silence_that_was_one_names_no_windows(model: Model) -> None:
    scoring = core()
    fed(scoring, model, 0, 2)
    silent(scoring, model, 2 + SILENCE + 1)
    assert not [each for each in fed(scoring, model, 20, 21) if each.measurement == "late"]


def test_series_under_maintenance_do_not_keep_the_others_from_one_notice(model: Model) -> None:
    scoring, keys = core(), [*LIVE, ("printer-3",)]
    fed(scoring, model, 0, 2)
    mark = Mark(MAINTENANCE, 0, 30 * WINDOW_NS, {"printer": "printer-3"})
    # The watermark is within a window; the notice ends with the last whole one.
    watermarks = np.full(3, (2 + SILENCE + 3) * WINDOW_NS + 4)

    opened = list(scoring.silent(model, keys, watermarks, Feedback(PIPELINE, [mark]), listening_ns=0))

    assert told(opened) == [
        ("period", "printer-1", "open", True),
        ("period", "printer-2", "open", True),
        ("notice", None, "open", None),
    ]
    assert opened[-1].fields["text"] == "all 2 series"
    assert opened[-1].fields["end_ms"] == (2 + SILENCE + 3) * WINDOW_NS // 1_000_000
