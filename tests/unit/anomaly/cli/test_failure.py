"""An exception that nobody expected shows where it came from."""

from pathlib import Path

import pytest

from tests.unit.anomaly.cli.command import Run


def test_a_bug_shows_its_traceback(run: Run, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("one too few")

    monkeypatch.setattr("anomaly.cli.validate.read_pipelines", broken)
    ran = run("validate", str(spec))
    assert ran.code == 1
    assert "Traceback" in ran.err
    assert ran.last["message"] == "one too few"
