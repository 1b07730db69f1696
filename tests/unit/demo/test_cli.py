from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from demo import cli
from demo.errors import DemoError
from demo.run import DemoOptions
from demo.steps import Steps, human
from ingest.heatpump import HEAT_PUMPS
from ingest.times import DAY_MS, now_ms

INVENTORY = ["--inventory", str(Path(__file__).parent)]


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool | BaseException], list[DemoOptions]]:
    """Replaces the demonstration by one that ends as told, and keeps the options it got."""

    def ends(as_told: bool | BaseException) -> list[DemoOptions]:
        got: list[DemoOptions] = []

        def run(options: DemoOptions, console: Console, steps: Steps) -> bool:
            got.append(options)
            with steps.step("deploy", "Deploy", "a while"):
                if isinstance(as_told, BaseException):
                    raise as_told
            return bool(as_told)

        monkeypatch.setattr(cli, "run", run)
        monkeypatch.setattr(
            cli, "added_pipelines", lambda inventory, name: None if name != "heatpump" else [{"name": name}]
        )
        return got

    return ends


Outcome = Callable[[bool | BaseException], list[DemoOptions]]


@pytest.mark.parametrize(
    ("as_told", "code"), [(True, 0), (False, 1), (DemoError("it broke"), 1), (KeyboardInterrupt(), 130)]
)
def test_exit_codes(outcome: Outcome, as_told: bool | BaseException, code: int) -> None:
    outcome(as_told)
    assert cli.main(INVENTORY) == code


def test_an_error_names_the_step(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    outcome(DemoError("it broke [x]"))
    cli.main(INVENTORY)
    assert "step 1 of 8: Deploy\nit broke [x]" in capsys.readouterr().err


def test_defaults_are_yesterday_and_our_day(outcome: Outcome) -> None:
    got = outcome(True)
    cli.main(INVENTORY)
    options = got[0]
    assert options.begin_ms % DAY_MS == 0
    assert DAY_MS <= now_ms() - options.begin_ms < 2 * DAY_MS
    assert (options.length_ms, options.history_ms, options.devices) == (DAY_MS, DAY_MS, 2)
    assert len(options.schedule.entries) >= 12
    assert options.speed_up is None


def test_the_second_demonstration_watches_heat_pumps(outcome: Outcome) -> None:
    got = outcome(True)
    cli.main([*INVENTORY, "--process", "heatpump"])
    options = got[0]
    assert (options.pipeline, options.devices, options.history_ms) == ("heatpump", 2, 14 * DAY_MS)
    assert options.schedule.process is HEAT_PUMPS
    assert {entry.kind for entry in options.schedule.entries} == set(HEAT_PUMPS.kinds)
    assert options.variables == {"pipelines": [{"name": "heatpump"}]}
    cli.main([*INVENTORY, "--process", "heatpump", "--heatpumps", "3", "--history", "7d", "--pipeline", "mine"])
    assert (got[1].pipeline, got[1].devices, got[1].history_ms) == ("mine", 3, 7 * DAY_MS)
    assert got[1].variables == {}


def test_faults_that_do_not_fit_are_left_out_and_that_is_said(
    outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    got = outcome(True)
    cli.main([*INVENTORY, "--length", "6h", "--printers", "1", "-e", "stack_name=mine"])
    assert {entry.device for entry in got[0].schedule.entries} == {1}
    assert all(entry.at_ms + entry.for_ms <= DAY_MS // 4 for entry in got[0].schedule.entries)
    assert got[0].variables == {"stack_name": "mine"}
    assert "do not fit into 1 printers and 6h" in capsys.readouterr().out


def test_an_inventory_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--inventory", "inventory/nowhere"]) == 1
    assert "--inventory inventory/nowhere: is not there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.4, "59.4 s"), (60, "1 min 00 s"), (185, "3 min 05 s")]
)
def test_elapsed_times_are_for_people(seconds: float, text: str) -> None:
    assert human(seconds) == text
