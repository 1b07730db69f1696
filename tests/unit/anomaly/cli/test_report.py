"""`anomaly report`: wrong usage is one error with its fix."""

import json
from pathlib import Path

import pytest

from anomaly.cli import main
from tests.unit.anomaly.report.made import pipeline


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps([pipeline().as_dict()]))
    return path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--pipeline", "prnter"), "--pipeline: there is no pipeline 'prnter' in the specification (there is printer)"),
        (("--from", "yesterday"), "--from: 'yesterday' is not a time: write a duration before now"),
        (("--from", "1h", "--to", "2h"), "choose an earlier --from or a later --to"),
        (("--report", "report.pdf"), "--report: report.pdf does not end in .html: name a page such as report.html"),
        (("--report", "/nowhere/r.html"), "--report: there is no folder /nowhere: make it, or name another path"),
    ],
)
def test_wrong_usage_is_one_error_with_its_fix(
    spec: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    code = main(["report", "--spec", str(spec), "--influxdb-url", "http://127.0.0.1:1", *options])

    said = capsys.readouterr().err
    assert (code, said.count("anomaly:")) == (2, 1)
    assert words in said
