"""Periods: every rule, and that no sequence of windows makes an impossible one."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline import parse_duration
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA, Moment, Period, Rules, Tracker, Transition, rules
from tests.unit.anomaly import printers
from tests.unit.anomaly.clocks import ZONE, autumn, spring

W = 10
# Evidence out of reach: what single windows do. The tests of evidence have rules of their own.
RULES = Rules(window_ns=W, open=70, close=50, evidence=1e9, merge_ns=3 * W, silence_ns=6 * W)
EVIDENCE = replace(RULES, evidence=20.0)
FIELDS = ("a", "b")
T0 = 1000


def feed(tracker: Tracker, number: int, severity: float, share: tuple[float, float] = (0.9, 0.1)) -> Transition:
    return tracker.feed(T0 + W * number, severity / 10, severity, 0.0, share)


def run(
    severities: dict[int, float], tracker: Tracker | None = None, share: tuple[float, float] = (0.9, 0.1)
) -> list[Transition]:
    tracker = tracker or Tracker(RULES, FIELDS)
    return [feed(tracker, n, severity, share) for n, severity in severities.items()]


def periods(steps: list[Transition]) -> list[Period]:
    """As the database keeps them: one for each begin, the last state of it."""
    kept = {period.begin_ns: period for step in steps for period in step.periods}
    return list(kept.values())


def test_calm_windows_make_no_period() -> None:
    steps = run(dict.fromkeys(range(50), 69.9))
    assert periods(steps) == []
    assert not any(step.anomalous for step in steps)


def test_a_period_opens_goes_on_and_closes() -> None:
    steps = run({0: 10, 1: 75, 2: 90, 3: 55, 4: 10, 5: 10, 6: 10})
    assert [step.anomalous for step in steps] == [False, True, True, True, False, False, False]
    assert [[period.state for period in step.periods] for step in steps] == [
        [],
        ["open"],
        ["open"],
        ["open"],
        [],
        [],
        ["closed"],
    ]
    assert periods(steps) == [Period(T0 + W, T0 + 4 * W, "closed", 9.0, 90, 3, "a")]


def test_a_severity_between_close_and_open_does_not_open() -> None:
    assert periods(run({0: 60, 1: 69, 2: 60})) == []


def test_a_period_begins_with_the_first_window_of_the_run_that_led_to_it() -> None:
    steps = run({0: 10, 1: 55, 2: 50, 3: 80})

    assert [step.anomalous for step in steps] == [False, False, False, True]
    assert periods(steps) == [Period(T0 + W, T0 + 4 * W, "open", 8.0, 80, 3, "a")]


@pytest.mark.parametrize("before", [{0: 60, 1: 49}, {0: 60, 1: 60, 5: 49}, {0: 60}], ids=["calm", "later", "a gap"])
def test_a_run_ends_with_a_calm_window_or_a_gap(before: dict[int, float]) -> None:
    (found,) = periods(run({**before, 6: 80}))
    assert (found.begin_ns, found.points) == (T0 + 6 * W, 1)


def test_a_run_goes_on_after_a_restart() -> None:
    before = Tracker(RULES, FIELDS)
    run({0: 10, 1: 55}, before)
    assert not before.calm

    after = Tracker.from_state(RULES, FIELDS, json.loads(json.dumps(before.state())))

    (found,) = periods(run({2: 80}, after))
    assert (found.begin_ns, found.points) == (T0 + W, 2)


def test_calm_shorter_than_merge_is_bridged() -> None:
    assert [(p.begin_ns, p.end_ns, p.points) for p in periods(run({0: 80, 1: 0, 2: 0, 3: 60, 4: 0, 5: 0, 6: 0}))] == [
        (T0, T0 + 4 * W, 2)
    ]


def test_calm_as_long_as_merge_separates() -> None:
    found = periods(run({0: 80, 1: 0, 2: 0, 3: 0, 4: 80, 5: 0, 6: 0, 7: 0}))
    assert [(p.begin_ns, p.end_ns) for p in found] == [(T0, T0 + W), (T0 + 4 * W, T0 + 5 * W)]


def test_missing_windows_count_towards_merge() -> None:
    found = periods(run({0: 80, 5: 80}))
    assert [(p.begin_ns, p.end_ns, p.state) for p in found] == [
        (T0, T0 + W, "closed"),
        (T0 + 5 * W, T0 + 6 * W, "open"),
    ]
    bridged = periods(run({0: 80, 3: 80}))
    assert [(p.begin_ns, p.end_ns) for p in bridged] == [(T0, T0 + 4 * W)]


def test_the_reason_is_the_field_that_contributed_most_over_all() -> None:
    tracker = Tracker(RULES, FIELDS)
    feed(tracker, 0, 80, (0.6, 0.4))
    step = feed(tracker, 1, 100, (0.1, 0.9))
    assert step.periods[0].reason == "b"


def test_the_highest_score_of_a_period_may_be_that_of_any_window() -> None:
    found = periods(run({0: 80, 1: 95, 2: 72}))
    assert [(p.peak_score, p.peak_severity) for p in found] == [(9.5, 95)]


@pytest.mark.parametrize(
    ("severities", "limited", "worst"),
    [
        pytest.param([80, 75], None, 0, id="the first window"),
        pytest.param([80, 95, 90], None, 1, id="a later one"),
        pytest.param([80, 80], None, 0, id="the first of equal ones"),
        pytest.param([80, 75, 95], 1, 1, id="the window beyond a limit"),
    ],
)
def test_a_period_keeps_what_the_fields_were_in_its_worst_window(
    severities: list[float], limited: int | None, worst: int
) -> None:
    tracker = Tracker(RULES, FIELDS)
    for number, severity in enumerate(severities):
        begin_ns, limit = T0 + W * number, "a above 9" if number == limited else None
        moment = partial(Moment, begin_ns, ())
        step = tracker.feed(begin_ns, severity / 10, severity, 0.0, (0.9, 0.1), limit, moment)

    assert step.periods[0].moment == Moment(T0 + W * worst, ())


@pytest.mark.parametrize(
    ("last", "following", "merge", "expected"),
    [
        pytest.param(0, 1, 5, True, id="the next window"),
        pytest.param(0, 0, 5, False, id="the same window again"),
        pytest.param(0, 4, 5, True, id="a gap as long as a silence may be"),
        pytest.param(0, 5, 5, False, id="a silence"),
        pytest.param(0, 2, 2, True, id="a gap shorter than merge"),
        pytest.param(0, 3, 2, False, id="a gap as long as merge"),
        pytest.param(18, 19, 5, True, id="the last window before a new level"),
        pytest.param(19, 20, 5, False, id="a new level"),
    ],
)
def test_windows_of_a_period_are_not_learnt_while_it_goes_on_and_is_no_new_level(
    last: int, following: int, merge: int, expected: bool
) -> None:
    tracker = Tracker(replace(RULES, merge_ns=merge * W, silence_ns=3 * W, new_level_ns=20 * W), FIELDS)
    run(dict.fromkeys(range(last + 1), 80.0), tracker)

    assert tracker.keeps_unlearnt(T0 + W * following) is expected


@pytest.mark.parametrize(
    ("history", "new_level", "expected"),
    [
        pytest.param("80m", "1d", 16, id="twice the history"),
        pytest.param("20m", "1d", 6, id="an hour where the history is shorter"),
        pytest.param("80m", "50m", 5, id="the new level where that is shorter"),
        pytest.param("80m", "2d", None, id="the new level where it is longer than the default"),
    ],
)
def test_a_period_keeps_its_windows_unlearnt_for_twice_the_history_at_most(
    history: str, new_level: str, expected: int | None
) -> None:
    window_ns, history_ns = parse_duration("10m"), parse_duration(history)
    tracker = Tracker(replace(RULES, window_ns=window_ns, new_level_ns=parse_duration(new_level)), FIELDS)
    kept = []

    for number in range(40):
        tracker.feed(window_ns * number, 1.0, 80.0, 0.0, (0.9, 0.1))
        kept.append(tracker.keeps_unlearnt(window_ns * (number + 1), history_ns))

    assert kept == [expected is None or number < expected for number in range(1, 41)]


def test_windows_of_no_period_are_learnt() -> None:
    tracker = Tracker(RULES, FIELDS)
    assert not tracker.keeps_unlearnt(T0)
    run({0: 10}, tracker)
    assert not tracker.keeps_unlearnt(T0 + W)


def test_a_window_at_the_limits_counts() -> None:
    steps = run({0: 70, 1: 50, 2: 49.9})
    assert [step.anomalous for step in steps] == [True, True, False]


def test_the_first_limit_that_a_window_of_a_period_was_beyond_is_its_reason() -> None:
    tracker = Tracker(RULES, FIELDS)
    told = [
        tracker.feed(T0 + W * n, 8.0, 80, 0.0, (0.9, 0.1), limit).periods[0]
        for n, limit in enumerate([None, "b above 9", "a below 1", None])
    ]
    assert [(p.reason, p.is_beyond_limit) for p in told] == [("a", False), *[("b above 9", True)] * 3]


def test_a_gap_of_exactly_the_silence_is_none_and_merge_without_length_ends_at_any_gap() -> None:
    assert periods(run({0: 10, 7: 10})) == []
    short = replace(RULES, merge_ns=0)
    apart = periods(run({0: 80, 2: 80}, Tracker(short, FIELDS)))
    joined = periods(run({0: 80, 1: 80}, Tracker(short, FIELDS)))
    assert [(p.begin_ns, p.end_ns) for p in apart] == [(T0, T0 + W), (T0 + 2 * W, T0 + 3 * W)]
    assert [(p.begin_ns, p.end_ns) for p in joined] == [(T0, T0 + 2 * W)]


def test_silence_is_told_by_when_points_stopped_and_periods_are_closed_by_the_clock() -> None:
    tracker = Tracker(RULES, FIELDS)
    feed(tracker, 0, 80)
    late = tracker.silent(T0 + 20 * W, 0, T0 + 7 * W + 9)
    told = tracker.silent(T0 + 20 * W, 0, T0 + 8 * W + 9)
    assert [(p.begin_ns, p.end_ns, p.state, p.reason) for p in late] == [(T0, T0 + W, "closed", "a")]
    assert [(p.begin_ns, p.end_ns, p.state, p.reason) for p in told] == [(T0 + W, T0 + 8 * W, "open", NO_DATA)]
    assert tracker.silence == told[0]


def test_silence_ends_an_open_period_that_merge_would_let_go_on() -> None:
    patient = replace(RULES, merge_ns=30 * W)
    tracker = Tracker(patient, FIELDS)
    feed(tracker, 0, 80)
    told = tracker.silent(T0 + 8 * W, 0)
    assert [(p.state, p.reason) for p in told] == [("closed", "a"), ("open", NO_DATA)]
    by_window = periods(run({0: 80, 8: 10}, Tracker(patient, FIELDS)))
    assert [(p.state, p.reason) for p in by_window] == [("closed", "a"), ("closed", NO_DATA)]


def test_a_silence_that_the_next_window_contradicts_has_no_length() -> None:
    tracker = Tracker(RULES, FIELDS)
    tracker.silent(T0 + 8 * W, listening_ns=T0 + 3)
    step = feed(tracker, 0, 10)
    assert step.periods == [Period(T0 + W, T0 + W, "closed", 0.0, 0.0, 0, NO_DATA)]


def test_a_new_level_closes_the_period_with_the_window_that_showed_it() -> None:
    tracker = Tracker(RULES, FIELDS)
    assert not tracker.can_settle
    # The gap has closed a period, which stays as it was told.
    run({0: 80}, tracker)
    step = feed(tracker, 5, 90)
    assert tracker.can_settle

    tracker.settle(step)

    assert [(p.begin_ns, p.end_ns, p.state, p.reason) for p in step.periods] == [
        (T0, T0 + W, "closed", "a"),
        (T0 + 5 * W, T0 + 6 * W, "closed", NEW_LEVEL),
    ]
    assert tracker.calm
    assert not tracker.can_settle


def test_a_period_beyond_a_limit_is_no_new_level() -> None:
    tracker = Tracker(RULES, FIELDS)
    tracker.feed(T0, 8.0, 80, 0.0, (0.9, 0.1), "a above 9")
    assert not tracker.can_settle


def test_a_series_that_is_forgotten_ends_its_period_and_its_silence() -> None:
    tracker = Tracker(RULES, FIELDS)
    feed(tracker, 0, 80)
    assert [(p.begin_ns, p.state) for p in tracker.end()] == [(T0, "closed")]
    tracker.silent(T0 + 8 * W, 0)
    assert tracker.end() == [Period(T0 + W, T0 + 8 * W, "closed", 0.0, 0.0, 0, NO_DATA)]
    assert tracker.end() == []


def test_a_series_is_calm_without_a_period_and_without_evidence() -> None:
    tracker = Tracker(EVIDENCE, FIELDS)
    calm = []
    for number, surprise in enumerate((1.0, 3.5, 3.0, 2.0, 1.0)):
        tracker.feed(T0 + W * number, 5.0, 40, surprise, (0.9, 0.1))
        calm.append(tracker.calm)
    assert calm == [True, False, False, True, True]
    feed(tracker, 5, 80)
    assert not tracker.calm


def test_a_change_may_pause_for_a_quarter_of_a_new_level_or_for_merge() -> None:
    assert replace(RULES, new_level_ns=100 * W).apart_ns == 25 * W
    assert replace(RULES, new_level_ns=8 * W).apart_ns == 3 * W


def test_a_restart_is_over_with_the_first_window() -> None:
    tracker = Tracker(RULES, FIELDS, T0, resumed=True)
    assert tracker.resumed
    assert feed(tracker, 50, 10).periods == []
    assert not tracker.resumed


def test_silence_is_a_period_of_its_own_when_data_returns() -> None:
    steps = run({0: 10, 7: 10, 8: 10})
    assert periods(steps) == []
    steps = run({0: 10, 8: 10})
    assert periods(steps) == [Period(T0 + W, T0 + 8 * W, "closed", 0.0, 0.0, 0, NO_DATA)]


def test_silence_closes_what_was_open_as_it_stood() -> None:
    steps = run({0: 80, 20: 90})
    assert [(p.begin_ns, p.end_ns, p.state, p.reason) for p in periods(steps)] == [
        (T0, T0 + W, "closed", "a"),
        (T0 + W, T0 + 20 * W, "closed", NO_DATA),
        (T0 + 20 * W, T0 + 21 * W, "open", "a"),
    ]


def test_silence_is_told_while_it_lasts_and_closed_when_data_return() -> None:
    tracker = Tracker(RULES, FIELDS)
    feed(tracker, 0, 10)

    early = tracker.silent(T0 + 8 * W - 1, listening_ns=0)
    opened = tracker.silent(T0 + 8 * W, listening_ns=0)
    again = tracker.silent(T0 + 50 * W, listening_ns=0)
    step = feed(tracker, 60, 10)

    assert (early, again) == ([], [])
    assert opened == [Period(T0 + W, T0 + 8 * W, "open", 0.0, 0.0, 0, NO_DATA)]
    assert step.ended_silence
    assert step.periods == [Period(T0 + W, T0 + 60 * W, "closed", 0.0, 0.0, 0, NO_DATA)]
    assert tracker.silence is None


def test_a_source_that_stops_for_a_week_is_one_silence_that_is_told_once() -> None:
    week = 60_480
    tracker = Tracker(RULES, FIELDS)
    run(dict.fromkeys(range(5), 10.0), tracker)

    told = [period for at in range(6, week, 360) for period in tracker.silent(T0 + at * W, listening_ns=0)]
    ended = feed(tracker, week, 10).periods

    assert [(period.state, period.begin_ns) for period in told] == [("open", T0 + 5 * W)]
    assert ended == [Period(T0 + 5 * W, T0 + week * W, "closed", 0.0, 0.0, 0, NO_DATA)]


def test_the_watermark_closes_the_period_of_a_series_that_falls_silent() -> None:
    tracker = Tracker(RULES, FIELDS)
    feed(tracker, 0, 80)

    lasting = tracker.silent(T0 + 4 * W - 1, listening_ns=0)
    closed = tracker.silent(T0 + 4 * W, listening_ns=0)

    assert lasting == []
    assert closed == [Period(T0, T0 + W, "closed", 8.0, 80, 1, "a")]


def test_a_series_that_does_not_come_back_after_a_restart_is_silent_from_its_last_window() -> None:
    tracker = Tracker(RULES, FIELDS)
    feed(tracker, 0, 10)
    resumed = Tracker.from_state(RULES, FIELDS, json.loads(json.dumps(tracker.state())))
    listening_ns = T0 + 50 * W - 3

    early = resumed.silent(T0 + 56 * W, listening_ns)
    opened = resumed.silent(T0 + 57 * W, listening_ns)

    assert early == []
    assert opened == [Period(T0 + W, T0 + 57 * W, "open", 0.0, 0.0, 0, NO_DATA)]


def test_a_series_that_never_came_is_silent_since_somebody_listens() -> None:
    tracker = Tracker(RULES, FIELDS)

    opened = tracker.silent(T0 + 8 * W, listening_ns=T0 + 3)
    step = feed(tracker, 9, 10)

    assert opened == [Period(T0 + W, T0 + 8 * W, "open", 0.0, 0.0, 0, NO_DATA)]
    assert step.periods == [Period(T0 + W, T0 + 9 * W, "closed", 0.0, 0.0, 0, NO_DATA)]


def test_a_silence_that_was_told_before_a_restart_is_closed_after_it() -> None:
    tracker = Tracker(RULES, FIELDS)
    feed(tracker, 0, 10)
    tracker.silent(T0 + 8 * W, listening_ns=0)
    resumed = Tracker.from_state(RULES, FIELDS, json.loads(json.dumps(tracker.state())))

    assert resumed.silent(T0 + 20 * W, listening_ns=T0) == []
    assert feed(resumed, 30, 10).periods == [Period(T0 + W, T0 + 30 * W, "closed", 0.0, 0.0, 0, NO_DATA)]


def test_time_that_goes_back_ends_a_told_silence_as_it_stands() -> None:
    tracker = Tracker(RULES, FIELDS)
    feed(tracker, 100, 10)
    tracker.silent(T0 + 108 * W, listening_ns=0)

    step = feed(tracker, 0, 10)

    assert step.periods == [Period(T0 + 101 * W, T0 + 108 * W, "closed", 0.0, 0.0, 0, NO_DATA)]


@given(
    st.lists(st.tuples(st.integers(1, 12), st.floats(0, 100), st.integers(0, 9), st.booleans()), max_size=60),
    st.sampled_from([RULES, EVIDENCE, replace(RULES, merge_ns=9 * W)]),
)
def test_the_watermark_only_tells_earlier_what_the_next_window_tells(
    jumps: list[tuple[int, float, int, bool]], rule: Rules
) -> None:
    plain, watched = Tracker(rule, FIELDS), Tracker(rule, FIELDS)
    begin, expected, found = T0, [], []
    for windows, severity, part, asked in jumps:
        for at in range(begin + W, begin + windows * W + W, W) if asked and begin > T0 else ():
            # Up to a moment at which the next window has not ended.
            found.append(Transition(periods=watched.silent(at + part, listening_ns=0)))
        begin += windows * W
        expected.append(plain.feed(begin, severity, severity, severity / 6, (0.5, 0.5)))
        found.append(watched.feed(begin, severity, severity, severity / 6, (0.5, 0.5)))
    assert periods(found) == periods(expected)


def test_the_same_window_again_changes_nothing() -> None:
    tracker = Tracker(RULES, FIELDS)
    first = feed(tracker, 0, 80)
    again = feed(tracker, 0, 80)
    assert again.anomalous
    assert again.periods == []
    assert feed(tracker, 1, 80).periods[0].points == first.periods[0].points + 1


def test_time_that_goes_back_closes_and_starts_anew() -> None:
    tracker = Tracker(RULES, FIELDS)
    run({100: 80}, tracker)
    step = feed(tracker, 0, 10)
    assert step.restarted
    assert [(p.begin_ns, p.state) for p in step.periods] == [(T0 + 100 * W, "closed")]
    assert tracker.last_ns == T0
    assert not feed(tracker, 1, 10).restarted


def test_a_snapshot_goes_on_in_the_middle_of_a_period() -> None:
    whole = run({0: 80, 1: 60, 2: 95, 3: 0, 4: 0, 5: 0})
    tracker = Tracker(RULES, FIELDS)
    before = run({0: 80, 1: 60}, tracker)
    resumed = Tracker.from_state(RULES, FIELDS, json.loads(json.dumps(tracker.state())))
    after = run({2: 95, 3: 0, 4: 0, 5: 0}, resumed)
    assert periods(before + after) == periods(whole)


def test_a_gap_across_a_restart_is_nobodys_silence() -> None:
    tracker = Tracker(RULES, FIELDS)
    run({0: 80}, tracker)
    resumed = Tracker.from_state(RULES, FIELDS, tracker.state())
    steps = run({50: 10, 70: 10}, resumed)
    assert [(p.begin_ns, p.reason) for p in periods(steps)] == [(T0, "a"), (T0 + 51 * W, NO_DATA)]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"last_ns": 1, "evidence": 0.0, "open": {"x": 1}, "run": None, "silence": None},
        {"last_ns": "x", "evidence": 0.0, "open": None, "run": None, "silence": None},
        {"last_ns": 1, "evidence": None, "open": None, "run": None, "silence": None},
        {"last_ns": 1, "evidence": 0.0, "open": None, "run": None, "silence": ["x", 2]},
        {"last_ns": 1, "evidence": 0.0, "open": None, "run": None},
    ],
)
def test_a_state_that_does_not_fit_is_refused(state: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Tracker.from_state(RULES, FIELDS, state)


def test_a_state_of_other_fields_is_refused() -> None:
    tracker = Tracker(RULES, FIELDS)
    run({0: 80}, tracker)
    with pytest.raises(ValueError, match="2 weights for 3 fields"):
        Tracker.from_state(RULES, ("a", "b", "c"), tracker.state())


def surprised(surprises: Mapping[int, float], tracker: Tracker | None = None) -> list[Transition]:
    """Windows of which none is severe; only their surprise differs."""
    tracker = tracker or Tracker(EVIDENCE, FIELDS)
    return [tracker.feed(T0 + W * n, 5.0, 40, surprise, (0.9, 0.1)) for n, surprise in surprises.items()]


def test_windows_that_are_rare_together_open_a_period_with_the_first_of_them() -> None:
    steps = surprised({0: 1, 1: 8, 2: 1, 3: 9, 4: 9, 5: 9, 6: 1, 7: 1, 8: 1})
    assert [step.anomalous for step in steps] == [False] * 5 + [True] + [False] * 3
    assert [(p.begin_ns, p.end_ns, p.points, p.state) for p in periods(steps)] == [(T0 + W, T0 + 6 * W, 4, "closed")]


def test_windows_that_are_rare_apart_do_not() -> None:
    assert periods(surprised({n: 9 if n % 5 == 0 else 1 for n in range(200)})) == []


def test_evidence_does_not_outlive_a_gap() -> None:
    assert periods(surprised({0: 10, 1: 10, 5: 10})) == []
    assert len(periods(surprised({0: 10, 1: 10, 3: 10}))) == 1


def test_evidence_prolongs_a_period_and_is_soon_used_up() -> None:
    tracker = Tracker(EVIDENCE, FIELDS)
    tracker.feed(T0, 99.0, 100, 99.0, (0.9, 0.1))
    steps = surprised({1: 4, 2: 4, 3: 1, 4: 4, 5: 1, 6: 1}, tracker)
    assert [step.anomalous for step in steps] == [True, True, False, False, False, False]
    assert steps[-2].periods[0].state == "closed"


def test_a_snapshot_keeps_the_evidence() -> None:
    surprises = {0: 8, 1: 9, 2: 9, 3: 9, 4: 1, 5: 1, 6: 1}
    whole = surprised(surprises)
    tracker = Tracker(EVIDENCE, FIELDS)
    before = surprised({n: surprises[n] for n in (0, 1)}, tracker)
    resumed = Tracker.from_state(EVIDENCE, FIELDS, json.loads(json.dumps(tracker.state())))
    after = surprised({n: surprises[n] for n in range(2, 7)}, resumed)
    assert periods(before + after) == periods(whole)
    assert len(periods(whole)) == 1


def test_evidence_by_chance_is_as_rare_as_it_is_taken_to_be() -> None:
    """Page's sum of exponential surprises: how often it is beyond a level, against exp(-0.9408 level)."""
    surprise = np.random.default_rng(0).exponential(1.0, 400_000)
    evidence, beyond = 0.0, np.zeros(2)
    for value in surprise:
        evidence = max(evidence + value - 3.0, 0.0)
        beyond += evidence > np.array([2.0, 5.0])
    assert (beyond / len(surprise) <= np.exp(-0.9408 * np.array([2.0, 5.0]))).all()


