"""`anomaly supervise`: it ends as its program does, and names what it cannot run."""

import sys
from pathlib import Path

import pytest

from anomaly.cli import codes
from tests.unit.anomaly.cli.command import Run


def test_it_ends_with_the_code_of_its_program(run: Run, tmp_path: Path) -> None:
    restart = str(tmp_path / "restart")

    assert run("supervise", "--restart-file", restart, "--", sys.executable, "-c", "raise SystemExit(7)").code == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "there is no program to run: write it after the options, such as -- kapacitord"),
        (("--", "no-such-program"), "no-such-program cannot be started: No such file or directory"),
    ],
)
def test_a_program_that_cannot_be_started_is_named(
    run: Run, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    ran = run("supervise", "--restart-file", str(tmp_path / "restart"), *words)

    assert ran.code == codes.USAGE
    assert message in ran.err
