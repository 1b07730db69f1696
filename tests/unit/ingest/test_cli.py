import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.cli import main

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import FakeInfluxDB
else:
    FakeInfluxDB = Any

ROOT = Path(__file__).resolve().parents[3]
PRINTER = ["printer", "--start", "2026-01-01T00:00:00Z", "--length", "10s"]


def run(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "ingest", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_dry_run_prints_line_protocol_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PRINTER, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 20
    assert all(line.startswith("temperature,printer=printer-") for line in out.splitlines())
    assert err == ""


def test_the_stream_is_written_and_the_truth_beside_it(
    influxdb: FakeInfluxDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFLUXDB_PASSWORD", "secret-1")
    faults, truth = tmp_path / "f.yml", tmp_path / "deep" / "truth.json"
    faults.write_text("- {kind: gap, printer: 2, fields: all, at: 0, for: 4s}\n", encoding="utf-8")
    arguments = [*PRINTER, "--url", influxdb.url, "--username", "writer", "--batch", "7"]
    assert main([*arguments, "--faults", str(faults), "--truth", str(truth)]) == 0
    assert len(influxdb.lines) == 16
    assert len(influxdb.requests) == 3
    assert json.loads(truth.read_text(encoding="utf-8"))["faults"][0]["to"] == "2026-01-01T00:00:04Z"
    assert "16 points written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--length", "10"], "'10' is not a duration"),
        (["--length", "0s"], "no time at all"),
        (["--start", "soon"], "'soon' is not a time"),
        (["--printers", "0"], "'0' is not a whole number from 1"),
        (["--seed", "-1"], "'-1' is not a whole number from 0"),
        (["--speed-up", "0"], "'0' is not a number above 0"),
        (["--password", "x"], "unrecognized arguments: --password"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["printer", "--dry-run", *arguments])
    assert raised.value.code == 2
    assert part in capsys.readouterr().err


def test_errors_are_one_line_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "password"
    empty.write_text("\n", encoding="utf-8")
    assert main([*PRINTER, "--username", "writer", "--password-file", str(empty)]) == 1
    assert main([*PRINTER, "--faults", "day.yml", "--dry-run"]) == 1
    messages = capsys.readouterr().err.splitlines()
    assert len(messages) == 2
    assert "its first line is empty" in messages[0]
    assert "entry 1: ends at" in messages[1]


def test_a_user_without_a_password_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("INFLUXDB_PASSWORD", raising=False)
    assert main([*PRINTER, "--username", "writer"]) == 1
    assert "INFLUXDB_PASSWORD" in capsys.readouterr().err


def test_what_was_written_before_an_error_is_said(influxdb: FakeInfluxDB, capsys: pytest.CaptureFixture[str]) -> None:
    influxdb.answers = [(204, ""), (401, '{"error":"authorization failed"}')]
    assert main([*PRINTER, "--url", influxdb.url, "--batch", "5"]) == 1
    err = capsys.readouterr().err
    assert "stopped: 5 of 20 points" in err
    assert "authorization failed" in err


def test_csv_is_replayed_shifted_and_bad_rows_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "data.csv"
    file.write_text("\ufefft;n;v\n10;1;a\n20;2;1.5\n30;3;2.5\n", encoding="utf-8")
    options = ["csv", str(file), "--database", "d", "--measurement", "m", "--time-column", "t", "--delimiter", ";"]
    options += ["--integer", "n", "--on-error", "skip", "--dry-run"]
    assert main([*options, "--shift-end-to", "1970-01-01T00:01:40Z"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["m n=2i,v=1.5 90000000000", "m n=3i,v=2.5 100000000000"]
    assert "1 of 3 rows were bad" in err
    assert "line 2" in err
    assert main([*options, "--shift-to", "1970-01-01T00:00:01Z"]) == 0
    assert capsys.readouterr().out.splitlines() == ["m n=2i,v=1.5 1000000000", "m n=3i,v=2.5 11000000000"]


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = run("printer", "--length", "24h", "--dry-run")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("temperature")
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert errors == ""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children heed an interrupt, even where this process runs in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_says_how_far_it_came(influxdb: FakeInfluxDB) -> None:
    process = run("printer", "--start", "2026-01-01", "--url", influxdb.url, "--batch", "10", "--speed-up", "10")
    # With the second request under way the first one is known to be done.
    while len(influxdb.requests) < 2:
        assert process.poll() is None
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "interrupted: " in err
    assert "of 172,800 points were written, up to 2026-01-01T00:0" in err
    assert "Traceback" not in err
