"""The list at the end of a test run that says where its time went."""

import pytest

from tests.durations import PROCESSOR, Durations, ProcessorClock


def report(nodeid: str, begin: float, seconds: float, worked_s: float | None = None) -> pytest.TestReport:
    made = pytest.TestReport(
        nodeid, ("", None, ""), {}, "passed", None, "call", duration=seconds, start=begin, stop=begin + seconds
    )
    if worked_s is not None:
        setattr(made, PROCESSOR, worked_s)
    return made


def test_the_ten_slowest_modules_are_told_slowest_first() -> None:
    durations = Durations()
    for number in range(12):
        durations.add(report(f"tests/test_{number}.py::test_it", 100.0, float(number)), "gw0")

    told = [line.split()[-1] for line in durations.lines()]

    assert told == [*(f"tests/test_{number}.py" for number in range(11, 1, -1)), "gw0"]


def test_the_phases_and_tests_of_a_module_are_added_up() -> None:
    durations = Durations()
    durations.add(report("tests/test_a.py::test_one", 100.0, 20.0, 15.0), "gw0")
    durations.add(report("tests/test_a.py::test_one", 120.0, 2.0, 1.0), "gw0")
    durations.add(report("tests/test_a.py::test_two[x::y]", 122.0, 8.0), "gw0")

    module, worker = durations.lines()

    assert module.split() == "30 s 16 s of processor time 2 tests tests/test_a.py".split()
    assert worker.split() == "30 s busy, until second 30 gw0".split()


def test_the_worker_that_ended_last_is_told_last() -> None:
    durations = Durations()
    durations.add(report("tests/test_a.py::test_one", 100.0, 50.0), "gw0")
    durations.add(report("tests/test_b.py::test_one", 101.0, 5.0), "gw1")

    workers = list(durations.lines())[-2:]

    assert [line.split()[-2:] for line in workers] == [["6", "gw1"], ["50", "gw0"]]


def test_without_tests_nothing_is_told() -> None:
    assert list(Durations().lines()) == []


def test_a_lap_is_the_processor_time_since_the_last_one() -> None:
    clock = ProcessorClock()
    worked = sum(number * number for number in range(2_000_000))

    first_s, second_s = clock.lap_s(), clock.lap_s()

    assert worked > 0
    assert first_s > second_s >= 0
