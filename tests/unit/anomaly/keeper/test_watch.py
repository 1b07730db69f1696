"""What the keeper sees of Kapacitor and InfluxDB, which stand-ins play."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.influxdb.client import InfluxClient
from anomaly.keeper import watch
from anomaly.keeper.kapacitor import KapacitorClientError, KapacitorLoginError, TaskState
from anomaly.keeper.watch import PipelineSight, PipelineWatcher, settled_ns
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.periods import rules
from anomaly.scoring.state_file import StateFile, StateHeader
from tests.unit.anomaly.influxdb_double import InfluxDB
from tests.unit.anomaly.printers import PIPELINE

SECOND = 1_000_000_000
NOW_NS = 1_704_067_200 * SECOND
RUNNING = TaskState(enabled=True, executing=True, error="")


class Kapacitor:
    """Answers for its tasks, or not."""

    def __init__(self) -> None:
        self.states = {PIPELINE.name: RUNNING}
        self.error = ""
        self.is_shut = False

    def tasks(self) -> dict[str, TaskState]:
        if self.is_shut:
            raise KapacitorLoginError(self.error)
        if self.error:
            raise KapacitorClientError(self.error)
        return self.states


class Clock:
    """The two clocks of a host, which a test moves by hand."""

    def __init__(self) -> None:
        self.wall_ns = NOW_NS
        self.steady_ns = 7 * SECOND

    def time_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return self.steady_ns

    def go_on(self, seconds: int) -> None:
        self.wall_ns += seconds * SECOND
        self.steady_ns += seconds * SECOND


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


@pytest.fixture
def kapacitor() -> Kapacitor:
    return Kapacitor()


@pytest.fixture
def watcher(influxdb: InfluxDB, kapacitor: Kapacitor, clock: Clock, tmp_path: Path) -> PipelineWatcher:
    influx = InfluxClient(influxdb.url, "reader", "secret")
    watcher = PipelineWatcher((), influx, kapacitor, tmp_path / "models", "anomaly", udf_state=tmp_path)  # type: ignore[arg-type]
    watcher.take_over((PIPELINE,), set())
    return watcher


def test_it_is_steady_since_everything_answers_and_the_clock_goes_evenly(
    watcher: PipelineWatcher, kapacitor: Kapacitor, clock: Clock
) -> None:
    def steady_after(seconds: int) -> int:
        clock.go_on(seconds)
        return (watcher.look().steady_ns - NOW_NS) // SECOND

    assert steady_after(0) == 0
    assert steady_after(10) == 0
    kapacitor.error = "gone"
    assert steady_after(10) == 20
    kapacitor.error = ""
    assert steady_after(10) == 30
    assert steady_after(10) == 30
    clock.wall_ns += 3600 * SECOND
    assert steady_after(1) == 3641
    clock.wall_ns += 5 * SECOND
    assert steady_after(1) == 3641


def test_a_heartbeat_tells_when_the_udf_was_started(watcher: PipelineWatcher, influxdb: InfluxDB) -> None:
    influxdb.beats = [[NOW_NS - 4 * SECOND, 90.5, 7, "first"]]
    sight = watcher.look().pipelines[PIPELINE.name]
    assert (sight.beat_ns, sight.started_ns) == (NOW_NS - 4 * SECOND, NOW_NS - int(94.5 * SECOND))


def test_a_heartbeat_tells_which_model_the_udf_has_in_memory(watcher: PipelineWatcher, influxdb: InfluxDB) -> None:
    def in_memory() -> str | None:
        return watcher.look().pipelines[PIPELINE.name].in_memory

    assert in_memory() is None
    influxdb.beats = [[NOW_NS - 4 * SECOND, 90.5, 7, "first"]]
    assert in_memory() == "first"
    influxdb.beats = [[NOW_NS, 2.5, 0, None]]
    assert in_memory() is None


def test_heartbeats_from_before_the_clock_was_set_back_are_not_asked_for(
    watcher: PipelineWatcher, influxdb: InfluxDB
) -> None:
    watcher.look()
    (query,) = [query for query in influxdb.queries if 'FROM "udf"' in query]
    assert f"time > {NOW_NS - 300 * SECOND} AND time < {NOW_NS + 30 * SECOND}" in query


def unfed_s(watcher: PipelineWatcher, influxdb: InfluxDB, clock: Clock, taken: int, newest_s: int) -> int:
    """Look 30 s later, when the UDF has taken this many points and the newest stored one is from this second."""
    clock.go_on(30)
    influxdb.beats = [[clock.wall_ns, 1000, taken, "first"]]
    influxdb.windows.begin_ns[:] = newest_s * SECOND
    return watcher.look().pipelines[PIPELINE.name].unfed_ns // SECOND


def test_points_that_are_stored_while_the_udf_takes_none_are_unfed(
    watcher: PipelineWatcher, influxdb: InfluxDB, clock: Clock
) -> None:
    looks = [(5, 100), (5, 130), (5, 190), (5, 190), (6, 220), (6, 250), (1, 280), (1, 281)]
    assert [unfed_s(watcher, influxdb, clock, *look) for look in looks] == [0, 30, 90, 90, 0, 30, 0, 1]


def test_a_source_that_stops_is_no_outage(watcher: PipelineWatcher, influxdb: InfluxDB, clock: Clock) -> None:
    """The UDF has taken all points long before the last of them must have its score."""
    influxdb.beats = [[NOW_NS, 1000, 5, "first"]]
    influxdb.windows.begin_ns[:] = NOW_NS - np.arange(len(influxdb.windows))[::-1] * SECOND
    must_be_scored: list[int] = []
    for _ in range(4):
        sight = watcher.look().pipelines[PIPELINE.name]
        assert sight.point_ns is not None
        must_be_scored.append(sight.point_ns)
        assert sight.unfed_ns == 0
        clock.go_on(30)
    assert must_be_scored[0] < must_be_scored[1] < must_be_scored[2] == NOW_NS


def test_a_custom_script_may_leave_out_points(watcher: PipelineWatcher, influxdb: InfluxDB, clock: Clock) -> None:
    (custom,) = normalize([{**PIPELINE.as_dict(), "tickscript": "mine.tick"}])
    watcher.take_over((custom,), set())
    assert [unfed_s(watcher, influxdb, clock, 5, newest) for newest in (100, 200, 300)] == [0, 0, 0]


def test_points_and_scores_are_compared_twice_a_minute_even_after_the_clock_was_set_back(
    watcher: PipelineWatcher, influxdb: InfluxDB, clock: Clock
) -> None:
    def asked_after(seconds: int) -> int:
        influxdb.queries.clear()
        clock.wall_ns += seconds * SECOND
        watcher.look()
        return sum('FROM "score"' in query for query in influxdb.queries)

    assert [asked_after(seconds) for seconds in (0, 29, 1, -29, -1)] == [1, 0, 1, 0, 1]


def test_a_look_costs_three_queries_and_four_for_each_pipeline_twice_a_minute(
    watcher: PipelineWatcher, influxdb: InfluxDB, clock: Clock
) -> None:
    def queries_after(seconds: int) -> int:
        clock.go_on(seconds)
        before = len(influxdb.queries)
        watcher.look()
        return len(influxdb.queries) - before

    others = normalize([{**PIPELINE.as_dict(), "name": name} for name in ("printer", "second", "third")])
    watcher.take_over(tuple(others), {PIPELINE.name})
    influxdb.databases.append("anomaly")
    influxdb.write(f'health,check=udf ok=1i,text="" {NOW_NS}')
    watcher.written_ns = NOW_NS
    # The stand-in has metrics of the first pipeline's UDF only, so points of the others are not compared with theirs.
    influxdb.beats = [[NOW_NS, 1000, 7, "first"]]
    assert [queries_after(seconds) for seconds in (0, 5, 24, 1, 5)] == [3 + 4 + 3 + 3, 3, 3, 3 + 4 + 3 + 3, 3]
    watcher.is_hurried = True
    assert [queries_after(seconds) for seconds in (1, 1, 1, 1)] == [3 + 4 + 3 + 3, 3, 3, 3]


def test_a_slow_influxdb_makes_no_look_long_and_the_next_look_goes_on(
    watcher: PipelineWatcher, influxdb: InfluxDB, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "b", "c", "d", "e"]
    watcher.take_over(tuple(normalize([{**PIPELINE.as_dict(), "name": name} for name in names])), set())
    compared: list[str] = []
    compare = PipelineWatcher._compare

    def slow(self: PipelineWatcher, pipeline: Pipeline, *more: Any, **named: Any) -> None:
        compare(self, pipeline, *more, **named)
        compared.append(pipeline.name)
        clock.go_on(20)

    monkeypatch.setattr(PipelineWatcher, "_compare", slow)
    watcher.look()
    assert compared == ["a", "b"]
    watcher.look()
    assert compared == ["a", "b", "c", "d"]


def test_a_task_that_kapacitor_has_not_had_yet_is_new_for_three_minutes(
    watcher: PipelineWatcher, kapacitor: Kapacitor, clock: Clock
) -> None:
    def is_new() -> bool:
        return watcher.look().pipelines[PIPELINE.name].is_new

    kapacitor.states = {}
    assert is_new()
    clock.go_on(179)
    assert is_new()
    clock.go_on(1)
    assert not is_new()


def test_a_task_that_is_taken_away_is_not_new(watcher: PipelineWatcher, kapacitor: Kapacitor) -> None:
    watcher.look()
    kapacitor.states = {}
    assert not watcher.look().pipelines[PIPELINE.name].is_new
    watcher.take_over((PIPELINE,), {PIPELINE.name})
    assert not watcher.look().pipelines[PIPELINE.name].is_new
    watcher.take_over((PIPELINE,), set())
    assert watcher.look().pipelines[PIPELINE.name].is_new


def test_a_point_that_influxdb_took_and_does_not_have_is_an_error(watcher: PipelineWatcher, influxdb: InfluxDB) -> None:
    assert watcher.look().influxdb_error is None
    watcher.written_ns = NOW_NS
    error = watcher.look().influxdb_error
    assert error is not None
    assert error.startswith("InfluxDB acknowledged a point of 'anomaly' and does not have it")
    assert watcher.look().forgets == error
    influxdb.write(f'health,check=udf ok=1i,text="" {NOW_NS}')
    assert watcher.look().influxdb_error is None
    assert watcher.look().forgets == ""


def test_an_influxdb_that_refuses_all_points_since_its_disk_took_none_keeps_nothing(watcher: PipelineWatcher) -> None:
    for reason in (
        "500 engine: write /wal/1.wal: no space left on device",
        "500 not attempting to open shard 2; opening shard previously failed with: read-only file system",
    ):
        watcher.write_error = f"InfluxDB could not answer: {reason}"
        assert watcher.look().forgets == watcher.write_error
    watcher.write_error = "InfluxDB does not let in user 'reader'"
    sight = watcher.look()
    assert sight.influxdb_error == watcher.write_error
    assert sight.forgets == ""


def test_whatever_cannot_be_asked_is_said(watcher: PipelineWatcher, influxdb: InfluxDB, kapacitor: Kapacitor) -> None:
    influxdb.users = {}
    kapacitor.error = "gone"
    sight = watcher.look()
    assert sight.kapacitor_error == "gone"
    assert not sight.is_shut_out
    assert "does not let in user 'reader'" in (sight.influxdb_error or "")


def test_a_kapacitor_that_does_not_let_the_keeper_in_is_told_apart(
    watcher: PipelineWatcher, kapacitor: Kapacitor
) -> None:
    kapacitor.error, kapacitor.is_shut = "refused", True
    sight = watcher.look()
    assert (sight.kapacitor_error, sight.is_shut_out) == ("refused", True)


def test_a_state_file_is_read_as_far_as_its_header(watcher: PipelineWatcher, tmp_path: Path) -> None:
    def state() -> tuple[int | None, str | None]:
        sight = watcher.look().pipelines[PIPELINE.name]
        return sight.state_ns, sight.state_error

    assert state() == (None, None)
    header = StateHeader.of(PIPELINE, rules(PIPELINE), None, NOW_NS - 5)
    StateFile(tmp_path, PIPELINE.name).write(header, {})
    assert state() == (NOW_NS - 5, None)
    path = StateFile(tmp_path, PIPELINE.name).path
    path.write_bytes(path.read_bytes()[:100])
    state_ns, error = state()
    assert state_ns is None
    assert "is damaged" in (error or "")


def test_a_model_that_does_not_fit_is_seen(watcher: PipelineWatcher, store: Store, clock: Clock) -> None:
    (other,) = normalize([{**PIPELINE.as_dict(), "window": "20s"}])
    sight = watcher.look().pipelines[PIPELINE.name]
    assert (sight.has_model, sight.misfit) == (True, None)
    watcher.take_over((other,), set())
    assert "does not fit the pipeline" in (watcher.look().pipelines[PIPELINE.name].misfit or "")
    current = store.current()
    assert current is not None
    (store.path / current / "manifest.json").write_text(json.dumps([]))
    clock.go_on(30)
    damaged = watcher.look().pipelines[PIPELINE.name]
    assert damaged.misfit is None
    assert "is damaged" in (damaged.damage or "")


def test_a_model_whose_arrays_are_cut_off_or_gone_is_seen(watcher: PipelineWatcher, store: Store, clock: Clock) -> None:
    def damage() -> str | None:
        clock.go_on(30)
        return watcher.look().pipelines[PIPELINE.name].damage

    assert damage() is None
    path = store.path / str(store.current()) / "model.npz"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert "model.npz is damaged: its SHA-256 is " in (damage() or "")
    path.unlink()
    assert damage() == f"{path} is missing: train again, or promote another version"
    path.write_bytes(content)
    assert damage() is None


def test_a_model_that_is_not_current_any_more_is_missed_and_one_that_never_was_is_not(
    watcher: PipelineWatcher, tmp_path: Path, store: Store, clock: Clock
) -> None:
    def seen() -> tuple[bool, str | None]:
        clock.go_on(30)
        sight = watcher.look().pipelines[PIPELINE.name]
        return sight.has_model, sight.damage

    (tmp_path / "models").rename(tmp_path / "elsewhere")
    assert seen() == (False, None)
    (tmp_path / "elsewhere").rename(tmp_path / "models")
    assert seen() == (True, None)
    (tmp_path / "models").rename(tmp_path / "elsewhere")
    gone = f"printer had a model, and {store.path / 'current'} is not there any more: train, or promote a version"
    assert [seen(), seen()] == [(False, gone), (False, gone)]
    (tmp_path / "elsewhere").rename(tmp_path / "models")
    assert seen() == (True, None)


def test_volumes_are_looked_at(watcher: PipelineWatcher, tmp_path: Path) -> None:
    watcher.disks = {"data": tmp_path, "gone": tmp_path / "gone"}
    data, gone = watcher.look().disks
    assert data.free is not None
    assert data.free > 0
    assert data.device == tmp_path.stat().st_dev
    assert gone.free is None
    assert "cannot be read (No such file or directory)" in gone.error


def test_a_volumes_free_bytes_are_those_that_any_user_may_write(
    watcher: PipelineWatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks of 512 bytes, counted in fragments of 4096: 7 are free, 5 of them for everybody.
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((512, 4096, 100, 7, 5, 0, 0, 0, 0, 255)))
    watcher.disks = {"data": tmp_path}
    sight = watcher.look()
    assert [disk.free for disk in sight.disks] == [5 * 4096]
    assert sight.least_free == 0


def test_a_point_must_have_its_score_a_lateness_two_windows_and_five_seconds_later(
    watcher: PipelineWatcher, influxdb: InfluxDB
) -> None:
    (late,) = normalize([{**PIPELINE.as_dict(), "lateness": "40s"}])
    assert settled_ns(late) == (40 + 2 * 10 + 5) * SECOND
    watcher.take_over((late,), set())
    watcher.look()
    (query,) = [query for query in influxdb.queries if query.startswith('SELECT "hotend", "bed", "air" FROM')]
    assert f"time >= {NOW_NS - (600 + 65) * SECOND} AND time < {NOW_NS - 65 * SECOND}" in query


def test_a_task_executes_since_it_was_first_seen_to(
    watcher: PipelineWatcher, kapacitor: Kapacitor, clock: Clock
) -> None:
    def since() -> int:
        clock.go_on(10)
        return watcher.look().pipelines[PIPELINE.name].executing_ns

    first = since()
    assert (first, since()) == (NOW_NS + 10 * SECOND, first)
    kapacitor.states[PIPELINE.name] = TaskState(enabled=True, executing=False, error="")
    assert since() == 0
    kapacitor.states[PIPELINE.name] = RUNNING
    assert since() == NOW_NS + 40 * SECOND


def test_a_pipeline_of_which_nothing_was_seen_is_not_new() -> None:
    assert not PipelineSight().is_new


def test_only_points_that_the_pipeline_watches_count(watcher: PipelineWatcher, influxdb: InfluxDB) -> None:
    (some,) = normalize([{**PIPELINE.as_dict(), "where": {"site": {"is": "north"}}}])
    watcher.take_over((some,), set())
    watcher.look()
    (query,) = [query for query in influxdb.queries if query.startswith('SELECT "hotend", "bed", "air" FROM')]
    assert "\"site\"::tag = 'north'" in query


@pytest.mark.parametrize(
    ("noted", "is_due"),
    [
        ({"seen_ms": 5}, True),
        ({"seen_ms": 5, "done_ms": 4}, True),
        ({"seen_ms": 5, "done_ms": 5}, False),
        # What an InfluxDB has left that was killed.
        ({"done_ms": 5}, False),
    ],
)
def test_a_late_window_is_due_until_a_catch_up_has_scored_it(
    watcher: PipelineWatcher, influxdb: InfluxDB, noted: dict[str, int], is_due: bool
) -> None:
    influxdb.databases.append("anomaly")
    fields = ",".join(f"{name}={value}i" for name, value in noted.items())
    influxdb.write(f"late,pipeline=printer,printer=mk3 {fields} {NOW_NS - 60 * SECOND}")
    seen_ns = watcher.look().pipelines[PIPELINE.name].late_seen_ns
    assert seen_ns == (5_000_000 if is_due else None)
