"""Schedules of faults: what a file may say, and what chance says."""

from pathlib import Path

import pytest

from tests.faults.schedule import Event, ScheduleError, at_random, one_by_one, read_schedule

FAULTS = {"udf_killed": None, "network_cut": 20.0, "keeper_killed": None}


def write(folder: Path, text: str) -> Path:
    path = folder / "schedule.yml"
    path.write_text(text)
    return path


def test_a_file_names_faults_lengths_and_pauses(tmp_path: Path) -> None:
    path = write(tmp_path, "events: [{fault: udf_killed}, {fault: network_cut, seconds: 5, wait: 1.5, keeper: false}]")
    assert read_schedule(path, FAULTS) == [Event("udf_killed"), Event("network_cut", 5.0, 1.5, keeper=False)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("events: [", ("is not YAML",)),
        ("[]", ("only key 'events'",)),
        ("{events: [{fault: udf_killed}], seed: 1}", ("only key 'events'",)),
        ("events: []", ("events is []", "at least one event")),
        ("events: [udf_killed]", ("events[0] is 'udf_killed'", "write a mapping")),
        ("events: [{fault: fire}]", ("events[0].fault is 'fire'", "keeper_killed, network_cut, udf_killed")),
        ("events: [{seconds: 1}]", ("events[0].fault is None",)),
        ("events: [{fault: udf_killed, second: 1}]", ("unknown key 'second'", "fault, seconds, wait, keeper")),
        ("events: [{fault: udf_killed}, {fault: udf_killed, wait: -1}]", ("events[1].wait is -1", "0 to 600")),
        ("events: [{fault: network_cut, seconds: 601}]", ("events[0].seconds is 601", "0 to 600")),
        ("events: [{fault: network_cut, seconds: true}]", ("events[0].seconds is True",)),
        ("events: [{fault: network_cut, keeper: 1}]", ("events[0].keeper is 1", "true or false")),
        ("events: [{fault: keeper_killed, keeper: false}]", ("events[0].keeper is False", "breaks the keeper")),
    ],
)
def test_a_wrong_file_is_refused_with_the_entry_its_value_and_the_fix(
    text: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ScheduleError) as raised:
        read_schedule(write(tmp_path, text), FAULTS)
    assert str(raised.value).startswith("--schedule: ")
    assert "\n" not in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScheduleError, match=r"none\.yml cannot be read: No such file"):
        read_schedule(tmp_path / "none.yml", FAULTS)


def test_a_seed_gives_the_same_events_again() -> None:
    events = at_random(FAULTS, 50, seed=3)
    assert events == at_random(FAULTS, 50, seed=3)
    assert events != at_random(FAULTS, 50, seed=4)
    assert len(events) == 50
    assert {event.fault for event in events} == set(FAULTS)


def test_only_faults_with_a_length_get_one() -> None:
    for event in at_random(FAULTS, 50, seed=3):
        assert (event.seconds is None) == (FAULTS[event.fault] is None)


def test_each_fault_comes_once_when_they_come_one_by_one() -> None:
    assert [event.fault for event in one_by_one(FAULTS)] == list(FAULTS)
