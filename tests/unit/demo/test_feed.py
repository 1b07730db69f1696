from collections.abc import Iterator, Mapping

import pytest

from demo.errors import DemoError
from demo.feed import STALL_S, Backlog, wait_for_scores
from ingest.points import SeriesPoint

WINDOW_MS = 10_000


def batch(begin_s: int, end_s: int, *printers: int) -> list[SeriesPoint]:
    return [
        SeriesPoint(second * 10**9, {"printer": f"printer-{number}"}, {"f": 1.0})
        for second in range(begin_s, end_s)
        for number in printers
    ]


def test_so_much_may_be_ahead_of_the_scores() -> None:
    backlog = Backlog(WINDOW_MS, ahead=200)
    backlog.wrote(batch(0, 100, 1))
    assert backlog.may_write({})
    backlog.wrote(batch(100, 200, 1))
    assert backlog.may_write({})
    backlog.wrote(batch(200, 300, 1))
    # The first 100 must have been scored: the window of 90 s is not complete, and two more are forgiven.
    assert not backlog.may_write({})
    assert not backlog.may_write({"printer-1": 50_000})
    assert backlog.may_write({"printer-1": 60_000})


def test_each_printer_counts() -> None:
    backlog = Backlog(WINDOW_MS, ahead=100)
    backlog.wrote(batch(0, 100, 1, 2))
    backlog.wrote(batch(100, 200, 1, 2))
    assert not backlog.may_write({"printer-1": 190_000})
    assert backlog.may_write({"printer-1": 190_000, "printer-2": 60_000})


def test_a_printer_in_a_gap_does_not_hold_the_others_up() -> None:
    backlog = Backlog(WINDOW_MS, ahead=50)
    backlog.wrote(batch(0, 100, 1, 2))
    for begin in range(100, 1_000, 100):
        backlog.wrote(batch(begin, begin + 100, 1))
        assert backlog.may_write({"printer-1": (begin + 100) * 1_000, "printer-2": 60_000})


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(answers: Iterator[Mapping[str, int]], enough_ms: int, clock: Clock) -> list[Mapping[str, int]]:
    seen: list[Mapping[str, int]] = []
    wait_for_scores(
        lambda: next(answers),
        lambda latest: latest.get("printer-1", -1) >= enough_ms,
        seen.append,
        lambda: "The task is ill",
        clock,
        clock.sleep,
    )
    return seen


def test_waiting_ends_when_the_condition_holds() -> None:
    assert wait(iter([{}, {"printer-1": 1}, {"printer-1": 5}]), 5, Clock()) == [{}, {"printer-1": 1}, {"printer-1": 5}]


def test_slow_progress_is_progress() -> None:
    clock = Clock()

    def slow() -> Iterator[Mapping[str, int]]:
        for step in range(10):
            clock.now += STALL_S * 0.9
            yield {"printer-1": step}

    assert len(wait(slow(), 9, clock)) == 10


def test_no_progress_is_an_error_that_says_what_may_be_wrong() -> None:
    def stuck() -> Iterator[Mapping[str, int]]:
        while True:
            yield {"printer-1": 3}

    with pytest.raises(DemoError, match=rf"No new score for {STALL_S} s\. The task is ill"):
        wait(stuck(), 5, Clock())
