"""The UDF's handler: Kapacitor's points in, results out.

The handler connects rooms that do the work. `kapacitor_udf` speaks the protocol and makes arrays of points,
`anomaly.windows.assembler` cuts them into windows of event time and closes these, and `anomaly.scoring.core` scores.
What the handler decides itself is when each of them is asked: rows when they arrive, and the clock a few times a
second.

Nothing that is not scored is silent. Late points go to the measurement `late`, where catch-up finds the windows that
they belong to; points from the future open a notice; and all of them are counted by reason in the measurement `udf`.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import numpy as np

from anomaly.locations import DEFAULT_MODELS, MODELS_VARIABLE, STATE_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, format_duration, parse
from anomaly.pipeline.state import most_series
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback_file import feedback_path
from anomaly.scoring.packing import document, keys_as_arrays, keys_of, part_of, prefixed, text
from anomaly.scoring.results import Result, notice_result, series_tags
from anomaly.scoring.scorer import series_name
from anomaly.scoring.state_file import StateError, StateFile, StateHeader
from anomaly.serving.clock_notices import ClockNotices
from anomaly.serving.feedback_watcher import FeedbackWatcher
from anomaly.serving.pace import Pace
from anomaly.serving.shadow import Shadow
from anomaly.serving.snapshot import is_reference, pack, reference, unpack
from anomaly.serving.watcher import Watcher
from anomaly.windows.arrays import AnyArray, Ints, Key
from anomaly.windows.assembler import Assembler, Closed, Settings, Taken
from anomaly.windows.windows import Windows
from kapacitor_udf import Context, Point, PointSink, Rows, RowsHandler

_SECOND_NS = 1_000_000_000
# Windows and silence are looked at this often by the clock: a small part of a window.
_LEAST_TICK, _MOST_TICK = 0.2, 1.0
_TICKS_A_WINDOW = 20
# How much older than its series' open window a point may be: what a catch-up looks at.
_CATCH_UP_NS = 7 * 86_400 * _SECOND_NS
_CATCH_UP_WINDOWS = 100
# A series of a replay has ended when no point came for this long, and at least for a window.
_LEAST_IDLE_NS = 5 * _SECOND_NS
# The points of open windows may take this part of the pipeline's memory.
_POINTS_SHARE = 0.25
_FORGET_EVERY = 60.0
# A state that takes longer is not written when the process ends, which must not take a second.
_MOST_CLOSING_S = 0.4
# The parts of a state.
_WINDOWS, _CORE, _FORGOTTEN = "windows_", "core_", "forgotten_"


class AnomalyHandler(RowsHandler):
    """Scores the windows of each series with the pipeline's current model, and keeps the series' periods.

    Args:
        context: what the handler is made from.
        clock: gives seconds, to pace what is looked at; tests replace it.
        now_ns: the host's clock in nanoseconds since 1970; tests replace it.
    """

    snapshot_version = 6

    def __init__(
        self,
        context: Context,
        clock: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._pipeline: Pipeline = parse(context.options["spec"])
        pipeline = self._pipeline
        self.most_groups = max(most_series(pipeline), 1)
        super().__init__(context, fields=pipeline.fields, tags=pipeline.group_by)
        window_s = pipeline.window_ns / _SECOND_NS
        self.tick_seconds = min(max(window_s / _TICKS_A_WINDOW, _LEAST_TICK), _MOST_TICK)
        self._now_ns = now_ns
        # The assembler's clock when we began to listen. It stands still while nobody listens, and so must silence.
        self._listening_ns: int | None = None
        store = Store(os.environ.get(MODELS_VARIABLE) or DEFAULT_MODELS, pipeline.name)
        self._watcher = Watcher(store, pipeline, context.log, clock)
        self.events = EventCounter(f"pipeline {pipeline.name}", context.log, clock)
        self._assembler = Assembler(
            Settings(
                window_ns=pipeline.window_ns,
                lateness_ns=pipeline.lateness_ns,
                future_ns=pipeline.future_ns,
                fields=len(pipeline.fields),
                aggregates=pipeline.aggregate,
                idle_ns=max(pipeline.window_ns + pipeline.lateness_ns, _LEAST_IDLE_NS),
                oldest_ns=max(_CATCH_UP_NS, _CATCH_UP_WINDOWS * pipeline.window_ns),
                points_bytes=int(_POINTS_SHARE * pipeline.memory_bytes),
            )
        )
        # The clock at the arrival of each series' last point.
        self._arrived = self.groups.state((), np.int64, 0)
        folder = os.environ.get(STATE_VARIABLE)
        self._state_file = StateFile(folder, pipeline.name) if folder else None
        # Whether this process is the task's own, and how long its state took to make and to write.
        self._is_live = False
        self._state_seconds = 0.0
        # Series of the model that were forgotten, so that their silence is not told again.
        self._forgotten: set[Key] = set()
        self._core = ScoringCore(pipeline, self.events)
        self._clock_notices = ClockNotices(pipeline)
        self._feedback = FeedbackWatcher(feedback_path(store.models, pipeline.name), pipeline, context.log, clock)
        self._shadow = Shadow(store, pipeline, context.log, clock)
        self._dimensions = tuple(sorted((*pipeline.group_by, "pipeline")))
        self._silence_pace = Pace(max(window_s / 4, self.tick_seconds), clock)
        self._forget_pace = Pace(_FORGET_EVERY, clock)

    def rows(self, rows: Rows, out: PointSink) -> None:
        """Put points into their windows, and score the windows that they close."""
        now_ns = self._now_ns()
        self.events.add("values that are not numbers", int(rows.unusable.sum()))
        self._arrived.values[rows.groups] = now_ns
        taken = self._assembler.add(rows.groups, rows.times, rows.values, rows.identities, now_ns)
        self._tell_ahead(rows, now_ns, out)
        self._tell_refused(taken, now_ns, out)
        self._close_windows(now_ns, out)

    def tick(self, out: PointSink) -> None:
        """Do what the clock asks for, and put the model's version and the counts of events into the UDF's metrics."""
        now_ns = self._now_ns()
        self._feedback.feedback()
        self._shadow.refresh()
        model = self._watcher.model()
        self._close_windows(now_ns, out)
        if self._silence_pace.due():
            for result in self._silent(model, now_ns):
                self._emit(result, out)
        for key, notice in self._clock_notices.look(now_ns):
            self._emit(notice_result(self._pipeline, key, notice), out)
        if self._forget_pace.due():
            self._forget_quiet(now_ns, out)
        if model is not None:
            self.context.metrics["model"] = model.version
        self.context.metrics["open_points"] = self._assembler.open_points
        self.context.metrics.update({name.replace(" ", "_"): count for name, count in self.events.counts.items()})

    def _close_windows(self, now_ns: int, out: PointSink) -> None:
        """Score the windows whose time has come."""
        if not self._assembler.is_due(now_ns):
            return
        closed = self._assembler.close(now_ns)
        if not len(closed):
            return
        early = int(closed.early.sum())
        self.events.add("early windows", early, "the points of open windows need more than a quarter of `memory`")
        self.events.add("replaced points", closed.replaced)
        feedback, windows = self._feedback.feedback(), self._windows(closed)
        self._forgotten.difference_update(windows.keys)
        for result in self._core.feed_together(self._watcher.model(), windows, feedback, now_ns):
            self._emit(result, out)
        for result in self._shadow.feed(windows, feedback):
            self._emit(result, out)

    def _windows(self, closed: Closed) -> Windows:
        """Return the closed windows with their series' keys."""
        numbers, series = np.unique(closed.number, return_inverse=True)
        keys = tuple(map(self.groups.key, numbers.tolist()))
        return Windows(keys, series, closed.begin_ns, closed.values, closed.counts)

    def _tell_ahead(self, rows: Rows, now_ns: int, out: PointSink) -> None:
        """Open notices of points that are ahead of the clock."""
        ahead = rows.times > now_ns + self._clock_notices.least_ahead_ns
        if not ahead.any():
            return
        for number in np.unique(rows.groups[ahead]).tolist():
            mine = rows.times[ahead & (rows.groups == number)]
            key = self.groups.key(number)
            notice = self._clock_notices.ahead(key, len(mine), int(mine.max()), now_ns)
            if notice is not None:
                self._emit(notice_result(self._pipeline, key, notice), out)

    def _tell_refused(self, taken: Taken, now_ns: int, out: PointSink) -> None:
        """Count the points that were not taken, and write down which windows late ones belong to."""
        pipeline, late = self._pipeline, taken.late
        self.events.add("future points", len(taken.future))
        if len(taken.too_old):
            name = series_name(self.groups.key(int(taken.too_old.number[0])))
            reach = format_duration(self._assembler.settings.oldest_ns)
            self.events.add("too old points", len(taken.too_old), f"a point of {name} is more than {reach} late")
        self.events.add("late points", len(late))
        for number, begin_ns, points in zip(
            late.number.tolist(), late.begin_ns.tolist(), late.points.tolist(), strict=True
        ):
            fields = {"points": points, "seen_ms": now_ns // 1_000_000}
            self._emit(Result("late", series_tags(pipeline, self.groups.key(number)), begin_ns, fields), out)

    def _silent(self, model: Model | None, now_ns: int) -> Iterator[Result]:
        """Yield what is to tell of live series without windows."""
        clock_ns = self._assembler.clock_ns
        if model is None or clock_ns is None:
            # What came while nothing could be scored was not silent.
            self._listening_ns = None
            return
        if self._listening_ns is None:
            self._listening_ns = clock_ns
        watermarks = self._watermarks(model, now_ns, clock_ns)
        yield from self._core.silent(model, watermarks, self._feedback.feedback(), listening_ns=self._listening_ns)

    def _watermarks(self, model: Model, now_ns: int, clock_ns: int) -> dict[Key, int]:
        """Return up to when all windows of each live series are known, those included that have not come yet."""
        lateness_ns = self._pipeline.lateness_ns
        known = {}
        if self._is_recent(model, now_ns):
            known = {key: clock_ns - lateness_ns for key in model.scaling.keys if key not in self._forgotten}
        watermarks, live = self._assembler.watermarks() - lateness_ns, self._assembler.live()
        for key, number in self.groups:
            # A series all of whose windows lack something is not silent.
            if number < len(live) and live[number] and self._core.has_scored(key):
                known[key] = int(watermarks[number])
            else:
                known.pop(key, None)
        return known

    def _is_recent(self, model: Model, now_ns: int) -> bool:
        """Return whether the series of a model's history can be expected to be live."""
        if model.trained_until is None:
            return False
        until_ns = int(datetime.fromisoformat(model.trained_until).timestamp()) * _SECOND_NS
        return now_ns - until_ns < self._pipeline.forget_ns

    def _forget_quiet(self, now_ns: int, out: PointSink) -> None:
        """Forget the series without a point for `forget`."""
        oldest_ns = now_ns - self._pipeline.forget_ns
        quiet = [number for _, number in self.groups if self._arrived.values[number] < oldest_ns]
        if quiet:
            self.events.add(
                "forgotten series",
                len(quiet),
                f"{series_name(self.groups.key(quiet[0]))} had no point for `forget`",
            )
            self._forget(np.array(quiet, dtype=np.intp), out)
            for number in quiet:
                self.groups.forget(number)

    def forgotten(self, numbers: Ints, out: PointSink) -> None:
        """Forget the series that make room for others."""
        self.events.add(
            "evicted series",
            len(numbers),
            f"`memory` is enough for {self.most_groups} series: those without a point for longest are forgotten, such "
            f"as {series_name(self.groups.key(int(numbers[0])))}",
        )
        self._forget(numbers, out)

    def _forget(self, numbers: Ints, out: PointSink) -> None:
        model = self._watcher.model()
        self._assembler.forget(numbers)
        for number in numbers.tolist():
            key = self.groups.key(number)
            for result in self._core.forget(key, model):
                self._emit(result, out)
            self._shadow.forget(key)
            self._clock_notices.forget(key)
            if model is not None and model.knows(key):
                self._forgotten.add(key)

    def _emit(self, result: Result, out: PointSink) -> None:
        dimensions = tuple(name for name in self._dimensions if name in result.tags)
        out.point(
            Point(
                time=result.time_ns,
                fields=result.fields,
                tags=result.tags,
                name=result.measurement,
                dimensions=dimensions,
            )
        )

    def snapshot_key(self) -> str:
        """Name the pipeline and its rules: state fits these, whichever model scores."""
        return StateHeader.of(self._pipeline, self._core.rules, None, self._now_ns()).made_for

    def snapshot(self) -> bytes:
        """Return the open windows, periods, followers and drift of all series, or a reference to the file of them."""
        if not len(self.groups):
            return b""
        started = time.monotonic()
        state = self._state()
        if self._state_file is None:
            return pack(state)
        self._is_live = True
        try:
            self._write_state(self._state_file, state, started)
        except StateError as error:
            self.events.add("states that were not written", 1, str(error))
            return pack(state)
        return reference(self._state_file.path)

    def restore(self, data: bytes) -> None:
        """Go on where `snapshot` was taken. Data that does not fit raises; the library then starts cold."""
        self._is_live = True
        if not is_reference(data):
            self._restore(unpack(data))
            return
        if self._state_file is None:
            raise ValueError(f"the snapshot refers to a file of the state, and {STATE_VARIABLE} names no folder")
        found = self._state_file.read(self._header())
        if found is None:
            raise ValueError(f"the file of the state, {self._state_file.path}, is not there")
        header, arrays = found
        self._restore(arrays)
        taken = datetime.fromtimestamp(header.written_ns / _SECOND_NS, UTC)
        self.context.log(f"pipeline {self._pipeline.name}: goes on from the state of {taken:%Y-%m-%dT%H:%M:%SZ}")

    def _state(self) -> dict[str, AnyArray]:
        """Return what is remembered of all series."""
        keys = dict(self.groups)
        numbers = np.array(list(keys.values()), dtype=np.intp)
        return {
            **keys_as_arrays(list(keys)),
            "arrived": self._arrived.values[numbers],
            "clock": text(self._clock_notices.state()),
            **prefixed(_FORGOTTEN, keys_as_arrays(sorted(self._forgotten))),
            **prefixed(_WINDOWS, self._assembler.state(numbers)),
            **prefixed(_CORE, self._core.state(self._watcher.model())),
        }

    def _restore(self, state: Mapping[str, AnyArray]) -> None:
        numbers = np.array([self.groups.number(key) for key in keys_of(state)], dtype=np.intp)
        self._arrived.values[numbers] = state["arrived"]
        self._assembler.restore(part_of(state, _WINDOWS))
        self._listening_ns = self._assembler.clock_ns
        self._core.restore(part_of(state, _CORE))
        self._clock_notices.restore(document(state["clock"]))
        self._forgotten = set(keys_of(part_of(state, _FORGOTTEN)))

    def _header(self) -> StateHeader:
        model = self._watcher.model()
        version = None if model is None else model.version
        return StateHeader.of(self._pipeline, self._core.rules, version, self._now_ns())

    def _write_state(self, file: StateFile, state: Mapping[str, AnyArray], started: float) -> None:
        """Replace the file of the state, which began to be made at `started`. Raises StateError."""
        self.context.metrics["state_bytes"] = file.write(self._header(), state)
        self._state_seconds = time.monotonic() - started
        self.context.metrics["state_seconds"] = self._state_seconds

    def close(self) -> None:
        """Write the state, so that the next process goes on from here, and log the last counts."""
        # A replay of Kapacitor's is neither asked for a snapshot nor given one: it must not touch the task's state.
        if self._state_file is not None and self._is_live and self._state_seconds < _MOST_CLOSING_S:
            started = time.monotonic()
            try:
                self._write_state(self._state_file, self._state(), started)
            except StateError as error:
                self.context.log(str(error))
        self.events.report()
        self._shadow.close()
