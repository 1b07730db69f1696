"""Asks Kapacitor and InfluxDB what there is. `anomaly.keeper.checks` judges it.

One look costs three queries and two requests, however many pipelines there are. Every `_POINTS_NS` it costs four more
queries for each pipeline, which read no more than `_REACH_WINDOWS` windows, and the manifest of its model is read, and
the model itself if its file has changed. For a minute after something has happened, that is every
`_HURRIED_POINTS_NS`.
"""

import os
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.influxdb.influxql import between, identifier, literal, source, watched
from anomaly.keeper.certificates import Certificates
from anomaly.keeper.kapacitor import KapacitorClient, KapacitorClientError, KapacitorLoginError, TaskState
from anomaly.keeper.last_backup import LastBackup
from anomaly.locations import METRICS
from anomaly.models.store import CURRENT, ModelMismatch, Store, StoreError
from anomaly.nanoseconds import MS_NS, SECOND_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.state_file import StateError, read_header

# How far back heartbeats are asked for.
_BEATS_NS = 300 * SECOND_NS
# How often the newest point is compared with the newest score.
_POINTS_NS = 30 * SECOND_NS
# While the keeper hurries.
_HURRIED_POINTS_NS = 5 * SECOND_NS
# How far back the newest point and the newest score are looked for: this many windows, and at least ten minutes.
_REACH_WINDOWS = 20
_LEAST_REACH_NS = 600 * SECOND_NS
# A clock that is set jumps by more than this between two looks; less is a slow machine.
_JUMP_NS = 5 * SECOND_NS
# A heartbeat from further ahead was written before the clock was set back.
_AHEAD_NS = 30 * SECOND_NS
# What InfluxDB answers to every write, until it is restarted, after its disk was full, and after a start on a disk that
# took nothing.
_STUCK = ("no space left on device", "opening shard previously failed")
# A deployment makes a task some time after it has specified the pipeline.
_NEW_NS = 180 * SECOND_NS
# How long one look compares points with scores; where InfluxDB is slow, the next look goes on with other pipelines.
_COMPARING_NS = 30 * SECOND_NS


@dataclass(frozen=True, slots=True)
class PipelineSight:
    """What was seen of one pipeline.

    Attributes:
        task: its task's state; None if Kapacitor has no such task, or could not be asked.
        is_new: whether it was specified a moment ago, and Kapacitor has not had its task yet.
        beat_ns: when its UDF last wrote its metrics; None if it did not within five minutes.
        started_ns: when that UDF was started.
        unfed_ns: how long points have been stored of which none has reached the UDF; 0 if they do.
        state_ns: when its state file was written; None if there is none, or if it cannot be read.
        state_error: why the state file cannot be used; None if it can, or if there is none.
        point_ns: the time of the newest stored point that must have its score by now; None if there is none in reach.
        score_ns: the begin of the newest scored window; None if there is none in reach.
        late_seen_ns: when the newest late point was seen whose window was not scored again; None: there is none.
        has_model: whether it has a current model.
        misfit: why that model does not fit the pipeline; None if it does, or if that cannot be known.
        damage: why that model cannot be read, or that it is gone; None if all is well, or if there never was one.
        in_memory: the model that its UDF scored with when it last wrote its metrics; None if it had none.
        executing_ns: since when its task has been seen to execute; 0 if it was never seen.
    """

    task: TaskState | None = None
    is_new: bool = False
    beat_ns: int | None = None
    started_ns: int | None = None
    unfed_ns: int = 0
    state_ns: int | None = None
    state_error: str | None = None
    point_ns: int | None = None
    score_ns: int | None = None
    late_seen_ns: int | None = None
    has_model: bool = False
    misfit: str | None = None
    damage: str | None = None
    in_memory: str | None = None
    executing_ns: int = 0


@dataclass(frozen=True, slots=True)
class DiskSight:
    """A volume.

    Attributes:
        name: its name.
        free: how many bytes are free; None if that cannot be known.
        error: why not.
        device: the number of its file system, which several volumes may share; None if that cannot be known.
    """

    name: str
    free: int | None
    error: str = ""
    device: int | None = None