def test_the_rules_of_a_pipeline() -> None:
    rule = rules(printers.PIPELINE)
    assert (rule.open, rule.close, rule.window_ns, rule.merge_ns) == (75, 50, 10**10, 6 * 10**10)
    assert rule.evidence == pytest.approx(np.log(8640 * 100 * 100) / 0.9408)


@given(st.lists(st.tuples(st.integers(0, 12), st.floats(0, 100)), max_size=80), st.sampled_from([RULES, EVIDENCE]))
def test_no_sequence_makes_an_impossible_period(jumps: list[tuple[int, float]], rule: Rules) -> None:
    tracker = Tracker(rule, FIELDS)
    begin, steps = T0, []
    begins = []
    for windows, severity in jumps:
        begin += windows * W
        begins.append(begin)
        steps.append(tracker.feed(begin, severity, severity, severity / 6, (0.5, 0.5)))
    found = sorted(periods(steps), key=lambda period: period.begin_ns)
    assert all(period.begin_ns >= T0 for period in found)
    assert all(period.end_ns >= period.begin_ns + W for period in found)
    # Apart from each other, only the last one open, and none with more windows than fit.
    assert all(before.end_ns <= after.begin_ns for before, after in pairwise(found))
    assert all(period.state == "closed" for period in found[:-1])
    assert all(period.points * W <= period.end_ns - period.begin_ns for period in found)
    # Every window of open severity lies in a period.
    for at, (_, severity) in zip(begins, jumps, strict=True):
        if severity >= RULES.open and begins.count(at) == 1:
            assert any(period.begin_ns <= at < period.end_ns for period in found)


