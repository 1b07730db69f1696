"""`anomaly console`: what it refuses before it serves."""

import json
import socket
from pathlib import Path

import pytest

from anomaly.cli import codes, main
from tests.unit.anomaly.console.made import document
from tests.unit.anomaly.printers import PIPELINE


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "pipelines.json"
    path.write_text(json.dumps([PIPELINE.as_dict()]))
    return path


def serve(folder: Path, spec: Path, **settings: object) -> int:
    path = folder / "settings.json"
    path.write_text(json.dumps({**document(folder), **settings}))
    return main(["console", "--settings", str(path), "--spec", str(spec), "--influxdb-url", "http://127.0.0.1:1"])


def test_settings_that_do_not_fit_are_refused(tmp_path: Path, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(tmp_path, spec, port="3080") == codes.USAGE

    assert (
        f"anomaly: {tmp_path}/settings.json: port ('3080'): write a number from 0 to 65535" in capsys.readouterr().err
    )


def test_settings_that_are_not_there_are_refused(
    tmp_path: Path, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--settings", "nowhere.json", "--spec", str(spec), "--influxdb-url", "http://127.0.0.1:1"]

    assert main(["console", *words]) == codes.USAGE

    assert "anomaly: --settings: nowhere.json cannot be read: No such file or directory" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(tmp_path: Path, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = serve(tmp_path, spec, port=port)

    assert code == codes.USAGE
    assert f"--settings: 127.0.0.1:{port} cannot be listened on: choose another address" in capsys.readouterr().err
