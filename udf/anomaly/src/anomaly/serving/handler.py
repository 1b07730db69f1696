"""The UDF's handler: Kapacitor's points in, results out.

The handler connects rooms that do the work. `kapacitor_udf` speaks the protocol and makes arrays of points,
`anomaly.windows.assembler` cuts them into windows of event time and closes these, and `anomaly.scoring.core` scores.
What the handler decides itself is when each of them is asked: rows when they arrive, and the clock a few times a
second.

Nothing that is not scored is silent. Late points go to the measurement `late`, where catch-up finds the windows that
they belong to; so do windows that may lack points which came while no process took any. Points from the future open a
notice, and so do values that are invalid, when they last. All of them are counted by reason in the measurement `udf`.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from threading import RLock

import numpy as np

from anomaly.locations import DEFAULT_MODELS, HAND_OVER_VARIABLE, MODELS_VARIABLE, STATE_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.nanoseconds import DAY_NS, SECOND_NS
from anomaly.pipeline import Pipeline, format_duration, parse
from anomaly.pipeline.state import most_series
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback_file import feedback_path
from anomaly.scoring.hand_over import HandOverFolder, moved_series
from anomaly.scoring.notices import Notice
from anomaly.scoring.packing import document, keys_as_arrays, keys_of, numbered, part_of, parts_of, prefixed, text
from anomaly.scoring.results import Result, ResultColumns, late_result, notice_result, series_tags
from anomaly.scoring.scorer import MOST_SERIES, series_name
from anomaly.scoring.state_file import StateError, StateFile, StateHeader
from anomaly.serving.clock_notices import ClockNotices
from anomaly.serving.closing_file import ClosingFile, Signs, sign
from anomaly.serving.feedback_watcher import FeedbackWatcher, calendars_path
from anomaly.serving.invalid_notices import InvalidNotices
from anomaly.serving.pace import Pace
from anomaly.serving.shadow import SUFFIX, Shadow
from anomaly.serving.snapshot import is_reference, pack, reference, unpack
from anomaly.serving.state_writer import StateWriter, Written
from anomaly.serving.takeover import Takeover
from anomaly.serving.watcher import ModelWatcher
from anomaly.serving.window_log import WindowLog
from anomaly.windows.arrays import DAMAGE, NEVER, AnyArray, Floats, Ints, Key, Times, groups
from anomaly.windows.assembler import Assembler, Closed, Settings, Taken
from anomaly.windows.cut import cut_of
from anomaly.windows.derivation import derivation_of
from anomaly.windows.validity import INVALID, validity_of
from anomaly.windows.windows import Windows
from kapacitor_udf import Context, Point, PointHead, PointSink, Rows, RowsHandler, SnapshotError

# Windows and silence are looked at this often by the clock: a small part of a window.
_LEAST_TICK, _MOST_TICK = 0.2, 1.0
_TICKS_A_WINDOW = 20
# The windows of this many series are scored at once. Kapacitor takes their results while the next ones are scored.
_CLOSING_AT_ONCE = 1_024
_SOON = 0.001
# How much older than its series' open window a point may be: what a catch-up looks at.
_CATCH_UP_NS = 7 * DAY_NS
_CATCH_UP_WINDOWS = 100
# A series of a replay has ended when no point came for this long, and at least for a window.
_LEAST_IDLE_NS = 5 * SECOND_NS
# The points of open windows may take this part of the pipeline's memory.
_POINTS_SHARE = 0.25
# The windows that were closed lately may take this part of it.
_LOG_SHARE = 1 / 32
_FORGET_EVERY = 60.0
# In seconds of a process; Kapacitor asks for the restore as soon as the process has answered.
_RESTORED_AFTER_S = 60.0
# A part of the state is of this many series: making it takes some milliseconds.
_SERIES_AT_ONCE = 64
# A state that takes longer is not written when the process ends, which must not take a second.
_MOST_CLOSING_S = 0.4
# Results are with Kapacitor when their windows are noted as closed.
_HANDED_ON_S = 1.0
# About how much of a state is written in a second.
_BYTES_A_SECOND = 100_000_000
# The parts of a state.
_WINDOWS, _CORE, _FORGOTTEN, _ARRIVED = "windows_", "core_", "forgotten_", "arrived"
# The measurements whose points are written as columns.
_COLUMNS = ("score", f"score{SUFFIX}", "drift")


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
        self.most_groups = min(max(most_series(pipeline), 1), MOST_SERIES)
        super().__init__(context, fields=pipeline.sources, tags=pipeline.point_tags, measurements=pipeline.measurements)
        window_s = pipeline.window_ns / SECOND_NS
        self._tick_seconds = min(max(window_s / _TICKS_A_WINDOW, _LEAST_TICK), _MOST_TICK)
        self.tick_seconds = self._tick_seconds
        # Whether windows are due that the last look left to the next one.
        self._has_more = False
        self._now_ns = now_ns
        # The assembler's clock when we began to listen. It stands still while nobody listens, and so must silence.
        self._listening_ns: int | None = None
        store = Store(os.environ.get(MODELS_VARIABLE) or DEFAULT_MODELS, pipeline.name)
        self._watcher = ModelWatcher(store, pipeline, context.log, clock)
        self.events = EventCounter(f"pipeline {pipeline.name}", context.log, clock)
        self._assembler = Assembler(
            Settings(
                window_ns=pipeline.window_ns,
                lateness_ns=pipeline.lateness_ns,
                future_ns=pipeline.future_ns,
                fields=len(pipeline.sources),
                aggregates=pipeline.aggregate,
                idle_ns=max(pipeline.window_ns + pipeline.lateness_ns, _LEAST_IDLE_NS),
                oldest_ns=max(_CATCH_UP_NS, _CATCH_UP_WINDOWS * pipeline.window_ns),
                points_bytes=int(_POINTS_SHARE * pipeline.memory_bytes),
                derivation=derivation_of(pipeline),
                fill_ns=pipeline.fill.bound_ns,
                series_at_once=_CLOSING_AT_ONCE,
                zone=pipeline.windows_zone,
            )
        )
        # The keys of groups by number, and what the points of a measurement have in common, by measurement and key.
        self._keys: dict[int, Key] = {}
        self._heads: dict[tuple[str, Key], PointHead] = {}
        # What this call has emitted; after one that raised, what the next one has to emit again.
        self._emitted: list[Result | ResultColumns] = []
        # The windows that this call has closed and not scored yet; the numbers of series and the begins of windows of
        # calls that raised.
        self._closing: Closed | None = None
        self._interrupted: list[tuple[Ints, Times]] = []
        # The clock at the arrival of each series' last point.
        self._arrived = self.groups.state((), np.int64, NEVER)
        folder = os.environ.get(STATE_VARIABLE)
        self._state_file = StateFile(folder, pipeline.name) if folder else None
        self._closing_file = ClosingFile(folder, pipeline.name) if folder else None
        # What stands for each series in that file; 0 until it is needed.
        self._signs = self.groups.state((), np.uint64, 0)
        # The windows that were closed and are not in that file yet: when they were, their series, signs and ends.
        self._unnoted: deque[tuple[float, Ints, Signs, Times]] = deque()
        # The windows of the restored state that the last process has scored from all of their points.
        self._passed_over: list[tuple[int, int]] = []
        # Held while the state changes.
        self._lock = RLock()
        self._state_writer = None if self._state_file is None else StateWriter(self._state_file, self._lock)
        if self._state_file is not None:
            # Points may have come before, to another process or to nobody: the first windows may lack them.
            self._assembler.resume()
        # Whether this process is the task's own, whether its last state could not be written, and how long it took.
        self._is_live = False
        self._has_failed = False
        self._state_seconds = 0.0
        self._clock = clock
        # A restore that has not come by then does not come.
        self._restored_by = clock() + _RESTORED_AFTER_S
        # Parts of a state to go on from that Kapacitor did not restore; None: there are none.
        self._moved: Iterator[Mapping[str, AnyArray]] | None = None
        # Series of the model that were forgotten, so that their silence is not told again.
        self._forgotten: set[Key] = set()
        self._core = ScoringCore(pipeline, self.events)
        hand_overs = os.environ.get(HAND_OVER_VARIABLE)
        hand_over_folder = None if hand_overs is None else HandOverFolder(hand_overs, pipeline.name)
        self._takeover = Takeover(pipeline, hand_over_folder, self.events, self._now_ns())
        self._log = WindowLog(int(_LOG_SHARE * pipeline.memory_bytes))
        self._clock_notices = ClockNotices(pipeline)
        self._validity = validity_of(pipeline)
        self._invalid_notices = None if self._validity is None else InvalidNotices(pipeline, self._validity)
        self._feedback = FeedbackWatcher(
            feedback_path(store.models, pipeline.name), pipeline, context.log, clock, calendars_path(pipeline.name)
        )
        self._shadow = Shadow(store, pipeline, context.log, clock)
        self._dimensions = tuple(sorted((*pipeline.result_tags, "pipeline")))
        # How many series may be silent, as of the last look.
        self._quiet_series = 0
        self._silence_pace = Pace(max(window_s / 4, self._tick_seconds), clock)
        self._forget_pace = Pace(_FORGET_EVERY, clock)

    def rows(self, rows: Rows, out: PointSink) -> None:
        """Put points into their windows, and score the windows that they close."""
        with self._lock, self._step(out):
            try:
                self._take(rows, out)
            except BaseException:
                # The library tries several rows again one by one.
                if len(rows) == 1:
                    self._interrupted.append((rows.groups.copy(), cut_of(self._pipeline).begin(rows.times)))
                raise

    @contextmanager
    def _step(self, out: PointSink) -> Iterator[None]:
        """Lose nothing when a call raises: the library takes back what it has emitted, and the next call emits it.

        That one also names the windows that the call has closed, and those of points that it did not take: a catch-up
        scores them from what is stored.
        """
        again, self._emitted = self._emitted, []
        try:
            for result in again:
                self._emit(result, out)
            if self._interrupted and self._watcher.current is not None:
                self._tell_interrupted(out)
            yield
        except BaseException:
            self._emitted += again[len(self._emitted) :]
            if self._closing is not None:
                self._interrupted.append((self._closing.number, self._closing.begin_ns))
                self._closing = None
            raise
        self._emitted = []

    def _tell_interrupted(self, out: PointSink) -> None:
        """Name the windows of calls that raised."""
        now_ns = self._now_ns()
        for numbers, begins_ns in self._interrupted:
            self.events.add("interrupted windows", len(numbers), "scoring raised an error: a catch-up scores them")
            for number, begin_ns in zip(numbers.tolist(), begins_ns.tolist(), strict=True):
                self._emit_late(self._key(number), begin_ns, 0, now_ns, out)
        # What is emitted is kept from here on.
        self._interrupted = []

    def _take(self, rows: Rows, out: PointSink) -> None:
        now_ns = self._now_ns()
        # Whatever follows from these points has one model, the current one.
        self._watcher.model()
        new = self._arrived.values[rows.groups] == NEVER
        for number in np.unique(rows.groups[new]).tolist():
            self._key(number)
        self.events.add("values that are not numbers", int(rows.unusable.sum()))
        self._arrived.values[rows.groups] = now_ns
        values = self._measurements(rows, now_ns, out)
        taken = self._assembler.add(rows.groups, rows.times, values, rows.identities, now_ns)
        self._tell_ahead(rows, now_ns, out)
        self._tell_refused(taken, now_ns, out)
        self._tell_torn(*taken.torn, now_ns, out)
        self._close_windows(now_ns, out)

    def tick(self, out: PointSink) -> None:
        """Do what the clock asks for, and put the model's version and the counts of events into the UDF's metrics."""
        with self._lock, self._step(out):
            self._look(out)
        self._tell_written()

    def _look(self, out: PointSink) -> None:
        now_ns = self._now_ns()
        self._feedback.feedback()
        self._shadow.refresh()
        model = self._watcher.model()
        if model is not None:
            self._tell_passed_over(now_ns, out)
        self._close_windows(now_ns, out)
        if self._is_live and model is not None and not self._has_more:
            self._take_over(model, now_ns, out)
        self._note_closings(self._clock() - _HANDED_ON_S)
        # A series whose windows are still to be scored is not silent.
        if not self._has_more and self._is_silence_due():
            for result in self._silent(model, now_ns):
                self._emit(result, out)
        for key, notice in self._clock_notices.look(now_ns):
            self._emit(notice_result(self._pipeline, key, notice), out)
        if self._forget_pace.due():
            self._forget_quiet(now_ns, out)
        if model is not None:
            self.context.metrics["model"] = model.version
            if model.trained_until is not None:
                self.context.metrics["model_age_s"] = (now_ns - _trained_until_ns(model.trained_until)) // SECOND_NS
        self.context.metrics["open_points"] = self._assembler.open_points
        self.context.metrics.update({_metric(name): count for name, count in self.events.counts.items()})

    def _close_windows(self, now_ns: int, out: PointSink) -> None:
        """Score the windows whose time has come, or a part of them; a tick that follows soon scores the others."""
        if not self._assembler.is_due(now_ns):
            self._note_more(False)
            return
        closed = self._assembler.close(now_ns)
        self._note_more(len(closed) > 0 and self._assembler.is_due(now_ns))
        if not len(closed):
            return
        early = int(closed.early.sum())
        self.events.add("early windows", early, "the points of open windows need more than a quarter of `memory`")
        self.events.add("replaced points", closed.replaced)
        self._closing = closed
        self._log.add(closed, now_ns)
        if self._is_live and self._closing_file is not None:
            signs, ends_ns = self._signs_of(closed.number), cut_of(self._pipeline).after(closed.begin_ns)
            self._unnoted.append((self._clock(), closed.number, signs, ends_ns))
        feedback, windows = self._feedback.feedback(), self._windows(closed)
        self._forgotten.difference_update(windows.keys)
        for result in self._core.feed_together(self._watcher.current, windows, feedback, now_ns):
            self._emit(result, out)
        self._tell_torn(closed.number[closed.torn], closed.begin_ns[closed.torn], now_ns, out)
        self._closing = None
        for result in self._shadow.feed(windows, feedback):
            self._emit(result, out)

    def _note_closings(self, until: float) -> None:
        """Write down up to where windows are closed whose results were handed on by this time of the pacing clock."""
        while self._closing_file is not None and self._unnoted and self._unnoted[0][0] <= until:
            _, _, signs, ends_ns = self._unnoted.popleft()
            try:
                if self._closing_file.is_long(len(self._keys)):
                    self._closing_file.rewrite(*self._noted())
                else:
                    self._closing_file.append(signs, ends_ns)
            except OSError as error:
                self._closing_file.end()
                reason = f"{self._closing_file.path} cannot be written ({error.strerror}): a kill may tell alerts twice"
                self.events.add("closings that were not noted", len(signs), reason)

    def _noted(self) -> tuple[Signs, Times]:
        """Return what stands for each series, shape (n,), and up to where its windows are closed and handed on."""
        numbers = np.fromiter(self._keys, np.intp, len(self._keys))
        ends_ns = np.full(len(self._signs.values), NEVER)
        ends_ns[numbers] = self._assembler.closed(numbers)
        for _, later, _, later_ns in self._unnoted:
            # The time before the end of a window is in it.
            np.minimum.at(ends_ns, later, cut_of(self._pipeline).begin(later_ns - 1))
        return self._signs_of(numbers), ends_ns[numbers]

    def _signs_of(self, numbers: Ints) -> Signs:
        """Return what stands for series in the file of closings, shape (n,)."""
        signs = self._signs.values
        for number in numbers[signs[numbers] == 0].tolist():
            signs[number] = sign(self._key(number))
        return signs[numbers]

    def _pass_over(self, now_ns: int) -> None:
        """Leave out the windows that the last process has closed after it wrote the state."""
        if self._closing_file is None or not self._keys:
            return
        numbers = np.fromiter(self._keys, np.intp, len(self._keys))
        ends_ns = self._closing_file.read(self._signs_of(numbers).tolist(), now_ns + self._pipeline.future_ns)
        is_newer = ends_ns > self._assembler.closed(numbers)
        left, begins = self._assembler.pass_over(numbers[is_newer], ends_ns[is_newer])
        self._passed_over = list(zip(left.tolist(), begins.tolist(), strict=True))

    def _tell_passed_over(self, now_ns: int, out: PointSink) -> None:
        """Name the windows that were left out, so that a catch-up corrects what followed from them, such as periods."""
        for number, begin_ns in self._passed_over:
            if number in self._keys:
                self._emit_late(self._keys[number], begin_ns, 0, now_ns, out)
        self._passed_over = []

    def _note_more(self, has_more: bool) -> None:
        """Take note of whether windows are due that the next look is to score."""
        if has_more == self._has_more:
            return
        self._has_more, self.tick_seconds = has_more, _SOON if has_more else self._tick_seconds
        if self._state_writer is not None and has_more:
            self._state_writer.may_go_on.clear()
        elif self._state_writer is not None:
            self._state_writer.may_go_on.set()

    def _take_over(self, model: Model, now_ns: int, out: PointSink) -> None:
        """Take the next part of a state that another process left, or that a catch-up has handed over."""
        if self._moved is None:
            handed = self._takeover.next_part(self._header())
        elif (part := next(self._moved, None)) is None:
            self._moved, handed = None, None
        else:
            handed = moved_series(self._pipeline, part_of(part, _CORE))
            if _ARRIVED in part:
                self._take_over_series(part)
        if handed is None:
            return
        known = {key: number for number, key in self._keys.items()}
        numbers = np.array([known.get(key, -1) for key in handed.keys], dtype=np.intp)
        feedback = self._feedback.feedback()
        for result in self._takeover.take(self._core, model, feedback, handed, numbers, self._log, now_ns):
            self._emit(result, out)

    def _take_over_series(self, part: Mapping[str, AnyArray]) -> None:
        """Take over which series another process has had; its open windows are left to a catch-up."""
        keys = keys_of(part)
        if not keys:
            return
        numbers = np.array([self.groups.number(key) for key in keys], dtype=np.intp)
        self._keys.update(zip(numbers.tolist(), keys, strict=True))
        self._arrived.values[numbers] = np.maximum(self._arrived.values[numbers], part[_ARRIVED])
        self._forgotten.update(set(keys_of(part_of(part, _FORGOTTEN))).difference(self._keys.values()))

    def _tell_torn(self, numbers: Ints, begins_ns: Times, now_ns: int, out: PointSink) -> None:
        """Write down which windows may lack points, so that a catch-up scores them again from what is stored."""
        # What no model scores is history, which a catch-up leaves alone.
        if self._watcher.current is None or not len(numbers):
            return
        self.events.add("torn windows", len(numbers))
        for number, begin_ns in zip(numbers.tolist(), begins_ns.tolist(), strict=True):
            self._emit_late(self._key(number), begin_ns, 0, now_ns, out)

    def _emit_late(self, key: Key, begin_ns: int, points: int, now_ns: int, out: PointSink) -> None:
        """Write down a window that a catch-up is to score again, and how many of its points were late."""
        self._emit(late_result(self._pipeline, key, begin_ns, points, now_ns), out)

    def _windows(self, closed: Closed) -> Windows:
        """Return the closed windows with their series' keys."""
        numbers, series = np.unique(closed.number, return_inverse=True)
        keys = tuple(map(self._key, numbers.tolist()))
        return Windows(keys, series, closed.begin_ns, closed.values, closed.counts)

    def _key(self, number: int) -> Key:
        """Return the key of a group; the library decodes it each time."""
        key = self._keys.get(number)
        if key is None:
            key = self._keys[number] = self.groups.key(number)
        return key

    def _measurements(self, rows: Rows, now_ns: int, out: PointSink) -> Floats:
        """Return the values of points, shape (n, k), with INVALID for those that are invalid, which are told.

        Points that are too far ahead of the clock are refused, so their values are not looked at.
        """
        validity, notices = self._validity, self._invalid_notices
        if validity is None or notices is None:
            return rows.values
        values = rows.values.copy()
        likely = np.flatnonzero(rows.times <= now_ns + self._pipeline.future_ns)
        for part in groups(rows.groups[likely]):
            places = likely[part]
            key = self._key(int(rows.groups[places[0]]))
            beyond = validity.beyond(key, values[places])
            if beyond.any():
                has_any = beyond.any(axis=1)
                examples = {
                    place: float(values[places[beyond[:, place]], place][-1])
                    for place in np.flatnonzero(beyond.any(axis=0)).tolist()
                }
                self.events.add(
                    "invalid values", int(beyond.sum()), f"{series_name(key)}: {validity.described(key, examples)}"
                )
                opened = notices.take(key, rows.times[places[has_any]], examples)
                if opened is not None:
                    self._emit_invalid(key, opened, now_ns, out)
                values[places] = np.where(beyond, INVALID, values[places])
            closed = notices.pass_by(key, int(rows.times[places].max()))
            if closed is not None:
                self._emit_invalid(key, closed, now_ns, out)
        return values

    def _emit_invalid(self, key: Key, notice: Notice, now_ns: int, out: PointSink) -> None:
        """Write a notice of values that are invalid; an old one is history, which alerts nobody."""
        result = notice_result(self._pipeline, key, notice)
        if notice.end_ns < now_ns - self._pipeline.alerts.age_ns:
            result.fields["history"] = True
        self._emit(result, out)

    def _tell_ahead(self, rows: Rows, now_ns: int, out: PointSink) -> None:
        """Open notices of points that are ahead of the clock."""
        ahead = np.flatnonzero(rows.times > now_ns + self._clock_notices.least_ahead_ns)
        for part in groups(rows.groups[ahead]):
            times_ns = rows.times[ahead[part]]
            key = self._key(int(rows.groups[ahead[part[0]]]))
            notice = self._clock_notices.ahead(key, len(times_ns), int(times_ns.max()), now_ns)
            if notice is not None:
                self._emit(notice_result(self._pipeline, key, notice), out)

    def _tell_refused(self, taken: Taken, now_ns: int, out: PointSink) -> None:
        """Count the points that were not taken, and write down which windows late ones belong to."""
        late = taken.late
        self.events.add("future points", len(taken.future))
        if len(taken.too_old):
            name = series_name(self.groups.key(int(taken.too_old.number[0])))
            reach = format_duration(self._assembler.settings.oldest_ns)
            self.events.add("too old points", len(taken.too_old), f"a point of {name} is more than {reach} late")
        self.events.add("late points", len(late))
        for number, begin_ns, points in zip(
            late.number.tolist(), late.begin_ns.tolist(), late.points.tolist(), strict=True
        ):
            self._emit_late(self.groups.key(number), begin_ns, points, now_ns, out)

    def _is_silence_due(self) -> bool:
        """Return whether to look at what is silent: now and then, and at once when a series may have become silent."""
        quiet = self._assembler.quiet(self._pipeline.periods.silence_ns)
        is_more, self._quiet_series = quiet > self._quiet_series, quiet
        return self._silence_pace.due() or is_more

    def _silent(self, model: Model | None, now_ns: int) -> Iterator[Result]:
        """Yield what is to tell of live series without windows."""
        clock_ns = self._assembler.clock_ns
        if model is None or clock_ns is None:
            # What came while nothing could be scored was not silent.
            self._listening_ns = None
            return
        if self._listening_ns is None:
            self._listening_ns = clock_ns
        keys, watermarks, quiet_ns = self._watermarks(model, now_ns, clock_ns)
        yield from self._core.silent(
            model, keys, watermarks, self._feedback.feedback(), listening_ns=self._listening_ns, quiet_ns=quiet_ns
        )

    def _watermarks(self, model: Model, now_ns: int, clock_ns: int) -> tuple[list[Key], Times, Times]:
        """Return the n live series, and up to when all of their windows are known, and are empty, shape (n,) each.

        Series of the model that have not come yet are among them.
        """
        lateness_ns = self._pipeline.lateness_ns
        numbers = np.fromiter(self._keys, np.intp, len(self._keys))
        watermarks, live = self._assembler.watermarks() - lateness_ns, self._assembler.live()
        # Where points may be later than a silence lasts, the last ones of other series are not known when the first is.
        quiet_ns = self._assembler.quiet_until() if lateness_ns <= self._pipeline.periods.silence_ns else watermarks
        numbers = numbers[numbers < len(live)]
        numbers = numbers[live[numbers]]
        # A series all of whose windows lack something is not silent.
        numbers = numbers[self._core.have_scored([self._keys[number] for number in numbers.tolist()])]
        keys = [self._keys[number] for number in numbers.tolist()]
        missing: list[Key] = []
        if self._is_recent(model, now_ns):
            came = set(self._keys.values())
            missing = [key for key in model.scaling.keys if key not in self._forgotten and key not in came]
        known_ns = np.full(len(missing), clock_ns - lateness_ns, dtype=np.int64)
        return (
            [*missing, *keys],
            np.concatenate([known_ns, watermarks[numbers]]),
            np.concatenate([known_ns, quiet_ns[numbers]]),
        )

    def _is_recent(self, model: Model, now_ns: int) -> bool:
        """Return whether the series of a model's history can be expected to be live."""
        if model.trained_until is None:
            return False
        return now_ns - _trained_until_ns(model.trained_until) < self._pipeline.forget_ns

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
        most = self.most_groups
        bound = f"`memory` is enough for {most} series" if most < MOST_SERIES else f"a pipeline has up to {most} series"
        self.events.add(
            "evicted series",
            len(numbers),
            f"{bound}: those without a point for longest are forgotten, such as "
            f"{series_name(self.groups.key(int(numbers[0])))}",
        )
        with self._lock, self._step(out):
            self._forget(numbers, out)

    def _forget(self, numbers: Ints, out: PointSink) -> None:
        model = self._watcher.current
        self._assembler.forget(numbers)
        self._log.forget(numbers)
        for number in numbers.tolist():
            key = self.groups.key(number)
            self._keys.pop(number, None)
            for name in _COLUMNS:
                self._heads.pop((name, key), None)
            for result in self._core.forget(key, model):
                self._emit(result, out)
            self._shadow.forget(key)
            invalid = None if self._invalid_notices is None else self._invalid_notices.forget(key)
            for notice in (self._clock_notices.forget(key), invalid):
                if notice is not None:
                    self._emit(notice_result(self._pipeline, key, notice), out)
            if model is not None and model.knows(key):
                self._forgotten.add(key)

    def _emit(self, result: Result | ResultColumns, out: PointSink) -> None:
        self._emitted.append(result)
        if isinstance(result, ResultColumns):
            heads = [self._head(result.measurement, key) for key in result.keys]
            out.rows([heads[number] for number in result.series.tolist()], result.times_ns, result.fields)
            return
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

    def _head(self, measurement: str, key: Key) -> PointHead:
        """Return what the points of a series have in common in a measurement."""
        head = self._heads.get((measurement, key))
        if head is None:
            head = PointHead(measurement, series_tags(self._pipeline, key), self._dimensions)
            self._heads[measurement, key] = head
        return head

    def snapshot_key(self) -> str:
        """Name the pipeline and its rules: state fits these, whichever model scores."""
        return StateHeader.of(self._pipeline, self._core.rules, None, self._now_ns()).made_for

    def snapshot(self) -> bytes:
        """Return the open windows, periods, followers and drift of all series, or a reference to the file of them."""
        if not len(self.groups) and not self._may_replace_file():
            return b""
        if self._state_writer is None or self._state_file is None:
            return self._packed()
        if not self._is_live:
            self._begin_live(self._state_file)
        if self._moved is not None:
            # The file stays until all of it is taken over.
            return b""
        # A file that is there is written without a series too: the one before was refused, or its series forgotten.
        header = self._header()
        if len(self.groups) > _SERIES_AT_ONCE:
            # What cannot be written is kept by Kapacitor; the next try tells whether that is over.
            packed = self._packed() if self._has_failed else None
            self._state_writer.begin(header, self._parts())
            return reference(self._state_file.path) if packed is None else packed
        try:
            self._note_written(self._state_writer.write(header, self._parts()))
        except StateError as error:
            self._note_written(error)
            return self._packed()
        return reference(self._state_file.path)

    def _may_replace_file(self) -> bool:
        """Return whether a process that knows no series may write it over the file that is there.

        Kapacitor may ask a process that has just started for a snapshot before it restores the last one.
        """
        if self._state_file is None or not self._state_file.path.exists():
            return False
        was_asked = self._is_live or self.context.counters.restores_refused > 0
        return was_asked or self._clock() >= self._restored_by

    def _begin_live(self, file: StateFile) -> None:
        """Go on from a state that Kapacitor did not restore, such as one of another host.

        Only now is it known that this process is the task's own, and not a replay of Kapacitor's. What the process has
        scored by now is added to what it takes over.
        """
        self._is_live = True
        if self.context.counters.restores_refused:
            # The file is what was refused.
            return
        try:
            stored = file.read(self._header())
        except StateError as error:
            self.context.log(str(error))
            return
        if stored is None:
            return
        header, arrays = stored
        if len(self.groups):
            self._moved = parts_of(arrays)
        else:
            # Nothing has come that could be added.
            try:
                self._restore(arrays)
            except DAMAGE as error:
                self.context.log(f"the state {file.path} does not fit ({error!r}): the file is replaced")
                return
        taken = datetime.fromtimestamp(header.written_ns / SECOND_NS, UTC)
        self.context.log(
            f"pipeline {self._pipeline.name}: Kapacitor restores nothing: takes over the state of "
            f"{taken:%Y-%m-%dT%H:%M:%SZ}"
        )

    def _tell_written(self) -> None:
        """Take note of the states that were written beside the scoring."""
        for outcome in [] if self._state_writer is None else self._state_writer.outcomes():
            self._note_written(outcome)

    def _note_written(self, outcome: Written | StateError) -> None:
        self._has_failed = isinstance(outcome, StateError)
        if isinstance(outcome, StateError):
            self.events.add("states that were not written", 1, str(outcome))
            return
        self._state_seconds = outcome.seconds
        self.context.metrics["state_bytes"] = outcome.size
        self.context.metrics["state_seconds"] = outcome.seconds

    def restore(self, data: bytes) -> None:
        """Go on where `snapshot` was taken.

        Args:
            data: what `snapshot` returned.

        Raises:
            SnapshotError: there is no state that can be used. Nothing has changed then, and the library tells it once.
            Exception: a part of the state does not fit; the library then starts with a new handler.
        """
        self._is_live, self._moved = True, None
        # Points came while there was no process, also where its state is gone.
        self._assembler.resume()
        if not is_reference(data):
            self._restore(unpack(data))
            return
        if self._state_file is None:
            raise SnapshotError(f"the snapshot refers to a file of the state, and {STATE_VARIABLE} names no folder")
        try:
            stored = self._state_file.read(self._header())
        except StateError as error:
            raise SnapshotError(str(error)) from error
        if stored is None:
            raise SnapshotError(f"the file of the state, {self._state_file.path}, is not there")
        header, arrays = stored
        self._restore(arrays)
        taken = datetime.fromtimestamp(header.written_ns / SECOND_NS, UTC)
        self.context.log(f"pipeline {self._pipeline.name}: goes on from the state of {taken:%Y-%m-%dT%H:%M:%SZ}")

    def _packed(self) -> bytes:
        """Return the whole state as a snapshot."""
        return pack({name: array for part in self._parts() for name, array in part.items()})

    def _parts(self) -> Iterator[dict[str, AnyArray]]:
        """Return what is remembered of all series, in parts. Series may go on between two of them.

        The open windows come last: a window that closes while the parts are made is not scored again after a restart.
        """
        scoring = (prefixed(_CORE, part) for part in self._core.state_parts(_SERIES_AT_ONCE))
        return numbered(chain(scoring, (self._windows_state() for _ in range(1))))

    def _windows_state(self) -> dict[str, AnyArray]:
        """Return what is remembered of all series but for what scoring remembers."""
        numbers = np.array(list(self._keys), dtype=np.intp)
        # Where there is no room for all of them after a restart, the last ones stay.
        numbers = numbers[np.argsort(self._arrived.values[numbers], kind="stable")]
        return {
            **keys_as_arrays([self._keys[number] for number in numbers.tolist()]),
            _ARRIVED: self._arrived.values[numbers],
            "clock": text(self._clock_notices.state()),
            **({} if self._invalid_notices is None else {"invalid": text(self._invalid_notices.state())}),
            **prefixed(_FORGOTTEN, keys_as_arrays(sorted(self._forgotten))),
            **prefixed(_WINDOWS, self._assembler.state(numbers)),
        }

    def _restore(self, state: Mapping[str, AnyArray]) -> None:
        model = self._watcher.model()
        if model is not None:
            # Else what followers remember is in memory twice until a model is there.
            self._core.scorer.prepare(model)
        for part in parts_of(state):
            scoring = part_of(part, _CORE)
            if scoring:
                self._core.restore_part(scoring)
            else:
                self._restore_windows(part)
        self._pass_over(self._now_ns())

    def _restore_windows(self, part: Mapping[str, AnyArray]) -> None:
        keys = keys_of(part)
        numbers = np.array([self.groups.number(key) for key in keys], dtype=np.intp)
        self._keys.update(zip(numbers.tolist(), keys, strict=True))
        self._arrived.values[numbers] = part[_ARRIVED]
        self._assembler.restore(part_of(part, _WINDOWS))
        self._listening_ns = self._assembler.clock_ns
        self._clock_notices.restore(document(part["clock"]))
        if self._invalid_notices is not None:
            self._invalid_notices.restore(document(part["invalid"]))
        self._forgotten = set(keys_of(part_of(part, _FORGOTTEN)))

    def _header(self) -> StateHeader:
        model = self._watcher.current
        version = None if model is None else model.version
        return StateHeader.of(self._pipeline, self._core.rules, version, self._now_ns())

    @property
    def _closing_seconds(self) -> float:
        """About how long it takes to write the state; a large one that this process has not written by its file."""
        if self._state_seconds or len(self.groups) <= _SERIES_AT_ONCE or self._state_file is None:
            return self._state_seconds
        try:
            return self._state_file.path.stat().st_size / _BYTES_A_SECOND
        except OSError:
            return _MOST_CLOSING_S

    def close(self) -> None:
        """Write the state, so that the next process goes on from here, and log the last counts."""
        if self._state_writer is not None:
            self._state_writer.stop()
            self._tell_written()
        self._note_closings(self._clock())
        if self._closing_file is not None:
            self._closing_file.end()
        # A replay of Kapacitor's is neither asked for a snapshot nor given one: it must not touch the task's state.
        may_write = self._is_live and self._moved is None
        if self._state_writer is not None and may_write and self._closing_seconds < _MOST_CLOSING_S:
            try:
                self._state_writer.write(self._header(), self._parts())
            except StateError as error:
                self.context.log(str(error))
        self.events.report()
        self._shadow.close()


def _metric(event: str) -> str:
    """Return the name of the field that counts an event in the measurement `udf`."""
    return event.replace(" ", "_").replace("-", "_")


def _trained_until_ns(time: str) -> int:
    """Return the end of a model's history, to the second, in nanoseconds since 1970."""
    return int(datetime.fromisoformat(time).timestamp()) * SECOND_NS