# Days by a clock: two of them end a period, and more than one without data are a silence.
DAILY = Rules(DAY_NS, open=70, close=50, evidence=1e9, merge_ns=2 * DAY_NS, silence_ns=DAY_NS, zone=ZONE)
PATIENT = replace(DAILY, silence_ns=9 * DAY_NS)


def feed_at(tracker: Tracker, begin_ns: int, severity: float) -> list[Period]:
    return tracker.feed(begin_ns, severity / 10, severity, 0.0, (0.9, 0.1)).periods


def test_a_period_in_the_night_in_which_the_clock_changes_has_the_whole_day() -> None:
    assert feed_at(Tracker(DAILY, FIELDS), autumn(0), 80) == [
        Period(autumn(0), autumn(1), "open", 8.0, 80, 1, "a"),
    ]
    assert autumn(1) - autumn(0) == 25 * DAY_NS // 24


def test_a_window_of_25_hours_is_counted_once() -> None:
    tracker = Tracker(DAILY, FIELDS)
    feed_at(tracker, autumn(0), 80)

    assert tracker.feed(autumn(0), 8.0, 80, 0.0, (0.9, 0.1)) == Transition(anomalous=True)


def test_two_calm_days_end_a_period_even_if_one_has_23_hours() -> None:
    tracker = Tracker(DAILY, FIELDS)
    feed_at(tracker, spring(-1), 80)

    assert feed_at(tracker, spring(0), 10) == []
    assert feed_at(tracker, spring(1), 10) == [Period(spring(-1), spring(0), "closed", 8.0, 80, 1, "a")]


