"""The live device of the demonstration: it writes whole windows, stops, and measures when that is told."""

from collections.abc import Sequence

import pytest

from demo.live import LiveGap, LiveSilence, told_within_ms
from demo.stack import DemoPipeline
from ingest.points import SeriesPoint
from ingest.printer import PRINTERS

BEGIN_MS = 1_700_000_004_300
EDGE_MS = 1_700_000_010_000
PIPELINE = DemoPipeline("printer", "db", "autogen", "temperature", 10_000, None, PRINTERS, 60_000, 10_000)
WITHIN_MS = 70_000


class Stack:
    """A clock, the points that were written, and a UDF that tells the silence some time after the last window.

    Attributes:
        now_ms: the clock.
        written: the time of each point, and the clock when it was written.
    """

    def __init__(self, told_after_ms: int | None) -> None:
        self.now_ms = BEGIN_MS
        self.written: list[tuple[int, int]] = []
        self._told_after_ms = told_after_ms

    def write(self, points: Sequence[SeriesPoint]) -> None:
        assert all(point.tags == {"printer": "printer-live"} for point in points)
        self.written += [(point.time_ns // 1_000_000, self.now_ms) for point in points]

    def state(self, device: str, since_ms: int) -> str | None:
        assert (device, since_ms) == ("printer-live", EDGE_MS)
        is_told = self._told_after_ms is not None and self.now_ms >= EDGE_MS + self._told_after_ms
        return "open" if is_told else None

    def sleep(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1_000)

    def run(self) -> LiveSilence:
        gap = LiveGap(PIPELINE, PRINTERS, 1, WITHIN_MS, self.write, self.state, lambda: self.now_ms, self.sleep)
        gap.start()
        return gap.result()


def test_the_silence_is_measured_from_the_end_of_the_last_window_to_when_it_was_told() -> None:
    stack = Stack(told_after_ms=71_000)
    assert told_within_ms(PIPELINE) == WITHIN_MS
    silence = stack.run()
    assert silence == LiveSilence("printer-live", EDGE_MS, WITHIN_MS, silence.delay_ms)
    assert silence.delay_ms is not None
    assert 71_000 <= silence.delay_ms < 72_000
    assert silence.problem is None


def test_it_writes_whole_windows_and_no_point_ahead_of_the_clock() -> None:
    stack = Stack(told_after_ms=71_000)
    stack.run()
    assert [time_ms for time_ms, _ in stack.written] == list(range(EDGE_MS - 60_000, EDGE_MS, 1_000))
    assert all(time_ms <= now_ms for time_ms, now_ms in stack.written)


def test_what_is_not_told_is_a_problem_and_no_endless_wait() -> None:
    assert "fell silent, and that was not told while it lasted" in str(Stack(told_after_ms=None).run().problem)


def test_an_error_beside_the_day_is_raised_where_the_day_waits() -> None:
    def fails(device: str, since_ms: int) -> str | None:
        raise ConnectionError("away")

    stack = Stack(told_after_ms=None)
    gap = LiveGap(PIPELINE, PRINTERS, 1, WITHIN_MS, stack.write, fails, lambda: stack.now_ms, stack.sleep)
    gap.start()
    with pytest.raises(ConnectionError, match="away"):
        gap.result()


def test_a_silence_that_is_shorter_than_points_may_be_late_waits_for_them() -> None:
    late = DemoPipeline("printer", "db", "autogen", "temperature", 10_000, None, PRINTERS, 20_000, 30_000)
    assert told_within_ms(late) == 60_000


def test_nobody_knows_when_a_silence_is_told_without_its_keys() -> None:
    assert told_within_ms(DemoPipeline("p", "db", "autogen", "m", 10_000, None)) is None
