"""Training that nobody asks for: when it is due, and the process that does it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anomaly.feedback_file import feedback_path, read_marks
from anomaly.spec import Pipeline, normalize
from anomaly.store import Store
from anomaly.training.schedule import Known, due
from tests.unit.anomaly import printers
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.printers import PIPELINE

HOUR = 3_600_000_000_000
NOW = 1_000_000 * HOUR
WAIT = 120.0


def pipeline(**training: Any) -> Pipeline:
    return normalize([{**PIPELINE.as_dict(), "training": training}])[0]


@pytest.mark.parametrize(
    ("training", "known", "why"),
    [
        ({}, Known(None, fits=False, drifted=True), None),
        ({"every": "1d"}, Known(None, fits=False, drifted=False), "it has no model"),
        ({"on_drift": True}, Known(None, fits=False, drifted=False), "it has no model"),
        ({"every": "1d"}, Known(NOW - HOUR, fits=False, drifted=False), "its model does not fit it"),
        ({"every": "1d"}, Known(NOW - 23 * HOUR, fits=True, drifted=True), None),
        ({"every": "1d"}, Known(NOW - 25 * HOUR, fits=True, drifted=False), "its newest model is 25h old"),
        ({"on_drift": True}, Known(NOW - 100 * HOUR, fits=True, drifted=False), None),
        ({"on_drift": True}, Known(NOW - 100 * HOUR, fits=True, drifted=True), "its data have drifted"),
        # A model from the middle of a change is judged by a day of its own.
        ({"on_drift": True}, Known(NOW - 23 * HOUR, fits=True, drifted=True), None),
        ({"every": "1d"}, Known(None, fits=False, drifted=False, failed_ns=NOW - HOUR // 2), None),
        ({"every": "1d"}, Known(None, fits=False, drifted=False, failed_ns=NOW - 2 * HOUR), "it has no model"),
    ],
)
def test_training_is_due_when_there_is_a_reason(training: dict[str, Any], known: Known, why: str | None) -> None:
    assert due(pipeline(**training), known, NOW) == why


def test_a_disabled_pipeline_is_left_alone() -> None:
    disabled = normalize([{**pipeline(every="1d").as_dict(), "enabled": False}])[0]
    assert due(disabled, Known(None, fits=False, drifted=False), NOW) is None


@pytest.fixture
def influxdb() -> Iterator[InfluxDB]:
    history = printers.windows(printers.clean(3, 3000), printers.clean(4, 3000))
    with serve(InfluxDB(history, dict.fromkeys(printers.FIELDS, "float"))) as database:
        database.databases.append("anomaly")
        yield database


def wait(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert process.poll() is None, "the trainer has ended"
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def test_it_trains_hands_feedback_on_and_ends_when_told(influxdb: InfluxDB, tmp_path: Path) -> None:
    spec = pipeline(**{"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:50:00Z", "every": "10000d"})
    (tmp_path / "spec.json").write_text(json.dumps([spec.as_dict()]))
    influxdb.write('feedback,pipeline=printer kind="maintenance",end_ms=60000i 0')
    command = [sys.executable, "-m", "anomaly", "trainer", "--spec", str(tmp_path / "spec.json")]
    command += ["--models", str(tmp_path / "models"), "--influxdb-url", influxdb.url, "--username", "reader"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ANOMALY_INFLUXDB_PASSWORD": "secret",
    }
    store = Store(tmp_path / "models", "printer")
    process = subprocess.Popen([*command, "--poll", "0.1"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait(lambda: store.current() is not None, process)
        asked = len(influxdb.queries)
        # It goes on looking, and the model is not old enough to be trained again.
        wait(lambda: len(influxdb.queries) > asked + 10, process)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=WAIT)
    assert process.returncode == 0
    assert said.count("training printer: it has no model") == 1
    assert said.endswith("trainer ends\n")
    assert len(store.versions()) == 1
    (version,) = store.versions()
    assert version.manifest["feedback"] == {"left_out": 12, "learned": []}
    (mark,) = read_marks(feedback_path(tmp_path / "models", "printer"))
    assert mark.kind == "maintenance"


def test_a_training_that_is_refused_is_not_tried_at_once_again(influxdb: InfluxDB, tmp_path: Path) -> None:
    spec = pipeline(**{"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:10:00Z", "every": "1d"})
    (tmp_path / "spec.json").write_text(json.dumps(spec.as_dict()))
    command = [sys.executable, "-m", "anomaly", "trainer", "--spec", str(tmp_path / "spec.json")]
    command += ["--models", str(tmp_path / "models"), "--influxdb-url", influxdb.url, "--username", "reader"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ANOMALY_INFLUXDB_PASSWORD": "secret"}
    process = subprocess.Popen([*command, "--poll", "0.1"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait(lambda: any("GROUP BY time" in query for query in influxdb.queries), process)
        asked = len(influxdb.queries)
        wait(lambda: len(influxdb.queries) > asked + 20, process)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=WAIT)
    assert said.count("training printer: it has no model") == 1
    assert "at least 200 are needed" in said
