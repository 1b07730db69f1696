"""How often a condition is asked for while it is waited for."""

import time
from itertools import pairwise

import pytest

from daemons.waiting import attempts


@pytest.fixture
def asked_at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When a condition that never holds was asked for, in 240 seconds of a clock that only pauses move."""
    now = 100.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    return [now - 100.0 for _ in attempts(240.0)]


def test_a_condition_is_asked_for_at_once_and_when_time_is_out(asked_at: list[float]) -> None:
    assert asked_at[0] == 0
    assert asked_at[-2] < 240 <= asked_at[-1] <= 240.5


def test_what_comes_quickly_is_noticed_quickly(asked_at: list[float]) -> None:
    assert all(after - before < 0.051 for before, after in pairwise(asked_at) if before < 1)


def test_a_long_wait_asks_seldom(asked_at: list[float]) -> None:
    assert all(after - before <= 0.501 for before, after in pairwise(asked_at))
    assert len(asked_at) < 600


def test_a_condition_is_asked_for_once_where_there_is_no_time() -> None:
    assert len(list(attempts(0))) == 1
