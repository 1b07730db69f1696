"""The time after the end of input."""

import time

import pytest

from kapacitor_udf._countdown import Countdown


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock, which a test sets."""
    seconds = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    return seconds


def test_nothing_is_over_before_the_start(now: list[float]) -> None:
    countdown = Countdown(4.0)
    now[0] += 1000
    assert (countdown.started, countdown.left, countdown.is_time_to_close) == (False, 4.0, False)


def test_a_quarter_is_left_for_closing(now: list[float]) -> None:
    countdown = Countdown(4.0)
    countdown.start()
    now[0] = 103.0
    assert not countdown.is_time_to_close
    now[0] = 103.1
    assert countdown.is_time_to_close
    assert countdown.left == pytest.approx(0.9)


def test_a_second_start_changes_nothing(now: list[float]) -> None:
    countdown = Countdown(4.0)
    countdown.start()
    now[0] = 103.0
    countdown.start()
    now[0] = 200.0
    assert (countdown.started, countdown.left) == (True, 0.0)
