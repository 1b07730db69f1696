"""Periods: every rule, and that no sequence of windows makes an impossible one."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.periods import NO_DATA, Period, Rules, Step, Tracker

W = 10
RULES = Rules(window_ns=W, open=70, close=50, merge_ns=3 * W, silence_ns=6 * W)
FIELDS = ("a", "b")
T0 = 1000


def run(
    severities: dict[int, float], tracker: Tracker | None = None, share: tuple[float, float] = (0.9, 0.1)
) -> list[Step]:
    tracker = tracker or Tracker(RULES, FIELDS)
    return [tracker.feed(T0 + W * n, severity / 10, severity, share) for n, severity in severities.items()]


def periods(steps: list[Step]) -> list[Period]:
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
    tracker.feed(T0, 8.0, 80, (0.6, 0.4))
    step = tracker.feed(T0 + W, 30.0, 100, (0.1, 0.9))
    assert step.periods[0].reason == "b"


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


def test_the_same_window_again_changes_nothing() -> None:
    tracker = Tracker(RULES, FIELDS)
    first = tracker.feed(T0, 8.0, 80, (1.0, 0.0))
    again = tracker.feed(T0, 8.0, 80, (1.0, 0.0))
    assert again.anomalous
    assert again.periods == []
    assert tracker.feed(T0 + W, 8.0, 80, (1.0, 0.0)).periods[0].points == first.periods[0].points + 1


def test_time_that_goes_back_closes_and_starts_anew() -> None:
    tracker = Tracker(RULES, FIELDS)
    run({100: 80}, tracker)
    step = tracker.feed(T0, 1.0, 10, (1.0, 0.0))
    assert step.restarted
    assert [(p.begin_ns, p.state) for p in step.periods] == [(T0 + 100 * W, "closed")]
    assert tracker.last_ns == T0
    assert not tracker.feed(T0 + W, 1.0, 10, (1.0, 0.0)).restarted


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


@pytest.mark.parametrize("state", [{}, {"last_ns": 1, "open": {"x": 1}}, {"last_ns": "x", "open": None}])
def test_a_state_that_does_not_fit_is_refused(state: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Tracker.from_state(RULES, FIELDS, state)


def test_a_state_of_other_fields_is_refused() -> None:
    tracker = Tracker(RULES, FIELDS)
    run({0: 80}, tracker)
    with pytest.raises(ValueError, match="2 weights for 3 fields"):
        Tracker.from_state(RULES, ("a", "b", "c"), tracker.state())


@given(st.lists(st.tuples(st.integers(0, 12), st.floats(0, 100)), max_size=80))
def test_no_sequence_makes_an_impossible_period(jumps: list[tuple[int, float]]) -> None:
    tracker = Tracker(RULES, FIELDS)
    begin, steps = T0, []
    begins = []
    for windows, severity in jumps:
        begin += windows * W
        begins.append(begin)
        steps.append(tracker.feed(begin, severity, severity, (0.5, 0.5)))
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
