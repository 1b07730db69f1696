"""`anomaly feedback`: marks that people add, list, take back and synchronize, and what UDFs make of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.cli import main
from anomaly.influxdb.lines import line
from anomaly.locations import MODELS_VARIABLE
from anomaly.models.store import Store
from anomaly.scoring.feedback_file import feedback_path, read_marks
from anomaly.scoring.results import Result
from kapacitor_udf import Point
from tests.unit.anomaly import printers
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.scoring.marks import SAMPLES, begins, broken, streamed
from tests.unit.anomaly.serving.test_handler import T0, named


@pytest.fixture
def models(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    return store


@pytest.fixture
def influxdb() -> Iterator[InfluxDB]:
    with serve(InfluxDB(printers.windows(SAMPLES), {})) as database:
        database.databases.append("anomaly")
        yield database


def kept(influxdb: InfluxDB, points: list[Point]) -> None:
    """Results as the database has them."""
    for point in points:
        if point.name == "score":
            influxdb.write(line(Result(point.name, dict(point.tags), point.time, dict(point.fields))))


def command(influxdb: InfluxDB, models: Store, *arguments: str) -> list[str]:
    first, *more = arguments
    where = ["--models", str(models.models), "--pipeline", "printer", "--influxdb-url", influxdb.url]
    return ["feedback", first, *where, "--username", "reader", *more]


def time(window: int) -> str:
    return np.datetime_as_string(np.datetime64(T0 + window * WINDOW_NS, "ns"), unit="s", timezone="UTC")


def test_a_false_alarm_of_windows_that_lack_a_field_has_a_look_by_the_others(
    models: Store, influxdb: InfluxDB, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they are written where a missing field is usual: without its value."""
    monkeypatch.setenv("ANOMALY_INFLUXDB_PASSWORD", "secret")
    points = streamed(broken())
    for point in named(points, "score"):
        del point.fields["value_air"]
    kept(influxdb, points)
    add = ["add", "--kind", "false_alarm", "--from", time(20), "--to", time(24), "--series", "printer=printer-1"]
    assert main(command(influxdb, models, *add)) == 0
    (mark,) = read_marks(feedback_path(models.models, "printer"))
    assert mark.appearance is not None
    assert mark.appearance.contribution[1] > 0.5
    assert (mark.appearance.low[2], mark.appearance.high[2]) == (0.0, 0.0)
    assert mark.appearance.low[1] < mark.appearance.high[1]


def test_a_false_alarm_silences_its_like_and_nothing_louder(
    models: Store, influxdb: InfluxDB, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANOMALY_INFLUXDB_PASSWORD", "secret")
    kept(influxdb, streamed(broken()))
    add = ["add", "--kind", "false_alarm", "--from", time(20), "--to", time(24), "--series", "printer=printer-1"]
    assert main(command(influxdb, models, *add, "--note", "door")) == 0
    added = json.loads(capsys.readouterr().out)
    assert (added["status"], added["marks"]) == ("added", 1)
    (mark,) = read_marks(feedback_path(models.models, "printer"))
    assert (mark.id, mark.note, mark.series) == (added["id"], "door", {"printer": "printer-1"})
    assert mark.appearance is not None
    assert mark.appearance.contribution[1] > 0.5
    again = streamed(broken())
    assert begins(again) == [60]
    # What is scored once more, as by a catch-up, does not make the mark forget what it was about.
    kept(influxdb, again)
    assert main(command(influxdb, models, "sync")) == 0
    capsys.readouterr()
    assert read_marks(feedback_path(models.models, "printer")) == [mark]

    assert main(command(influxdb, models, "list")) == 0
    assert capsys.readouterr().out == (f"{mark.id}  false_alarm  {time(20)} to {time(24)}  printer=printer-1  door\n")
    assert main(command(influxdb, models, "remove", mark.id)) == 0
    assert json.loads(capsys.readouterr().out)["marks"] == 0
    assert begins(streamed(broken())) == [20, 40, 60]
    assert main(command(influxdb, models, "remove", mark.id)) == 2
    assert "there is no mark" in capsys.readouterr().err


def test_marks_that_others_wrote_are_synchronized(
    models: Store, influxdb: InfluxDB, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANOMALY_INFLUXDB_PASSWORD", "secret")
    influxdb.write(f'feedback,pipeline=printer kind="maintenance" {T0}')
    influxdb.write(f'feedback,pipeline=other kind="maintenance" {T0}')
    influxdb.write(f'feedback,pipeline=printer kind="gossip",end_ms=5i {T0 + 1}')
    assert main(command(influxdb, models, "sync")) == 0
    assert json.loads(capsys.readouterr().out) == {"status": "synchronized", "pipeline": "printer", "marks": 1}
    (mark,) = read_marks(feedback_path(models.models, "printer"))
    assert (mark.begin_ns, mark.end_ns, mark.series) == (T0, T0 + WINDOW_NS, {})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--series", "bed=1"], "'bed=1' is not a tag of the pipeline's series: write printer=..."),
        (["--series", "printer"], "'printer' is not a tag"),
        (["--to", "2h"], "--from: 1h is not before --to"),
        (["--to", "soon"], "--to: 'soon' is not a time"),
    ],
)
def test_marks_that_make_no_sense_are_refused(
    models: Store, influxdb: InfluxDB, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(command(influxdb, models, "add", "--kind", "true", "--from", "1h", *more)) == 2
    assert message in capsys.readouterr().err
    assert influxdb.points == {}


def test_a_pipeline_without_a_model_needs_its_specification(
    tmp_path: Path, influxdb: InfluxDB, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOMALY_INFLUXDB_PASSWORD", "secret")
    empty = Store(tmp_path / "empty", "printer")
    assert main(command(influxdb, empty, "sync")) == 2
    assert "give its specification with --spec" in capsys.readouterr().err
    (tmp_path / "spec.json").write_text(json.dumps(PIPELINE.as_dict()))
    arguments: list[Any] = command(influxdb, empty, "sync", "--spec", str(tmp_path / "spec.json"))
    assert main(arguments) == 0
