"""Commands of `anomaly` that run in this process, and what they need."""

from pathlib import Path

import pytest

from anomaly.cli import main
from anomaly.pipeline import canonical_json
from tests.unit.anomaly.cli.command import PIPELINE, Ran, Run


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Ran:
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Ran(code, captured.out.splitlines(), captured.err)

    return run


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.json"
    path.write_text(canonical_json(PIPELINE))
    return path
