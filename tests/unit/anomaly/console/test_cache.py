"""One answer for many who ask: when it is made again, and who waits."""

import threading

import pytest

from anomaly.console.cache import Cached


class Maker:
    """Makes numbers; the time is a number, too."""

    def __init__(self) -> None:
        self.now = 0.0
        self.made = 0
        self.has_made = threading.Event()
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.made += 1
        self.has_made.set()
        if self.error is not None:
            raise self.error
        return self.made

    def clock(self) -> float:
        return self.now


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def cached(maker: Maker) -> Cached[int]:
    return Cached(maker, 5.0, 30.0, maker.clock)


def test_a_fresh_answer_is_given_again(maker: Maker, cached: Cached[int]) -> None:
    cached.get()
    maker.now = 5.0

    assert (cached.get(), maker.made) == (1, 1)


def test_a_usable_answer_is_given_while_the_next_one_is_made(maker: Maker, cached: Cached[int]) -> None:
    cached.get()
    maker.has_made.clear()
    maker.now = 20.0

    given = cached.get()

    assert maker.has_made.wait(60)
    assert given == 1
    maker.now = 50.0
    # By now the answer that was made behind is 30 seconds old.
    assert cached.get() in (2, 3)


def test_who_comes_late_waits(maker: Maker, cached: Cached[int]) -> None:
    cached.get()
    maker.now = 31.0

    assert cached.get() == 2


def test_what_is_forgotten_is_made_again(maker: Maker, cached: Cached[int]) -> None:
    cached.get()
    cached.forget()

    assert cached.get() == 2


def test_an_error_is_raised_to_those_who_wait(maker: Maker, cached: Cached[int]) -> None:
    maker.error = ValueError("no answer")
    with pytest.raises(ValueError, match="no answer"):
        cached.get()
    maker.error = None

    assert cached.get() == 2
