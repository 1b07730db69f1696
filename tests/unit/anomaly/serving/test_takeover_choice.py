"""Which series of a hand-over are taken over, by the windows that this process has closed, and in which order."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.hand_over import HandedSeries, HandOverFolder
from anomaly.scoring.periods import NO_DATA, rules
from anomaly.scoring.state_file import StateError, StateHeader
from anomaly.serving.takeover import Takeover
from anomaly.serving.window_log import WindowLog
from anomaly.windows.arrays import Bools, Key
from anomaly.windows.assembler import Closed
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.scoring.test_core import flat
from tests.unit.anomaly.serving.test_window_log import closed

W = WINDOW_NS
NOBODY_SAID = Feedback(PIPELINE)
HEADER = StateHeader.of(PIPELINE, rules(PIPELINE), "v1", 0)
# The hand-over ends with the window that begins at 9, which was asked for at this time.
HORIZON, ASKED_NS = 10 * W, 500


def can_take(closed: dict[int, int]) -> bool:
    """Whether a series can be taken over of which this process has closed windows, by their numbers: when it did."""
    begin_ns = np.array([number * W for number in closed], dtype=np.int64)
    windows = Windows(
        (("printer-1",),), np.zeros(len(closed), dtype=np.intp), begin_ns, np.zeros((len(closed), 6)), np.zeros(0)
    )
    takeover = Takeover(PIPELINE, None, EventCounter("", lambda message: None), 0)
    times = np.array(list(closed.values()), dtype=np.int64)
    (can,) = takeover._can_take(windows, times, np.array([HORIZON]), np.array([ASKED_NS])).tolist()
    return bool(can)


@pytest.mark.parametrize(
    ("closed", "can"),
    [
        pytest.param({9: 400}, True, id="its last window is the newest here"),
        pytest.param({8: 400, 10: 600}, True, id="windows on both sides of the horizon"),
        pytest.param({8: 400}, False, id="the last window was not closed here, and no later one"),
        pytest.param({10: 400, 11: 600}, False, id="only later windows were closed here"),
        pytest.param({9: 500}, True, id="the last window was closed at the time it was asked for"),
        pytest.param({9: 501}, False, id="the last window was closed after it was read"),
        pytest.param({8: 501, 10: 600}, False, id="a window before was closed after it was read"),
        pytest.param({9: 400, 10: 501}, True, id="later windows may be closed later"),
        pytest.param({}, False, id="no window was closed here"),
    ],
)
def test_a_series_is_taken_over_when_windows_go_on_where_the_hand_over_ends(closed: dict[int, int], can: bool) -> None:
    assert can_take(closed) is can


def test_series_are_judged_each_by_their_own_windows() -> None:
    begin_ns = np.array([9, 8, 9], dtype=np.int64) * W
    windows = Windows((("a",), ("b",), ("c",)), np.array([0, 1, 2]), begin_ns, np.zeros((3, 6)), np.zeros(0))
    takeover = Takeover(PIPELINE, None, EventCounter("", lambda message: None), 0)
    can = takeover._can_take(
        windows, np.array([400, 400, 400]), np.full(3, HORIZON), np.array([ASKED_NS, ASKED_NS, 300])
    )
    assert can.tolist() == [True, False, False]


class CoreDouble:
    """Knows which series are silent."""

    def __init__(self, silent: str) -> None:
        self.silent = silent

    def are_silent(self, keys: Sequence[Key]) -> Bools:
        return np.array([key[0] in self.silent for key in keys], dtype=np.bool_)


def chosen(
    closings: dict[int, list[int]], known: str, silent: str = "", *, is_moved: bool = False
) -> tuple[list[str], list[tuple[str, int]], list[str]]:
    """Choose of a hand-over of the series a, b and c, whose numbers are 0, 1 and 2 if they are known here.

    Args:
        closings: the numbers of the series whose windows this process closed, by the windows' numbers.
        known: the series that this process has.
        silent: the series that are silent.
        is_moved: whether another process left the states.

    Returns:
        The series that are taken over, the windows that are added to them, and what is told of the others.
    """
    log, told = WindowLog(1 << 20), list[str]()
    for number, series in closings.items():
        log.add(closed(number * W, series), 400)
    handed = HandedSeries([("a",), ("b",), ("c",)], np.full(3, HORIZON), np.full(3, ASKED_NS), {}, is_moved)
    numbers = np.array([at if name in known else -1 for at, name in enumerate("abc")])
    events = EventCounter("", told.append)
    takes = Takeover(PIPELINE, None, events, 0)._chosen(CoreDouble(silent), handed, numbers, log)  # type: ignore[arg-type]
    windows = takes.windows
    added = [
        (windows.keys[series][0], begin_ns // W)
        for series, begin_ns in zip(windows.series.tolist(), windows.begin_ns.tolist(), strict=True)
    ]
    offered = 3 if is_moved else len(known)
    assert events.counts.get("series not taken over", 0) == offered - len(takes.keys)
    return [key[0] for key in takes.keys], added, told


def test_windows_from_the_horizon_on_are_added_to_the_series_that_are_taken_over() -> None:
    taken, added, told = chosen({8: [0, 1, 2], 9: [0, 2], 10: [0, 1, 2], 11: [2]}, "abc")
    assert taken == ["a", "b", "c"]
    assert added == [("a", 10), ("b", 10), ("c", 10), ("c", 11)]
    assert told == []


def test_series_that_this_process_does_not_have_are_left_without_a_word() -> None:
    assert chosen({9: [0, 1, 2], 10: [0, 1, 2]}, "b") == (["b"], [("b", 10)], [])
    assert chosen({9: [0, 1, 2]}, "") == ([], [], [])


def test_the_first_series_that_is_not_taken_over_is_named_and_gets_no_windows() -> None:
    taken, added, (told,) = chosen({9: [0, 2], 10: [0, 1, 2]}, "abc", silent="c")
    assert (taken, added) == (["a"], [("a", 10)])
    assert "b: this process has not closed the windows before and after those of the catch-up" in told


def test_the_state_of_another_process_is_taken_over_for_series_that_have_not_come_here() -> None:
    taken, added, told = chosen({10: [1]}, "b", is_moved=True)
    assert (taken, added, told) == (["a", "b", "c"], [("b", 10)], [])


def test_nothing_is_scored_where_no_series_is_taken_over() -> None:
    events = EventCounter("", lambda message: None)
    handed = HandedSeries([("a",)], np.full(1, HORIZON), np.full(1, ASKED_NS), {})
    takeover = Takeover(PIPELINE, None, events, 0)
    unknown = np.array([-1])
    # Without a model nothing can be scored.
    assert takeover.take(CoreDouble(""), None, None, handed, unknown, WindowLog(1), 0) == []  # type: ignore[arg-type]
    assert not events.counts


def test_the_last_anomaly_that_the_added_windows_make_known_is_told_and_a_silence_is_not(model: Model) -> None:
    samples = printers.clean(5, 600)
    samples[300:400, 1] += 20.0
    (series,) = printers.runs(printers.windows(samples))
    number = series.begin_ns // W
    series = series.where((number < 15) | (number >= 25))
    undisturbed, replayed, here = (ScoringCore(PIPELINE, EventCounter("", lambda message: None)) for _ in range(3))
    periods = [
        result for result in flat(undisturbed.feed(model, series, NOBODY_SAID)) if result.measurement == "period"
    ]
    list(replayed.feed(model, series.where(series.begin_ns < HORIZON), NOBODY_SAID))
    log = WindowLog(1 << 20)
    for at in np.flatnonzero(series.begin_ns >= HORIZON - W).tolist():
        one, no = slice(at, at + 1), np.zeros(1, dtype=np.bool_)
        window = Closed(
            np.zeros(1, np.intp), series.begin_ns[one], series.values[one], series.counts[one], no, no, 10, 0
        )
        log.add(window, ASKED_NS)
    handed = HandedSeries([series.key], np.array([HORIZON]), np.array([ASKED_NS]), replayed.state_of([series.key]))

    takeover = Takeover(PIPELINE, None, EventCounter("", lambda message: None), 0)
    told = takeover.take(here, model, NOBODY_SAID, handed, np.zeros(1, np.intp), log, 60 * W)

    assert [period.fields["reason"] == NO_DATA for period in periods[:2]] == [True, False]
    assert told == periods[-1:]
    found, expected = (core.state_of([series.key]) for core in (here, undisturbed))
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in expected.items()
    }


def part(name: str) -> HandedSeries:
    return HandedSeries([(name,)], np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), {})


class FolderDouble(HandOverFolder):
    """Hand-overs in memory, by their times; None stands for a damaged one."""

    def __init__(self, hand_overs: dict[int, list[str] | None]) -> None:
        self.hand_overs = hand_overs

    def newer(self, than_ns: int) -> list[int]:
        return sorted(time_ns for time_ns in self.hand_overs if time_ns > than_ns)

    def read(self, time_ns: int, wanted: StateHeader) -> Iterator[HandedSeries]:
        names = self.hand_overs[time_ns]
        if names is None:
            raise StateError("is damaged")
        yield from map(part, names)


def taken(takeover: Takeover, times: int) -> list[str | None]:
    parts = [takeover.next_part(HEADER) for _ in range(times)]
    return [None if part is None else part.keys[0][0] for part in parts]


def test_hand_overs_since_the_process_began_are_taken_in_their_order_and_once() -> None:
    folder = FolderDouble({7: ["too old"], 9: ["c"], 8: ["a", "b"]})
    takeover = Takeover(PIPELINE, folder, EventCounter("", lambda message: None), 7)
    assert taken(takeover, 4) == ["a", "b", "c", None]
    folder.hand_overs[10] = ["d"]
    assert taken(takeover, 2) == ["d", None]


def test_a_damaged_hand_over_is_counted_and_the_next_one_is_taken() -> None:
    events = EventCounter("", lambda message: None)
    takeover = Takeover(PIPELINE, FolderDouble({8: None, 9: ["c"]}), events, 7)
    assert taken(takeover, 3) == [None, "c", None]
    assert events.counts["refused takeovers"] == 1


def test_without_a_folder_nothing_is_taken() -> None:
    takeover = Takeover(PIPELINE, None, EventCounter("", lambda message: None), 7)
    assert taken(takeover, 1) == [None]
