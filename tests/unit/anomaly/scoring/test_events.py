"""Counts of events: the first of a kind is explained at once, and all are logged now and then."""

from dataclasses import dataclass, field

import pytest

from anomaly.scoring.events import EventCounter


@dataclass
class Log:
    """A counter with a clock that the tests move by hand, and what it logged."""

    now: float = 0.0
    said: list[str] = field(default_factory=list)

    def counter(self) -> EventCounter:
        return EventCounter("printer", self.said.append, lambda: self.now)


@pytest.fixture
def log() -> Log:
    return Log()


def test_only_the_first_event_of_a_name_is_explained(log: Log) -> None:
    counter = log.counter()

    counter.add("late points", 2, "a point was late")
    counter.add("late points", 3, "another point was late")

    assert counter.counts == {"late points": 5}
    assert log.said == [
        "printer: a point was late (counted as late points; the next ones are not said one by one)",
    ]


def test_counts_are_logged_every_ten_minutes_while_they_change(log: Log) -> None:
    counter = log.counter()
    counter.add("windows", 1)
    counter.add("points", 7)

    for log.now in (599.0, 600.0, 900.0, 1_200.0):
        counter.add("windows", 0)

    assert log.said == ["printer: counted so far: points 7, windows 1"]


def test_a_report_begins_another_ten_minutes(log: Log) -> None:
    counter = log.counter()
    counter.add("windows", 1)
    log.now = 500.0
    counter.report()

    counter.add("windows", 1)
    log.now = 1_099.0
    counter.add("windows", 1)
    log.now = 1_100.0
    counter.add("windows", 1)

    assert log.said == ["printer: counted so far: windows 1", "printer: counted so far: windows 4"]


def test_an_event_that_did_not_happen_is_not_counted(log: Log) -> None:
    counter = log.counter()

    counter.add("windows", 0, "a window was odd")

    assert (counter.counts, log.said) == ({}, [])
