"""The periods of many series as arrays are those of a tracker for each of them."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.models.model import Verdict, Verdicts
from anomaly.nanoseconds import DAY_NS, HOUR_NS
from anomaly.scoring.periods import NO_DATA, Moment, Period, Rules, Tracker, Transition
from anomaly.scoring.series_table import NOWHERE, SeriesTable
from anomaly.scoring.trackers import Trackers
from anomaly.windows.arrays import rounds
from tests.unit.anomaly.clocks import ZONE, autumn, spring

W = 10
RULES = Rules(window_ns=W, open=75.0, close=50.0, evidence=6.0, merge_ns=2 * W, silence_ns=4 * W)
FIELDS = ("a", "b")
SERIES = 3

# A window of a series: how many windows after the one before, its severity, its surprise, and whether a mark is on it.
WINDOW = st.tuples(
    st.integers(0, SERIES - 1),
    st.sampled_from([1, 1, 1, 2, 3, 7]),
    st.sampled_from([10.0, 10.0, 60.0, 80.0]),
    st.sampled_from([0.5, 0.5, 4.0]),
    st.booleans(),
)


def verdict(severity: float, surprise: float) -> Verdict:
    return Verdict(severity / 10, severity, surprise, (1.0, 2.0), (0.0, 0.0), (3.0, 3.0), (0.7, 0.3))


def moment(begin_ns: int) -> Moment:
    return Moment.of(begin_ns, FIELDS, (1.0, 2.0), (0.0, 0.0), (3.0, 3.0), (0.7, 0.3))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(WINDOW, min_size=1, max_size=8), min_size=1, max_size=12), st.data())
def test_together_they_say_what_each_says_alone(
    steps: list[list[tuple[int, int, float, float, bool]]], data: st.DataObject
) -> None:
    table = SeriesTable(SERIES)
    row = table.rows([(str(number),) for number in range(SERIES)])
    together = Trackers(table, RULES, FIELDS)
    alone = [Tracker(RULES, FIELDS) for _ in range(SERIES)]
    begins = [0] * SERIES
    for step in steps:
        found: dict[int, list[Period]] = {}
        expected: dict[int, list[Period]] = {}
        flags: list[bool] = []
        begin_ns: list[int] = []
        for at, (series, later, severity, surprise, is_marked) in enumerate(step):
            begins[series] += later * W
            begin_ns.append(begins[series])
            seen = (0.0, 0.0) if is_marked else (severity, surprise)
            transition = alone[series].feed(
                begins[series], severity / 10, *seen, (0.7, 0.3), moment=partial(moment, begins[series])
            )
            flags.append(transition.anomalous)
            expected.update({at: transition.periods} if transition.periods else {})
        numbers = np.array([each[0] for each in step])
        anomalous, transitions = together.feed_together(
            row[numbers],
            np.array(begin_ns),
            Verdicts.of([verdict(severity, surprise) for _, _, severity, surprise, _ in step]),
            np.array([is_marked for *_, is_marked in step]),
            rounds(numbers),
        )
        found = {at: transition.periods for at, transition in transitions.items() if transition.periods}
        assert (anomalous.tolist(), found) == (flags, expected)
        if data.draw(st.booleans()):
            watermark_ns, listening_ns = max(begins) + data.draw(st.integers(0, 8)) * W, 0
            heard = [tracker.silent(watermark_ns, listening_ns) for tracker in alone]
            may_change, _ = together.silent(row, np.full(SERIES, watermark_ns), listening_ns)
            said = [
                together.silent_one(one, watermark_ns, listening_ns) if may_change[at] else []
                for at, one in enumerate(row.tolist())
            ]
            assert said == heard
            assert [together.silence(one) for one in row.tolist()] == [tracker.silence for tracker in alone]
        if data.draw(st.booleans()):
            resumed = Trackers(table, RULES, FIELDS)
            resumed.restore(row, resumed.read(together.state(row)))
            together = resumed
            alone = [Tracker.from_state(RULES, FIELDS, json.loads(json.dumps(tracker.state()))) for tracker in alone]
        assert [together.is_calm(one) for one in row.tolist()] == [tracker.calm for tracker in alone]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(WINDOW, min_size=1, max_size=12), min_size=1, max_size=6), st.booleans())
def test_many_windows_of_one_series_say_what_each_says_alone(
    steps: list[list[tuple[int, int, float, float, bool]]], is_resumed: bool
) -> None:
    table = SeriesTable(1)
    (row,) = table.rows([("a",)]).tolist()
    trackers, alone = Trackers(table, RULES, FIELDS), Tracker(RULES, FIELDS)
    begin = 0
    for step in steps:
        transitions: list[Transition] = []
        begins: list[int] = []
        for series, later, severity, surprise, is_marked in step:
            # Time may stand still or go back, too.
            begin += later * W if series else -W * (later // 3)
            begins.append(begin)
            seen = (0.0, 0.0) if is_marked else (severity, surprise)
            transitions.append(alone.feed(begin, severity / 10, *seen, (0.7, 0.3), moment=partial(moment, begin)))

        anomalous, found = trackers.feed_series(
            row,
            np.array(begins),
            Verdicts.of([verdict(severity, surprise) for _, _, severity, surprise, _ in step]),
            np.array([is_marked for *_, is_marked in step]),
        )

        assert anomalous.tolist() == [transition.anomalous for transition in transitions]
        assert [found.get(at, Transition()) for at in range(len(step))] == transitions
        assert trackers.last_ns(np.array([row])).tolist() == [alone.last_ns]
        assert trackers.is_calm(row) == alone.calm
        if is_resumed:
            trackers.restore(np.array([row]), trackers.read(trackers.state(np.array([row]))))
            alone = Tracker.from_state(RULES, FIELDS, json.loads(json.dumps(alone.state())))


def test_a_calm_series_has_no_tracker_of_its_own() -> None:
    table = SeriesTable(2)
    objects_before = len(table._objects)
    trackers = Trackers(table, RULES, FIELDS)
    (busy,) = table._objects[objects_before:]
    row = table.rows([("a",), ("b",)])
    usual, odd = verdict(10.0, 0.5), verdict(80.0, 0.5)

    trackers.feed_together(row, np.array([0, 0]), Verdicts.of([usual, odd]), np.zeros(2, np.bool_), [np.arange(2)])

    assert list(busy) == [row[1]]
    assert trackers.last_ns(row).tolist() == [0, 0]


def test_a_series_without_a_window_is_late_and_silent_once_somebody_has_listened_for_long() -> None:
    trackers = Trackers(SeriesTable(2), RULES, FIELDS)
    nowhere = np.array([NOWHERE, NOWHERE])

    may_change, late = trackers.silent(nowhere, np.array([5 * W, 4 * W]), 0)

    assert may_change.tolist() == [True, False]
    assert late.all()
    assert not trackers.has_last(nowhere).any()


@pytest.mark.parametrize("part", ["busy", "last_ns", "has_last"])
def test_a_state_without_one_of_its_parts_is_refused(part: str) -> None:
    table = SeriesTable(1)
    trackers = Trackers(table, RULES, FIELDS)
    state = trackers.state(table.rows([("a",)]))
    del state[part]
    with pytest.raises(KeyError):
        trackers.read(state)


# Days by a clock.
DAILY = replace(RULES, window_ns=DAY_NS, merge_ns=2 * DAY_NS, silence_ns=DAY_NS, zone=ZONE)


@pytest.mark.parametrize(("last", "quiet", "is_late"), [(-1, 0, False), (0, 1, False), (-1, 1, True)])
def test_a_day_of_25_hours_without_data_is_no_longer_than_another(last: int, quiet: int, is_late: bool) -> None:
    table = SeriesTable(1)
    row = table.rows([("a",)])
    trackers = Trackers(table, DAILY, FIELDS)
    trackers.feed(int(row[0]), autumn(last), 1.0, 10.0, 0.5, (0.7, 0.3))

    may_change, late = trackers.silent(row, np.array([autumn(quiet)]), 0)

    assert (may_change.tolist(), late.tolist()) == ([False], [is_late])
    assert trackers.silent(row, np.array([autumn(2)]), 0)[0].tolist() == [last == -1]


@pytest.mark.parametrize("is_series", [True, False], ids=["one series", "many series"])
def test_two_days_without_data_are_a_silence_even_if_one_has_23_hours(is_series: bool) -> None:
    table = SeriesTable(1)
    row = table.rows([("a",)])
    # More than the 47 hours that both days have, and less than two days of 24 hours.
    trackers = Trackers(table, replace(DAILY, silence_ns=2 * DAY_NS - HOUR_NS // 2), FIELDS)
    begins = np.array([spring(-2), spring(-1), spring(2)])
    verdicts, none = Verdicts.of([verdict(10.0, 0.5)] * 3), np.zeros(3, np.bool_)

    if is_series:
        _, transitions = trackers.feed_series(int(row[0]), begins, verdicts, none)
    else:
        _, transitions = trackers.feed_together(row[[0, 0, 0]], begins, verdicts, none, rounds(np.zeros(3, np.intp)))

    assert {at: transition.periods for at, transition in transitions.items()} == {
        2: [Period(spring(0), spring(2), "closed", 0.0, 0.0, 0, NO_DATA)]
    }
