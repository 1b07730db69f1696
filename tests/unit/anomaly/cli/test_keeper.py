"""`anomaly keeper` as a process: it trains unasked, hands feedback on, starts tasks again, and ends when told."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anomaly.cli import main
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.feedback_file import feedback_path, read_marks
from tests.integration.ports import free_port
from tests.unit.anomaly.influxdb_double import InfluxDB
from tests.unit.anomaly.keeper.kapacitor_double import Kapacitor, serve, task
from tests.unit.anomaly.models.test_store import changed, outdate
from tests.unit.anomaly.printers import PIPELINE

WAIT = 240.0


def pipeline(**keys: Any) -> Pipeline:
    return normalize([{**PIPELINE.as_dict(), **keys}])[0]


@pytest.fixture
def kapacitor() -> Iterator[Kapacitor]:
    with serve(Kapacitor()) as kapacitor:
        kapacitor.tasks["printer"] = task()
        yield kapacitor


class Keeper:
    """`anomaly keeper` as a process."""

    def __init__(
        self,
        influxdb: InfluxDB,
        kapacitor: Kapacitor,
        directory: Path,
        *pipelines: Pipeline,
        more: tuple[str, ...] = (),
    ) -> None:
        self.models = directory / "models"
        self.heartbeat = directory / "heartbeat"
        self.spec = directory / "spec.json"
        self._log = directory / "keeper.log"
        self.specify(*pipelines)
        command = [sys.executable, "-m", "anomaly", "keeper", "--spec", str(self.spec), "--poll", "0.1"]
        command += ["--models", str(self.models), "--influxdb-url", influxdb.url, "--username", "reader"]
        command += ["--kapacitor-url", kapacitor.url, "--training-poll", "0.1", "--heartbeat", str(self.heartbeat)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ANOMALY_INFLUXDB_PASSWORD": "secret"}
        with self._log.open("w") as log:
            self._process = subprocess.Popen([*command, *more], env=environment, stderr=log)

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def specify(self, *pipelines: Pipeline) -> None:
        """Replace the specification."""
        draft = self.spec.with_suffix(".new")
        draft.write_text(json.dumps([specification.as_dict() for specification in pipelines]))
        draft.replace(self.spec)

    def beats(self) -> dict[str, Any]:
        """Return what the heartbeat of a new look says."""
        before = time.time_ns()
        self.wait(lambda: self.heartbeat.exists() and json.loads(self.heartbeat.read_text())["time_ns"] > before)
        content: dict[str, Any] = json.loads(self.heartbeat.read_text())
        return content

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(WAIT) == 0, self.said

    def trained(self, times: int) -> None:
        """Until this many trainings have ended. One that has made its model current still reads it."""
        self.wait(lambda: self.said.count('"status": "trained"') >= times)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until the condition holds."""
        end = time.monotonic() + WAIT
        while not condition():
            assert self._process.poll() is None, "the keeper has ended"
            assert time.monotonic() < end, "it takes too long"
            time.sleep(0.05)


TRAINING = {"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:50:00Z", "every": "10000d"}


def test_it_trains_hands_feedback_on_and_ends_when_told(
    influxdb: InfluxDB, kapacitor: Kapacitor, tmp_path: Path
) -> None:
    influxdb.write('feedback,pipeline=printer kind="maintenance",end_ms=60000i 0')
    with Keeper(influxdb, kapacitor, tmp_path, pipeline(training=TRAINING)) as keeper:
        store = Store(keeper.models, "printer")
        keeper.wait(lambda: store.current() is not None)
        keeper.beats()
        # It goes on looking, and the model is not old enough to be trained again.
        keeper.beats()
    assert keeper.said.count("training printer: it has no model") == 1
    assert keeper.said.endswith("keeper ends\n")
    (version,) = store.versions()
    (mark,) = read_marks(feedback_path(keeper.models, "printer"))
    assert mark.kind == "maintenance"
    assert version.manifest.to_json()["feedback"] == {"marks": [mark.id], "left_out": 12, "learned": []}


def test_a_model_that_cannot_be_used_and_new_marks_are_reasons_to_train(
    influxdb: InfluxDB, kapacitor: Kapacitor, tmp_path: Path
) -> None:
    with Keeper(influxdb, kapacitor, tmp_path, pipeline(training=TRAINING)) as keeper:
        store = Store(keeper.models, "printer")
        keeper.trained(1)
        (first,) = store.versions()
        outdate(store, first.name)
        keeper.trained(2)
        (_, second) = store.versions()
        # It was made two hours ago, and then somebody marked a stretch of what it was trained on.
        changed(store, second.name, created="2024-01-01T00:00:00Z")
        influxdb.write('feedback,pipeline=printer kind="true",end_ms=60000i 0')
        keeper.trained(3)
    assert f"training printer: model printer/{first.name} does not fit the pipeline: schema 1" in keeper.said
    assert "training printer: marks of feedback are newer than its model: 1" in keeper.said
    assert store.versions()[-1].manifest.to_json()["feedback"]["left_out"] == 12


