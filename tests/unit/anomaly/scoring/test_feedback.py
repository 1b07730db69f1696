"""What people say of periods: kept, handed to UDFs, suppressing what is alike, and heeded by training."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.cli import main
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.lines import line
from anomaly.influxdb.marks import read_feedback
from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model, Verdict, Verdicts
from anomaly.models.store import Store, StoreError
from anomaly.pipeline import normalize
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, TRUE, Appearance, Feedback, Mark
from anomaly.scoring.feedback_file import feedback_path, read_marks, write_marks
from anomaly.scoring.results import Result
from anomaly.serving.feedback_watcher import FeedbackWatcher
from anomaly.training.feedback import learned_false_alarms
from anomaly.windows.arrays import Key
from anomaly.windows.windows import Windows
from kapacitor_udf import Point
from tests.unit.anomaly import printers
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.serving.test_handler import T0, batch, blocks, harness, named, periods
from tests.unit.anomaly.serving.test_watcher import Clock

KEY = ("printer-1",)
SAMPLES = printers.clean(7, 900)
LOOK = Appearance(10.0, (0.1, 0.8, 0.1), (219.0, 95.0, 27.0), (221.0, 97.0, 29.0))
MARK = Mark(FALSE_ALARM, 0, WINDOW_NS, {"printer": "printer-1"}, "a door", LOOK)


def verdict(
    score: float = 10.0,
    contribution: tuple[float, ...] = (0.1, 0.8, 0.1),
    value: tuple[float, ...] = (220.0, 96.0, 28.0),
) -> Verdict:
    return Verdict(score, 80.0, 12.0, value, (218.0, 89.0, 27.5), (222.0, 91.0, 28.5), contribution)


def suppressor(
    feedback: Feedback, key: Key, begin_ns: int, window: Verdict, learned: frozenset[str] = frozenset()
) -> str | None:
    """The id of the mark that keeps a window out of periods; None without one."""
    none = np.zeros(1, dtype=np.intp)
    return feedback.suppressed((key,), none, np.array([begin_ns]), Verdicts.of([window]), learned).get(0)


@pytest.mark.parametrize(
    ("window", "fits"),
    [
        (verdict(), True),
        (verdict(score=11.0), True),
        (verdict(score=11.1), False),
        (verdict(contribution=(0.3, 0.6, 0.1)), True),
        (verdict(contribution=(0.8, 0.1, 0.1)), False),
        # A quarter of the bed's expected range, which is 2 wide, beside 95 to 97 still counts.
        (verdict(value=(220.0, 97.4, 28.0)), True),
        (verdict(value=(220.0, 97.6, 28.0)), False),
        (verdict(value=(220.0, 84.0, 28.0)), False),
    ],
)
def test_a_window_is_like_a_false_alarm_in_loudness_reason_and_place(window: Verdict, fits: bool) -> None:
    assert LOOK.resemble(Verdicts.of([window])).tolist() == [fits]
    found = suppressor(Feedback(PIPELINE, [MARK]), KEY, 10**15, window)
    assert (found == MARK.id) == fits


def test_a_mark_is_for_its_series_and_until_it_is_learned() -> None:
    feedback = Feedback(PIPELINE, [MARK])
    assert suppressor(feedback, ("printer-2",), 0, verdict()) is None
    assert suppressor(feedback, KEY, 0, verdict(), frozenset({MARK.id})) is None
    everywhere = Feedback(PIPELINE, [replace(MARK, series={})])
    assert suppressor(everywhere, ("printer-2",), 0, verdict()) is not None


def test_a_look_of_other_fields_is_none() -> None:
    assert suppressor(Feedback(PIPELINE, [MARK]), KEY, 0, verdict(contribution=(1.0,))) is None


def test_maintenance_is_every_window_that_it_touches() -> None:
    feedback = Feedback(PIPELINE, [Mark(MAINTENANCE, WINDOW_NS + 1, 3 * WINDOW_NS, {})])
    touched = [suppressor(feedback, KEY, n * WINDOW_NS, verdict()) is not None for n in range(5)]
    assert touched == [False, True, True, False, False]


def test_training_leaves_out_maintenance_and_true_anomalies_only() -> None:
    windows = printers.windows(SAMPLES, SAMPLES)
    marks = [
        Mark(MAINTENANCE, 0, 2 * WINDOW_NS, {}),
        Mark(TRUE, 5 * WINDOW_NS, 6 * WINDOW_NS, {"printer": "printer-2"}),
        Mark(FALSE_ALARM, 8 * WINDOW_NS, 9 * WINDOW_NS, {}),
    ]
    out = Feedback(PIPELINE, marks).excluded(windows)
    assert np.flatnonzero(out).tolist() == [0, 1, 90, 91, 95]


def test_a_false_alarm_is_learned_when_the_model_finds_it_usual(model: Model) -> None:
    samples = SAMPLES.copy()
    samples[500:520] += 30
    windows = printers.windows(samples)
    calm, loud = (Mark(FALSE_ALARM, n * WINDOW_NS, (n + 2) * WINDOW_NS, {}) for n in (10, 50))
    elsewhere = Mark(FALSE_ALARM, 10**15, 10**15 + WINDOW_NS, {})
    assert learned_false_alarms(model, windows, [calm, loud, elsewhere]) == [calm.id]


def test_marks_are_written_and_read(tmp_path: Path) -> None:
    path = feedback_path(tmp_path, "printer")
    assert read_marks(path) == []
    marks = [MARK, Mark(TRUE, 5, 6, {})]
    write_marks(path, marks)
    assert read_marks(path) == marks
    assert [entry.name for entry in path.parent.iterdir()] == ["feedback.json"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"marks": [{"kind": "odd"}]}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "feedback.json").write_text(text)
    with pytest.raises(StoreError, match=r"feedback.json is damaged .*: write it anew with `anomaly feedback sync`"):
        read_marks(tmp_path / "feedback.json")


def test_a_running_process_notices_marks_and_keeps_them_when_the_file_is_damaged(tmp_path: Path) -> None:
    said: list[str] = []
    clock = Clock()
    path = tmp_path / "printer" / "feedback.json"
    watcher = FeedbackWatcher(path, PIPELINE, said.append, clock)
    assert watcher.feedback().marks == ()
    write_marks(path, [MARK])
    assert watcher.feedback().marks == ()
    clock.now = 1
    assert watcher.feedback().marks == (MARK,)
    path.write_text("{")
    clock.now = 2
    assert watcher.feedback().marks == (MARK,)
    assert said[0] == "pipeline printer: 1 marks of feedback"
    assert said[1].endswith("(the marks before it stay)")
    path.unlink()
    clock.now = 3
    assert watcher.feedback().marks == ()


@pytest.fixture
def models(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    return store


def streamed(samples: np.ndarray) -> list[Point]:
    with harness() as udf:
        return udf.feed([batch(number, block) for number, block in enumerate(blocks(samples))])


def broken() -> np.ndarray:
    """Offsets of the bed twice alike, and a third one that is farther away."""
    samples = SAMPLES.copy()
    for start, offset in ((200, 6.0), (400, 6.0), (600, 30.0)):
        samples[start : start + 40, 1] += offset
    return samples


def begins(points: list[Point]) -> list[int]:
    return sorted({(period["begin_ms"] * 1_000_000 - T0) // WINDOW_NS for period in periods(points)})


def test_maintenance_opens_no_period_and_keeps_the_scores(models: Store) -> None:
    before = streamed(broken())
    assert begins(before) == [20, 40, 60]
    mark = Mark(MAINTENANCE, T0 + 18 * WINDOW_NS, T0 + 26 * WINDOW_NS, {"printer": "printer-1"})
    write_marks(feedback_path(models.models, "printer"), [mark])
    after = streamed(broken())
    assert begins(after) == [40, 60]
    scores = named(after, "score")
    assert [point.fields["severity"] for point in scores] == [p.fields["severity"] for p in named(before, "score")]
    suppressed = [number for number, point in enumerate(scores) if "feedback" in point.fields]
    assert suppressed == list(range(18, 26))
    assert scores[20].fields["feedback"] == mark.id
    assert scores[20].fields["label"] == 0


def test_silence_during_maintenance_is_no_period(models: Store) -> None:
    quiet = SAMPLES.copy()
    quiet[300:500] = np.nan
    assert [period["reason"] for period in periods(streamed(quiet))] == ["no data"]
    mark = Mark(MAINTENANCE, T0 + 29 * WINDOW_NS, T0 + 52 * WINDOW_NS, {})
    write_marks(feedback_path(models.models, "printer"), [mark])
    assert periods(streamed(quiet)) == []


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


def test_a_false_alarm_where_nothing_was_anomalous_has_no_look(influxdb: InfluxDB) -> None:
    influxdb.write(f'feedback,pipeline=printer kind="false_alarm",end_ms={T0 // 10**6 + 10}i {T0}')
    (mark,) = read_feedback(InfluxClient(influxdb.url, "reader", "secret"), "anomaly", PIPELINE)
    assert mark.appearance is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--series", "bed=1"], "'bed=1' is no tag of the pipeline's series: write printer=..."),
        (["--series", "printer"], "'printer' is no tag"),
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


def test_a_calendar_keeps_windows_out_of_periods_and_of_training_as_maintenance_does() -> None:
    (pipeline,) = normalize(
        [
            {
                **printers.PIPELINE.as_dict(),
                "calendars": [
                    {"means": "maintenance", "begin": "2024-01-07T02:00", "lasts": "20s", "rule": "FREQ=DAILY"}
                ],
            }
        ]
    )
    feedback = Feedback(pipeline)
    second = 1_000_000_000
    at_ns = int(datetime(2024, 6, 1, 2, tzinfo=UTC).timestamp()) * second
    begins = at_ns + np.array([-10, 0, 10, 20]) * second
    windows = Windows((("a",),), np.zeros(4, dtype=np.intp), begins, np.zeros((4, 6)), np.full((4, 3), 10.0))
    assert feedback.excluded(windows).tolist() == [False, True, True, False]
    verdicts = Verdicts.of([verdict()] * 4)
    suppressed = feedback.suppressed((("a",),), windows.series, begins, verdicts, frozenset())
    assert suppressed == {1: "calendar", 2: "calendar"}
    assert feedback.in_maintenance(("a",), at_ns - 3600 * second, at_ns + second)
    assert not feedback.in_maintenance(("a",), at_ns + 20 * second, at_ns + 3600 * second)


@pytest.mark.parametrize(
    ("mark", "begin", "expected"),
    [
        pytest.param(Mark(MAINTENANCE, 10, 20, {"printer": "a"}), 15, True, id="of the series"),
        pytest.param(Mark(MAINTENANCE, 10, 20, {}), 15, True, id="of all series"),
        pytest.param(Mark(MAINTENANCE, 10, 20, {"printer": "b"}), 15, False, id="of another series"),
        pytest.param(Mark(MAINTENANCE, 10, 20, {"printer": "a"}), 20, False, id="at another time"),
        pytest.param(Mark(FALSE_ALARM, 10, 20, {"printer": "a"}), 15, False, id="another kind of mark"),
    ],
)
def test_a_series_is_in_maintenance_by_its_marks(mark: Mark, begin: int, expected: bool) -> None:
    assert Feedback(PIPELINE, [mark]).in_maintenance(("a",), begin, begin + 5) is expected
