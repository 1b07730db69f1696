"""A pace lets one call through in each period."""

from anomaly.serving.pace import Pace
from tests.unit.anomaly.serving.test_watcher import Clock


def test_the_first_call_is_due_and_then_one_in_each_period() -> None:
    clock = Clock(100.0)
    pace = Pace(2.0, clock)

    due = []
    for clock.now in (100.0, 101.9, 102.0, 102.5, 103.9, 110.0, 111.9, 112.0):
        due.append(pace.due())

    assert due == [True, False, True, False, False, True, False, True]