@dataclass(frozen=True, slots=True)
class StackSight:
    """What was seen in one look.

    Attributes:
        time_ns: when.
        steady_ns: since when Kapacitor and InfluxDB have answered and the clock has not jumped: what should happen
            regularly can be expected from then on.
        kapacitor_error: why Kapacitor could not be asked; None if it could.
        influxdb_error: why InfluxDB could not be asked, or that it lost what was written; None if it works.
        pipelines: what was seen of each pipeline, by name.
        skew_ns: how far InfluxDB's clock is ahead of this host's; None if it did not tell.
        disks: the volumes.
        least_free: how many bytes of each volume must be free.
        forgets: why InfluxDB, which answers queries, keeps nothing that is written, as after a full disk; empty if it
            keeps it.
        is_shut_out: whether Kapacitor answers, but does not let the keeper in.
        ending: the servers whose certificates end soon, with the days that are left; None if none has a certificate.
        late_backup: why the last backup is too old; empty if it is not, None if there was none.
    """

    time_ns: int
    steady_ns: int
    kapacitor_error: str | None
    influxdb_error: str | None
    pipelines: Mapping[str, PipelineSight]
    skew_ns: int | None = None
    disks: tuple[DiskSight, ...] = ()
    least_free: int = 0
    forgets: str = ""
    is_shut_out: bool = False
    ending: Mapping[str, int] | None = None
    late_backup: str | None = None


@dataclass(slots=True)
class _Points:
    """The last comparison of the points of a pipeline with its scores."""

    asked_ns: int = 0
    point_ns: int | None = None
    score_ns: int | None = None
    late_seen_ns: int | None = None
    misfit: str | None = None
    damage: str | None = None
    has_model: bool = False
    had_model: bool = False
    store: Store | None = None
    # The newest stored point, and how many points the UDF had taken, when it had last taken more than before.
    fed_point_ns: int | None = None
    taken: int | None = None
    unfed_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Beat:
    """A UDF's last metrics.

    Attributes:
        time_ns: when they were written.
        started_ns: when the UDF was started.
        taken: how many points it has taken since.
        model: the model that it scores with; None if it has none.
    """

    time_ns: int
    started_ns: int
    taken: int
    model: str | None


