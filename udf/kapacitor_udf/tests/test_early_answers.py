"""From when on Kapacitor takes data that it has not asked for."""

import os
from collections.abc import Iterator

import pytest

from kapacitor_udf import _early_answers as module
from kapacitor_udf import _peer as peer
from kapacitor_udf import _wire
from kapacitor_udf._early_answers import EarlyAnswers
from kapacitor_udf._output import Output


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def answers() -> Iterator[tuple[EarlyAnswers, int]]:
    """Answers that are overdue after ten seconds, and the descriptor that they come out of."""
    source, sink = os.pipe()
    yield EarlyAnswers(Output(sink), after=10.0), source
    os.close(source)
    os.close(sink)


def test_kapacitor_takes_data_when_a_restore_is_answered_or_no_longer_follows(
    clock: Clock, answers: tuple[EarlyAnswers, int]
) -> None:
    early, _ = answers
    seen = [early.takes_data()]
    early.ask(_wire.INIT)
    seen.append(early.takes_data())
    assert not early.close(_wire.INIT)
    early.written()
    seen.append(early.takes_data())
    clock.seconds += 2.9
    early.ask(_wire.RESTORE)
    # However long the handler takes.
    clock.seconds += 9
    seen.append(early.takes_data())
    assert not early.close(_wire.RESTORE)
    seen.append(early.takes_data())
    assert seen == [False] * 5, "the answer to Restore is not written yet"
    early.written()
    assert early.takes_data()
    early.ask(_wire.SNAPSHOT)
    assert early.takes_data(), "a question between data keeps nothing back"


def test_without_a_restore_kapacitor_takes_data_some_seconds_after_init(
    clock: Clock, answers: tuple[EarlyAnswers, int]
) -> None:
    early, _ = answers
    early.ask(_wire.INIT)
    early.close(_wire.INIT)
    clock.seconds += 60
    assert not early.takes_data(), "the answer is not written yet"
    early.written()
    clock.seconds += 2.9
    assert not early.takes_data()
    clock.seconds += 0.2
    assert early.takes_data()


def test_data_say_that_no_restore_follows(clock: Clock, answers: tuple[EarlyAnswers, int]) -> None:
    early, _ = answers
    early.ask(_wire.INIT)
    early.close(_wire.INIT)
    early.data_came()
    assert not early.takes_data(), "the answer is not written yet"
    early.written()
    assert early.takes_data()


def test_an_early_answer_to_restore_lets_data_through(clock: Clock, answers: tuple[EarlyAnswers, int]) -> None:
    early, source = answers
    early.ask(_wire.INIT)
    clock.seconds += 10
    early.answer_overdue()
    assert not early.takes_data(), "Restore may follow"
    early.ask(_wire.RESTORE)
    clock.seconds += 9
    assert not early.takes_data()
    clock.seconds += 1
    early.answer_overdue()
    assert early.takes_data()
    assert early.close(_wire.INIT)
    assert early.close(_wire.RESTORE)
    assert early.takes_data()
    early.written()
    assert early.takes_data()
    kinds = [response.WhichOneof("message") for response in peer.responses(os.read(source, 4096))]
    assert kinds == ["init", "restore"]
