"""The keeper's loop, on stand-ins for Kapacitor and InfluxDB, with a clock that the tests move by hand."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.keeper import watch
from anomaly.keeper.alarms import KeeperMessage
from anomaly.keeper.incident_watch import IncidentWatch
from anomaly.keeper.kapacitor import KapacitorClientError, TaskState
from anomaly.keeper.run import Keeper, KeeperRequest
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.training.trainer import PipelineTrainer
from tests.unit.anomaly.influxdb_double import InfluxDB, series
from tests.unit.anomaly.printers import PIPELINE

SECOND = 1_000_000_000
WAIT = 60.0


class Kapacitor:
    """Answers for its tasks, or not, and keeps which were started again."""

    def __init__(self) -> None:
        self.state = TaskState(enabled=True, executing=True, error="")
        self.error = ""
        self.started: list[str] = []
        self.names = [PIPELINE.name]
        self.waits: Callable[[], None] = lambda: None

    def tasks(self) -> dict[str, TaskState]:
        if self.error:
            raise KapacitorClientError(self.error)
        return dict.fromkeys(self.names, self.state)

    def start_again(self, task: str) -> None:
        self.started.append(task)
        self.waits()
        raise KapacitorClientError("it refuses")


class Clock:
    """The two clocks of a host."""

    def __init__(self) -> None:
        self.now_ns = time.time_ns()

    def time_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


class Stand:
    """A keeper and what is around it.

    Attributes:
        told: the messages that arrived.
        said: the lines for people.
    """

    def __init__(self, influxdb: InfluxDB, directory: Path, clock: Clock) -> None:
        self.kapacitor = Kapacitor()
        self.directory = directory
        self.told: list[KeeperMessage] = []
        self.said: list[str] = []
        self.pipelines: tuple[Pipeline, ...] = (PIPELINE,)
        self._influxdb = influxdb
        self._clock = clock

    def keeper(
        self,
        catch_up: tuple[str, ...] = ("false",),
        expire: tuple[str, ...] = (),
        train: tuple[str, ...] = ("false",),
    ) -> Keeper:
        request = KeeperRequest(
            pipelines=lambda: self.pipelines,
            models=self.directory / "models",
            results_database="anomaly",
            train_command=train,
            catch_up_command=catch_up,
            expire_command=expire,
            messengers={"oncall": self.told.append},
            state=self.directory / "state.json",
            heartbeat=self.directory / "heartbeat",
            restart_file=self.directory / "restart",
            influxdb_restart_file=self.directory / "restart-influxdb",
            disks={"influxdb": self.directory},
            poll_seconds=0.01,
        )
        influx = InfluxClient(self._influxdb.url, "reader", "secret")
        return Keeper(request, influx, self.kapacitor, self.said.append)  # type: ignore[arg-type]

    def look(self, keeper: Keeper, seconds: int) -> list[str]:
        """Look this much later; return the levels of what is told then."""
        self._clock.now_ns += seconds * SECOND
        before = len(self.told)
        keeper.look()
        return [message.level for message in self.told[before:] if message.id == "detection kapacitor"]


@pytest.fixture
def stand(influxdb: InfluxDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    yield Stand(influxdb, tmp_path, clock)


def test_what_was_told_outlives_the_keeper(stand: Stand) -> None:
    stand.kapacitor.error = "gone"
    keeper = stand.keeper()
    assert [stand.look(keeper, seconds) for seconds in (0, 59, 1, 60)] == [[], [], ["CRITICAL"], []]
    again = stand.keeper()
    assert stand.look(again, 5) == []
    stand.kapacitor.error = ""
    assert [stand.look(again, seconds) for seconds in (5, 84, 1, 90)] == [[], [], ["OK"], []]
    assert stand.said.count("gone") == 2
    assert stand.said.count("CRITICAL detection is down (kapacitor): gone") == 1


def test_a_state_that_is_damaged_is_said_and_forgotten(stand: Stand) -> None:
    for text in ("{", "[]", '{"outages": {"x": {"y": 1}}, "waiting": {}}'):
        (stand.directory / "state.json").write_text(text)
        stand.look(stand.keeper(), 1)
    assert sum("what was told before is forgotten" in line for line in stand.said) == 3


def test_a_restart_is_asked_for_when_kapacitor_stays_away(stand: Stand) -> None:
    stand.kapacitor.error = "gone"
    keeper = stand.keeper()
    stand.look(keeper, 0)
    stand.look(keeper, 89)
    assert not (stand.directory / "restart").exists()
    stand.look(keeper, 1)
    assert (stand.directory / "restart").read_text().endswith(" gone\n")


def test_a_restart_of_influxdb_is_asked_for_when_it_keeps_nothing(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(client: InfluxClient, lines: list[str], database: str) -> None:
        raise InfluxClientError("500 engine: error writing WAL entry: no space left on device")

    monkeypatch.setattr(InfluxClient, "write", refuse)
    keeper = stand.keeper()
    for seconds in (0, 5, 19):
        stand.look(keeper, seconds)
    assert not (stand.directory / "restart-influxdb").exists()
    stand.look(keeper, 1)
    assert "no space left on device" in (stand.directory / "restart-influxdb").read_text()
    assert stand.said[-1].endswith("a restart of InfluxDB is asked for")


def test_a_task_that_cannot_be_started_is_tried_again_later(stand: Stand) -> None:
    stand.kapacitor.state = TaskState(enabled=True, executing=False, error="killed")
    keeper = stand.keeper()
    for seconds in (0, 9, 1, 19, 1):
        stand.look(keeper, seconds)
    assert stand.kapacitor.started == [PIPELINE.name] * 3
    assert stand.said.count("printer: it refuses") == 3


def test_a_slow_kapacitor_makes_no_look_long_and_the_next_look_goes_on(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monotonic, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + ahead[0])
    stand.kapacitor.state = TaskState(enabled=True, executing=False, error="killed")
    stand.kapacitor.names = ["a", "b", "c", "d"]
    stand.kapacitor.waits = lambda: ahead.__setitem__(0, ahead[0] + 16)
    stand.pipelines = tuple(normalize([{**PIPELINE.as_dict(), "name": name} for name in stand.kapacitor.names]))
    keeper = stand.keeper()
    stand.look(keeper, 0)
    assert stand.kapacitor.started == ["a", "b"]
    stand.look(keeper, 1)
    assert stand.kapacitor.started == ["a", "b", "c", "d"]


def test_a_slow_look_at_models_goes_on_with_the_next_look(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monotonic, ahead, seen = time.monotonic, [0.0], []

    def look(self: PipelineTrainer) -> None:
        seen.append(self._pipeline.name)
        ahead[0] += 16

    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + ahead[0])
    monkeypatch.setattr(PipelineTrainer, "look", look)
    stand.pipelines = tuple(normalize([{**PIPELINE.as_dict(), "name": name} for name in "abc"]))
    keeper = stand.keeper()
    stand.look(keeper, 0)
    assert seen == ["a", "b"]
    stand.look(keeper, 1)
    assert seen == ["a", "b", "c"]


def test_nothing_is_started_while_influxdb_is_away(stand: Stand, influxdb: InfluxDB) -> None:
    influxdb.users = {}
    stand.kapacitor.state = TaskState(enabled=True, executing=False, error="killed")
    stand.look(stand.keeper(), 0)
    assert stand.kapacitor.started == []


def test_no_task_is_started_again_while_influxdb_takes_no_points(
    stand: Stand, influxdb: InfluxDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(client: InfluxClient, lines: list[str], database: str) -> None:
        raise InfluxClientError("the cache is full")

    monkeypatch.setattr(InfluxClient, "write", refuse)
    keeper = stand.keeper()
    # Its UDF has written no metrics, as InfluxDB does not take them.
    for seconds in (0, 5, 36, 5, 60):
        stand.look(keeper, seconds)
    assert stand.kapacitor.started == []
    assert "the cache is full" in stand.said
    monkeypatch.undo()


def test_a_look_that_fails_is_said_once_and_the_next_ones_go_on(stand: Stand) -> None:
    ended, keeper = threading.Event(), stand.keeper()
    looks = []

    def fail() -> None:
        looks.append(1)
        if len(looks) == 2:
            ended.set()
        raise RuntimeError("nobody foresaw this")

    keeper.look = fail  # type: ignore[method-assign]
    keeper.run(ended)
    assert len(looks) == 2
    (line,) = [line for line in stand.said if "nobody foresaw this" in line]
    assert line.startswith("the look has failed, and is repeated: Traceback")


def until(keeper: Keeper, stand: Stand, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        stand.look(keeper, 5)
        time.sleep(0.02)


def outcome(**changes: Any) -> tuple[str, ...]:
    """A command that prints the line of a catch-up, and what it was asked."""
    answer = {"status": "caught up", "to": "2024-01-01T00:00:00Z", "scores": 3, "corrected": 1, **changes}
    program = f"import sys; sys.stderr.write(' '.join(sys.argv[1:])); print({json.dumps(answer)!r})"
    return (sys.executable, "-c", program)


def test_the_result_of_a_training_is_said_without_the_notes_that_it_has_logged(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PipelineTrainer, "look", lambda trainer: "it is due")
    answer = {"status": "trained", "pipeline": "printer", "notes": ["bed never changes"]}

    keeper = stand.keeper(train=(sys.executable, "-c", f"print({json.dumps(answer)!r})"))

    until(keeper, stand, lambda: '{"status": "trained", "pipeline": "printer"}' in stand.said)


def test_a_catch_up_is_run_said_and_counted(stand: Stand, store: Store) -> None:
    keeper = stand.keeper(outcome())
    until(keeper, stand, lambda: "printer: caught up to 2024-01-01T00:00:00Z, 4 windows" in stand.said)
    keeper.look()
    windows = keeper.metrics.registry.get_sample_value(
        "influx_anomaly_caught_up_windows_total", {"pipeline": "printer"}
    )
    end_s = keeper.metrics.registry.get_sample_value("influx_anomaly_caught_up_seconds", {"pipeline": "printer"})
    assert (windows, end_s) == (4.0, 1_704_067_200.0)


def test_the_outcome_of_a_catch_up_of_a_pipeline_that_is_gone_is_nobodys(stand: Stand) -> None:
    keeper = stand.keeper(outcome())
    until(keeper, stand, lambda: bool(keeper._catch_ups.names))
    stand.pipelines = ()
    until(keeper, stand, lambda: not keeper._catch_ups.names)
    assert "keeper of nothing" in stand.said
    assert not any("caught up" in line for line in stand.said)


def expire(directory: Path, answer: str) -> tuple[str, ...]:
    """A command that notes its last word, and answers."""
    program = f"import sys; open({str(directory / 'expired')!r}, 'a').write(sys.argv[-1] + ' '); print({answer!r})"
    return sys.executable, "-c", program


def test_old_results_are_deleted_at_the_start_and_every_six_hours(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monotonic, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + ahead[0])
    answer = {"status": "expired", "before": "2024-01-01T00:00:00Z", "measurements": ["score", "udf"]}
    keeper = stand.keeper(expire=expire(tmp_path, json.dumps(answer)))
    for rounds in (1, 2):
        begun = monotonic()
        while sum("deleted results" in line for line in stand.said) < rounds:
            assert monotonic() - begun < WAIT, stand.said
            stand.look(keeper, 1)
        assert (tmp_path / "expired").read_text() == "printer " * rounds
        ahead[0] += 6 * 3600
    assert next(line for line in stand.said if "deleted results" in line).startswith(
        "printer: deleted results from before 2024-01-01T00:00:00Z (score, udf) in "
    )


def test_results_stay_for_ever_without_the_command_and_while_influxdb_is_down(
    stand: Stand, influxdb: InfluxDB, tmp_path: Path
) -> None:
    stand.look(stand.keeper(), 1)
    influxdb.users.clear()
    keeper = stand.keeper(expire=expire(tmp_path, "{}"))
    stand.look(keeper, 1)
    assert keeper._expiries.names == set()
    influxdb.users["reader"] = "secret"
    stand.look(keeper, 10)
    assert keeper._expiries.names == {"printer"}


def test_incidents_are_written_kept_and_gone_on_with_after_a_restart(stand: Stand, influxdb: InfluxDB) -> None:
    now_ns = time.time_ns()
    columns = ["time", "end_ms", "state", "peak_severity", "reason", "_limit"]
    rows = [[now_ns - 60 * SECOND, now_ns // 1_000_000, "open", 90.0, "hotend", None]]
    influxdb.periods = [series("period", columns, rows, {"pipeline": PIPELINE.name, "printer": "p1"})]

    stand.look(stand.keeper(), 0)

    (kept,) = json.loads((stand.directory / "state.json").read_text())["incidents"]
    assert kept["founder"] == f"pipeline={PIPELINE.name},printer=p1"
    assert [point for point in influxdb.points if point[0] == "incident"]
    influxdb.periods = []
    stand.look(stand.keeper(), 20)
    (over,) = json.loads((stand.directory / "state.json").read_text())["incidents"]
    assert (over["begin_ns"], over["is_open"]) == (kept["begin_ns"], False)


def test_why_incidents_are_not_made_is_said_once(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise InfluxClientError("it refuses")

    monkeypatch.setattr(IncidentWatch, "look", refuse)
    keeper = stand.keeper()
    for _ in range(2):
        stand.look(keeper, 20)
    assert stand.said.count("incidents: it refuses; it is tried again") == 1


def test_the_load_is_shown_at_each_look_and_said_once_an_hour(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monotonic, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + ahead[0])
    keeper = stand.keeper()
    stand.look(keeper, 0)
    looks_s = keeper.metrics.registry.get_sample_value("influx_anomaly_processor_seconds_total", {"part": "looks"})
    assert looks_s is not None
    assert looks_s > 0
    assert not any("of a processor" in line for line in stand.said)
    ahead[0] = 3600.0
    stand.look(keeper, 5)
    assert sum(line.startswith("in the last 60 minutes looks took ") for line in stand.said) == 1


def test_nobody_knows_of_open_periods_while_a_model_is_damaged(
    stand: Stand, influxdb: InfluxDB, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown: list[set[str]] = []
    monkeypatch.setattr(IncidentWatch, "look", lambda self, pipelines, names, *rest, **more: unknown.append(names))
    influxdb.databases.append("anomaly")
    keeper = stand.keeper()
    stand.look(keeper, 0)
    (store.path / str(store.current()) / "model.npz").unlink()
    stand.look(keeper, 30)
    assert unknown == [set(), {"printer"}]