def test_two_days_without_data_end_a_period_even_if_one_has_23_hours() -> None:
    tracker = Tracker(PATIENT, FIELDS)
    feed_at(tracker, spring(-1), 80)

    assert tracker.silent(spring(2), 0) == [Period(spring(-1), spring(0), "closed", 8.0, 80, 1, "a")]


def test_an_anomalous_day_after_two_days_without_data_begins_a_period_even_if_one_has_23_hours() -> None:
    tracker = Tracker(PATIENT, FIELDS)
    feed_at(tracker, spring(-1), 80)

    assert [(period.begin_ns, period.state) for period in feed_at(tracker, spring(2), 80)] == [
        (spring(-1), "closed"),
        (spring(2), "open"),
    ]


def test_a_run_is_over_after_two_days_without_data_even_if_one_has_23_hours() -> None:
    tracker = Tracker(PATIENT, FIELDS)
    feed_at(tracker, spring(-1), 60)

    assert [period.begin_ns for period in feed_at(tracker, spring(2), 80)] == [spring(2)]


@pytest.mark.parametrize("last", [-1, 0], ids=["before", "on"])
def test_a_day_without_data_is_no_silence_though_the_clock_changed_before_it_or_on_it(last: int) -> None:
    tracker, live = Tracker(DAILY, FIELDS), Tracker(DAILY, FIELDS)
    for each in (tracker, live):
        feed_at(each, autumn(last), 10)

    assert feed_at(tracker, autumn(last + 2), 10) == []
    assert live.silent(autumn(last + 2), 0) == []
    silence = Period(autumn(last + 1), autumn(last + 3), "open", 0.0, 0.0, 0, NO_DATA)
    assert live.silent(autumn(last + 3), 0) == [silence]


def test_a_period_keeps_its_windows_unlearnt_for_three_days_even_if_one_has_23_hours() -> None:
    tracker = Tracker(replace(PATIENT, new_level_ns=3 * DAY_NS), FIELDS)
    kept = []
    for day in (-1, 0, 1):
        feed_at(tracker, spring(day), 80)
        kept.append(tracker.keeps_unlearnt(spring(day + 1)))

    assert kept == [True, True, False]


@pytest.mark.parametrize("last", [-1, 0], ids=["before", "on"])
def test_a_day_without_data_keeps_windows_unlearnt_though_the_clock_changed_before_it_or_on_it(last: int) -> None:
    tracker = Tracker(DAILY, FIELDS)
    feed_at(tracker, autumn(last), 80)

    assert tracker.keeps_unlearnt(autumn(last + 2))
    assert not tracker.keeps_unlearnt(autumn(last + 3))