@dataclass(slots=True)
class PipelineWatcher:
    """Looks at the pipelines of one Kapacitor.

    Attributes:
        pipelines: the enabled pipelines.
        influx: InfluxDB, as a user who may read sources and results.
        kapacitor: Kapacitor, as a user who may read tasks.
        models: the directory of all models.
        results_database: the database of the results.
        udf_state: the directory of all state files; None: they are not looked at.
        disks: the folders whose volumes are looked at, by name.
        least_free: how many bytes of each volume must be free.
        certificates: those of InfluxDB and Kapacitor.
        last_backup: the record of the last backup; None: nobody looks at it.
        written_ns: the time of the newest point that the keeper wrote and InfluxDB acknowledged; 0 before the first.
        write_error: why InfluxDB did not take what the keeper wrote last; None if it did.
        is_hurried: whether points are compared with scores more often than usual, as something has just happened.
    """

    pipelines: tuple[Pipeline, ...]
    influx: InfluxClient
    kapacitor: KapacitorClient
    models: Path | str
    results_database: str
    udf_state: Path | None = None
    disks: Mapping[str, Path] = field(default_factory=dict)
    least_free: int = 0
    certificates: Certificates = field(default_factory=Certificates)
    last_backup: LastBackup | None = None
    written_ns: int = 0
    write_error: str | None = None
    is_hurried: bool = False
    _points: dict[str, _Points] = field(default_factory=dict)
    # Since when the pipelines are looked at of which Kapacitor has not had a task yet.
    _awaited: dict[str, int] = field(default_factory=dict)
    # Since when the tasks of the pipelines have been seen to execute.
    _executing: dict[str, int] = field(default_factory=dict)
    _steady_ns: int | None = None
    # What this host's clock is ahead of a clock that never jumps.
    _offset_ns: int = 0

    def take_over(self, pipelines: tuple[Pipeline, ...], unchanged: Set[str]) -> None:
        """Look at these pipelines from now on.

        Args:
            pipelines: the enabled pipelines.
            unchanged: the names of those that were looked at before as they are.
        """
        self.pipelines = pipelines
        now_ns = time.time_ns()
        awaited = {pipeline.name: now_ns for pipeline in pipelines if pipeline.name not in unchanged}
        self._awaited = {**awaited, **{name: at for name, at in self._awaited.items() if name in unchanged}}
        self._points = {name: points for name, points in self._points.items() if name in unchanged}

    def look(self) -> StackSight:
        """Return what there is now. Whatever cannot be asked is an error in the answer."""
        now_ns = time.time_ns()
        tasks: Mapping[str, TaskState] = {}
        kapacitor_error = influxdb_error = None
        is_shut_out = False
        try:
            tasks = self.kapacitor.tasks()
        except KapacitorClientError as error:
            kapacitor_error = str(error)
            is_shut_out = isinstance(error, KapacitorLoginError)
        beats: Mapping[str, _Beat] = {}
        skew_ns = None
        forgets = ""
        try:
            skew_ns = self._skew()
            has_results = self.results_database in self.influx.databases()
            if has_results:
                # UDFs whose metrics it does not take are not dead.
                lost = self._lost()
                influxdb_error = self.write_error or lost
                if lost is not None or any(words in (self.write_error or "") for words in _STUCK):
                    forgets = influxdb_error or ""
                beats = self._beats(now_ns)
            self._compare_all(now_ns, beats, has_results=has_results)
        except InfluxClientError as error:
            influxdb_error = str(error)
        self._mark_steady(now_ns, is_answered=kapacitor_error is None and influxdb_error is None)
        return StackSight(
            now_ns,
            now_ns if self._steady_ns is None else self._steady_ns,
            kapacitor_error,
            influxdb_error,
            {
                pipeline.name: self._sight(pipeline, tasks.get(pipeline.name), beats.get(pipeline.name))
                for pipeline in self.pipelines
            },
            skew_ns,
            tuple(_disk(name, path) for name, path in self.disks.items()),
            self.least_free,
            forgets,
            is_shut_out,
            self.certificates.ending(now_ns),
            None if self.last_backup is None else self.last_backup.problem(now_ns),
        )

    def _mark_steady(self, now_ns: int, *, is_answered: bool) -> None:
        offset_ns = now_ns - time.monotonic_ns()
        has_jumped = abs(offset_ns - self._offset_ns) > _JUMP_NS
        self._offset_ns = offset_ns
        if not is_answered:
            self._steady_ns = None
        elif self._steady_ns is None or has_jumped:
            self._steady_ns = now_ns

    def _skew(self) -> int | None:
        before_ns = time.time_ns()
        clock = self.influx.clock()
        return None if clock is None else int(clock.timestamp()) * SECOND_NS - before_ns

    def _sight(self, pipeline: Pipeline, task: TaskState | None, beat: _Beat | None) -> PipelineSight:
        points = self._points.get(pipeline.name, _Points())
        state_ns, state_error = self._state(pipeline)
        if task is not None:
            self._awaited.pop(pipeline.name, None)
        awaited_ns = self._awaited.get(pipeline.name)
        if task is not None and task.executing:
            self._executing.setdefault(pipeline.name, time.time_ns())
        else:
            self._executing.pop(pipeline.name, None)
        return PipelineSight(
            task=task,
            is_new=awaited_ns is not None and abs(time.time_ns() - awaited_ns) < _NEW_NS,
            beat_ns=None if beat is None else beat.time_ns,
            started_ns=None if beat is None else beat.started_ns,
            unfed_ns=points.unfed_ns,
            state_ns=state_ns,
            state_error=state_error,
            point_ns=points.point_ns,
            score_ns=points.score_ns,
            late_seen_ns=points.late_seen_ns,
            has_model=points.has_model,
            misfit=points.misfit,
            damage=points.damage,
            in_memory=None if beat is None else beat.model,
            executing_ns=self._executing.get(pipeline.name, 0),
        )

    def _look_at_model(self, pipeline: Pipeline, points: _Points) -> None:
        points.store = points.store or Store(self.models, pipeline.name)
        points.misfit = points.damage = None
        try:
            current = points.store.current()
            points.has_model = current is not None
            points.had_model |= points.has_model
            if current is not None:
                points.store.check_arrays(current, pipeline)
            elif points.had_model:
                points.damage = (
                    f"{pipeline.name} had a model, and {points.store.path / CURRENT} is not there any more: train, or "
                    "promote a version"
                )
        except ModelMismatch as error:
            points.misfit = str(error)
        except StoreError as error:
            points.damage = str(error)

    def _state(self, pipeline: Pipeline) -> tuple[int | None, str | None]:
        """Return when the pipeline's state file was written, and why it cannot be used."""
        if self.udf_state is None:
            return None, None
        try:
            header = read_header(self.udf_state, pipeline.name)
        except StateError as error:
            return None, str(error)
        return None if header is None else header.written_ns, None

    def _lost(self) -> str | None:
        """Return what to say if InfluxDB acknowledged a point that it does not have; None if it has it."""
        if not self.written_ns:
            return None
        query = f'SELECT "ok" FROM "health" WHERE time = {self.written_ns} LIMIT 1'
        if any(chunk.rows for chunk in self.influx.query(query, self.results_database)):
            return None
        return (
            f"InfluxDB acknowledged a point of {self.results_database!r} and does not have it: look at its disk and "
            "its log, and restart it"
        )

    def _beats(self, now_ns: int) -> dict[str, _Beat]:
        """Return each task's last heartbeat."""
        query = (
            f'SELECT "uptime_s", "points_in", "model" FROM {identifier(METRICS)} WHERE "udf" = \'anomaly\''
            f" AND time > {now_ns - _BEATS_NS} AND time < {now_ns + _AHEAD_NS}"
            ' GROUP BY "task" ORDER BY time DESC LIMIT 1'
        )
        return {
            chunk.tags["task"]: _Beat(time_ns, time_ns - int(uptime_s * SECOND_NS), int(taken or 0), model)
            for chunk in self.influx.query(query, self.results_database)
            for time_ns, uptime_s, taken, model in chunk.rows
        }

    def _compare_all(self, now_ns: int, beats: Mapping[str, _Beat], *, has_results: bool) -> None:
        """Compare the points of pipelines with their scores, those first for which that was longest ago."""
        end_ns = time.monotonic_ns() + _COMPARING_NS
        asked = {name: points.asked_ns for name, points in self._points.items()}
        for pipeline in sorted(self.pipelines, key=lambda pipeline: asked.get(pipeline.name, 0)):
            if time.monotonic_ns() > end_ns:
                return
            self._compare(pipeline, now_ns, beats.get(pipeline.name), has_results=has_results)

    def _compare(self, pipeline: Pipeline, now_ns: int, beat: _Beat | None, *, has_results: bool) -> None:
        """Look up the newest point that must have its score by now, the newest score, and late points."""
        points = self._points.setdefault(pipeline.name, _Points())
        # A clock that was set back must not end the looks.
        if abs(now_ns - points.asked_ns) < (_HURRIED_POINTS_NS if self.is_hurried else _POINTS_NS):
            return
        self._look_at_model(pipeline, points)
        reach_ns = max(_LEAST_REACH_NS, _REACH_WINDOWS * pipeline.window_ns) + settled_ns(pipeline)
        points.point_ns = self._newest_point(pipeline, between(now_ns - reach_ns, now_ns - settled_ns(pipeline)))
        where = f'"pipeline" = {literal(pipeline.name)} AND time >= {now_ns - reach_ns}'
        if has_results:
            points.score_ns = self._newest(
                f'SELECT "severity" FROM "score" WHERE {where} ORDER BY time DESC LIMIT 1', self.results_database
            )
            points.late_seen_ns = self._late(where)
        # A custom script may leave out any points.
        if beat is not None and pipeline.tickscript is None:
            # Not the newest that must have its score: that one goes on while a source has stopped.
            _compare_fed(points, self._newest_point(pipeline, f"time >= {now_ns - reach_ns}"), beat.taken)
        points.asked_ns = now_ns

    def _newest_point(self, pipeline: Pipeline, time: str) -> int | None:
        """Return the time of the newest point that the pipeline watches, among those for which a condition holds."""
        return self._newest(
            f"SELECT {', '.join(map(identifier, pipeline.sources))} FROM {source(pipeline)}"
            f" WHERE {time}{watched(pipeline)} ORDER BY time DESC LIMIT 1",
            pipeline.database,
        )

    def _newest(self, query: str, database: str) -> int | None:
        rows = [row for chunk in self.influx.query(query, database) for row in chunk.rows]
        # Each measurement answers for itself.
        return max(int(row[0]) for row in rows) if rows else None

    def _late(self, where: str) -> int | None:
        query = f'SELECT "seen_ms", "done_ms" FROM "late" WHERE {where}'
        seen = [
            int(seen_ms)
            for chunk in self.influx.query(query, self.results_database)
            for _, seen_ms, done_ms in chunk.rows
            # An InfluxDB that is killed may forget what the UDF noted, and keep what a catch-up noted after it.
            if seen_ms is not None and (done_ms is None or done_ms < seen_ms)
        ]
        return max(seen) * MS_NS if seen else None


def _compare_fed(points: _Points, stored_ns: int | None, taken: int) -> None:
    """Take into account how many points the UDF has taken: if none, how many seconds of points have been stored since.

    Args:
        points: the pipeline's comparison.
        stored_ns: the newest stored point, asked for after the UDF's metrics; None if there is none in reach.
        taken: how many points the UDF has taken; fewer than before if it was started again.
    """
    if taken != points.taken or stored_ns is None or points.fed_point_ns is None:
        points.taken, points.fed_point_ns, points.unfed_ns = taken, stored_ns, 0
    else:
        points.unfed_ns = max(stored_ns - points.fed_point_ns, 0)


def _disk(name: str, path: Path) -> DiskSight:
    try:
        status, device = os.statvfs(path), path.stat().st_dev
    except OSError as error:
        return DiskSight(name, None, f"{path} cannot be read ({error.strerror})")
    return DiskSight(name, status.f_bavail * status.f_frsize, device=device)


def settled_ns(pipeline: Pipeline) -> int:
    """Return how long after a point its score must be there, in nanoseconds.

    The UDF closes a window once the clock is `lateness` past its end; the rest is what scoring and writing may take.
    """
    return pipeline.lateness_ns + 2 * pipeline.window_ns + 5 * SECOND_NS
