"""Which events the options ask for."""

from pathlib import Path

import pytest

from tests.faults import cli
from tests.faults.breaking import LENGTHS
from tests.faults.schedule import at_random


def events(*arguments: str) -> list[str]:
    return [event.fault for event in cli.events_of(cli.make_parser().parse_args(arguments))]


def test_each_fault_comes_once_and_then_50_at_random() -> None:
    at_least_once = list(LENGTHS)
    assert events()[: len(at_least_once)] == at_least_once
    assert len(events()) == len(at_least_once) + 50


def test_single_faults_can_be_left_out() -> None:
    assert events("--only-random", "--events", "7", "--seed", "3") == [
        event.fault for event in at_random(LENGTHS, 7, 3)
    ]


def test_a_schedule_is_all_there_is(tmp_path: Path) -> None:
    file = tmp_path / "schedule.yml"
    file.write_text("events: [{fault: udf_killed}]")
    assert events("--schedule", str(file)) == ["udf_killed"]


def test_without_the_keeper_nothing_breaks_it() -> None:
    assert not [fault for fault in events("--without-keeper") if "keeper" in fault]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "0"], "0 is not a number of minutes above 0"),
        (["--minutes", "soon"], "invalid minutes value: 'soon'"),
        (["--schedule", "x", "--only-random"], "not allowed with argument --schedule"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        events(*arguments)
    assert message in capsys.readouterr().err
