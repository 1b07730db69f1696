"""`anomaly trainer` as a process: it trains unasked, hands feedback on, and ends when told."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.feedback_file import feedback_path, read_marks
from tests.unit.anomaly.influxdb_double import InfluxDB
from tests.unit.anomaly.models.test_store import changed, outdate
from tests.unit.anomaly.printers import PIPELINE

WAIT = 240.0


def pipeline(**training: Any) -> Pipeline:
    return normalize([{**PIPELINE.as_dict(), "training": training}])[0]


class Trainer:
    """`anomaly trainer` as a process; `said` is what it said, once it has ended."""

    def __init__(self, influxdb: InfluxDB, directory: Path, specification: Pipeline) -> None:
        self.models = directory / "models"
        self.heartbeat = directory / "heartbeat"
        self.said = ""
        (directory / "spec.json").write_text(json.dumps([specification.as_dict()]))
        command = [sys.executable, "-m", "anomaly", "trainer", "--spec", str(directory / "spec.json"), "--poll", "0.1"]
        command += ["--models", str(self.models), "--influxdb-url", influxdb.url, "--username", "reader"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ANOMALY_INFLUXDB_PASSWORD": "secret"}
        self._process = subprocess.Popen(
            [*command, "--heartbeat", str(self.heartbeat)], env=environment, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        _, self.said = self._process.communicate(timeout=WAIT)
        assert self._process.returncode == 0

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until the condition holds."""
        end = time.monotonic() + WAIT
        while not condition():
            assert self._process.poll() is None, "the trainer has ended"
            assert time.monotonic() < end, "it takes too long"
            time.sleep(0.05)


def test_it_trains_hands_feedback_on_and_ends_when_told(influxdb: InfluxDB, tmp_path: Path) -> None:
    influxdb.write('feedback,pipeline=printer kind="maintenance",end_ms=60000i 0')
    asking = pipeline(**{"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:50:00Z", "every": "10000d"})
    with Trainer(influxdb, tmp_path, asking) as trainer:
        store = Store(trainer.models, "printer")
        trainer.wait(lambda: store.current() is not None)
        asked = len(influxdb.queries)
        # It goes on looking, and the model is not old enough to be trained again.
        trainer.wait(lambda: len(influxdb.queries) > asked + 10)
        trainer.heartbeat.unlink()
        trainer.wait(trainer.heartbeat.exists)
    assert trainer.said.count("training printer: it has no model") == 1
    assert trainer.said.endswith("trainer ends\n")
    (version,) = store.versions()
    (mark,) = read_marks(feedback_path(trainer.models, "printer"))
    assert mark.kind == "maintenance"
    assert version.manifest.to_json()["feedback"] == {"marks": [mark.id], "left_out": 12, "learned": []}


def test_a_model_that_cannot_be_used_and_new_marks_are_reasons_to_train(influxdb: InfluxDB, tmp_path: Path) -> None:
    asking = pipeline(**{"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:50:00Z", "every": "10000d"})
    with Trainer(influxdb, tmp_path, asking) as trainer:
        store = Store(trainer.models, "printer")
        trainer.wait(lambda: store.current() is not None)
        (first,) = store.versions()
        outdate(store, first.name)
        trainer.wait(lambda: store.current() != first.name)
        (_, second) = store.versions()
        # It was made two hours ago, and then somebody marked a stretch of what it was trained on.
        changed(store, second.name, created="2024-01-01T00:00:00Z")
        influxdb.write('feedback,pipeline=printer kind="true",end_ms=60000i 0')
        trainer.wait(lambda: store.current() != second.name)
    assert f"training printer: model printer/{first.name} does not fit the pipeline: schema 1" in trainer.said
    assert "training printer: marks of feedback are newer than its model: 1" in trainer.said
    assert store.versions()[-1].manifest.to_json()["feedback"]["left_out"] == 12


def test_a_training_that_is_refused_is_not_tried_at_once_again(influxdb: InfluxDB, tmp_path: Path) -> None:
    asking = pipeline(**{"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:10:00Z", "every": "1d"})
    with Trainer(influxdb, tmp_path, asking) as trainer:
        trainer.wait(lambda: any("GROUP BY time" in query for query in influxdb.queries))
        asked = len(influxdb.queries)
        trainer.wait(lambda: len(influxdb.queries) > asked + 20)
    assert trainer.said.count("training printer: it has no model") == 1
    assert "at least 200 are needed" in trainer.said


def test_an_influxdb_that_is_away_is_said_once_and_waited_for(influxdb: InfluxDB, tmp_path: Path) -> None:
    influxdb.users = {"reader": "changed"}
    asking = pipeline(**{"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:50:00Z", "every": "1d"})
    with Trainer(influxdb, tmp_path, asking) as trainer:
        refused = influxdb.refused
        trainer.wait(lambda: influxdb.refused > refused + 5)
        influxdb.users = {"reader": "secret"}
        store = Store(trainer.models, "printer")
        trainer.wait(lambda: store.current() is not None)
    assert trainer.said.count("does not let in user 'reader'") == 1
