"""Which series of a hand-over are taken over, by the windows that this process has closed, and in which order."""

from collections.abc import Iterator

import numpy as np
import pytest

from anomaly.scoring.events import EventCounter
from anomaly.scoring.hand_over import HandedSeries, HandOverFolder
from anomaly.scoring.periods import rules
from anomaly.scoring.state_file import StateError, StateHeader
from anomaly.serving.takeover import Takeover
from anomaly.windows.windows import Windows
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

W = WINDOW_NS
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