def test_a_training_that_is_refused_is_said_and_not_tried_at_once_again(
    influxdb: InfluxDB, kapacitor: Kapacitor, tmp_path: Path
) -> None:
    short = {**TRAINING, "to": "1970-01-01T00:10:00Z"}
    with Keeper(influxdb, kapacitor, tmp_path, pipeline(training=short)) as keeper:
        keeper.wait(lambda: any("GROUP BY time" in query for query in influxdb.queries))
        asked = len(influxdb.queries)
        keeper.wait(lambda: len(influxdb.queries) > asked + 200)
    assert keeper.said.count("training printer: it has no model") == 1
    assert '"status": "refused"' in keeper.said
    assert "at least 200 are needed" in keeper.said


def test_it_starts_a_task_that_has_ended_and_writes_how_things_are(
    influxdb: InfluxDB, kapacitor: Kapacitor, tmp_path: Path
) -> None:
    kapacitor.tasks["printer"] = task(executing=False, error="killed")
    with Keeper(influxdb, kapacitor, tmp_path, pipeline()) as keeper:
        keeper.wait(lambda: len(kapacitor.changes) == 2)
        assert keeper.beats()["down"] == []
        found = {finding["check"]: finding["ok"] for finding in keeper.beats()["findings"]}
    assert kapacitor.changes == [("printer", "disabled"), ("printer", "enabled")]
    assert keeper.said.count("the task printer has ended: killed; its task is started again") == 1
    assert (found["task"], found["kapacitor"], found["influxdb"], found["clock"]) == (True,) * 4
    written = {
        dict(tags)["check"]: fields["ok"] for (name, tags, _), fields in influxdb.points.items() if name == "health"
    }
    assert written["task"] in (0, 1)
    assert written["influxdb"] == 1


def test_a_specification_that_is_replaced_is_looked_after_without_a_restart(
    influxdb: InfluxDB, kapacitor: Kapacitor, tmp_path: Path
) -> None:
    with Keeper(influxdb, kapacitor, tmp_path) as keeper:
        assert {finding["pipeline"] for finding in keeper.beats()["findings"]} == {""}
        keeper.specify(pipeline(name="other"), pipeline(enabled=False))
        keeper.wait(lambda: {"", "other"} == {finding["pipeline"] for finding in keeper.beats()["findings"]})
        keeper.spec.write_text("[")
        keeper.beats()
        keeper.beats()
        keeper.specify()
        keeper.wait(lambda: {""} == {finding["pipeline"] for finding in keeper.beats()["findings"]})
    assert [line for line in keeper.said.splitlines() if line.startswith("keeper of")] == [
        "keeper of nothing",
        "keeper of other",
        "keeper of nothing",
    ]
    assert keeper.said.count("the keeper goes on with the pipelines before") == 1
    assert kapacitor.changes == []


def test_an_influxdb_that_is_away_is_said_once_and_waited_for(
    influxdb: InfluxDB, kapacitor: Kapacitor, tmp_path: Path
) -> None:
    influxdb.users = {"reader": "changed"}
    with Keeper(influxdb, kapacitor, tmp_path, pipeline()) as keeper:
        refused = influxdb.refused
        keeper.wait(lambda: influxdb.refused > refused + 10)
        assert any(finding["check"] == "influxdb" and not finding["ok"] for finding in keeper.beats()["findings"])
        influxdb.users = {"reader": "secret"}
        keeper.wait(lambda: all(finding["ok"] is not False for finding in keeper.beats()["findings"]))
    assert keeper.said.count("does not let in user 'reader'") <= 2


def test_prometheus_is_served(influxdb: InfluxDB, kapacitor: Kapacitor, tmp_path: Path) -> None:
    port = free_port()
    with Keeper(influxdb, kapacitor, tmp_path, pipeline(), more=("--metrics-port", str(port))) as keeper:
        keeper.beats()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
            text = response.read().decode()
    assert 'influx_anomaly_ok{check="kapacitor",pipeline=""} 1.0' in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--disk", "data"], "--disk: 'data' is not NAME=FOLDER"),
        (["--least-free", "much"], "--least-free: "),
        (["--messengers", "/no/file"], "--messengers: /no/file cannot be read"),
        (["--kapacitor-password-file", "/no/file"], "--kapacitor-password-file: /no/file cannot be read"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_clear_error(
    tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.json").write_text("[]")
    words = ["keeper", "--spec", str(tmp_path / "spec.json"), "--influxdb-url", "http://127.0.0.1:1"]
    assert main([*words, "--kapacitor-url", "http://127.0.0.1:1", *more]) == 2
    assert message in capsys.readouterr().err
