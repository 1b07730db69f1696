"""The handling side: units of work become calls of the handler and frames for Kapacitor. No I/O, no threads.

`steps(units)` does the work one step at a time and yields after each, so that whoever drives it can send what there is
whenever it likes. A step is the smallest thing that can fail: one point, one micro-batch, one batch, one question. If
the handler raises, what it emitted in that step is taken back, the step is counted and explained, and the next step
begins. Every question is answered, whatever happens.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import _metrics, _snapshots, _wire
from ._counters import Counters
from ._data import BATCH, STREAM, Point
from ._declaration import UDF
from ._errors import InitError, MalformedError, Rejected, SnapshotError
from ._framing import Run
from ._handlers import BatchHandler, BatchSink, Context, FieldsHandler, Handler, PointSink, StreamHandler
from ._life import Life, Said, State
from ._log import Log, place
from ._loops import compiled, split
from ._receiver import RawBatch, Request, Unit, Unusable
from ._rows import Rows

# Points that make a micro-batch full: bounds what one exception makes to be done again.
MICRO_BATCH = 4096


class Worker:
    """One UDF's work, from Init to the end.

    `on_error`, if given, gets every exception of the handler before it is counted (the test harness raises it there).
    """

    def __init__(
        self,
        udf: UDF,
        counters: Counters,
        log: Log,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.udf = udf
        self.counters = counters
        self.log = log
        self.life = Life()
        self.init_error: str | None = None
        self.sink: PointSink | BatchSink = PointSink(counters) if udf.provides is STREAM else BatchSink(counters)
        self._on_error = on_error
        self._handler: Any = None
        self._factory: Callable[..., Any] | None = None
        self._context: Context | None = None

    @property
    def tick_seconds(self) -> float | None:
        """How often the handler wants `tick` to be called, if it does."""
        return getattr(self._handler, "tick_seconds", None) if self.life.state is State.RUNNING else None

    def steps(self, units: Iterable[Unit]) -> Iterator[None]:
        """Handle units in order, yielding after each step."""
        runs: list[Run] = []
        count = 0
        for unit in units:
            if isinstance(unit, Run):
                runs.append(unit)
                count += unit.count
                if count >= MICRO_BATCH:
                    yield from self._points(runs, count)
                    runs, count = [], 0
                continue
            if runs:
                yield from self._points(runs, count)
                runs, count = [], 0
            if isinstance(unit, RawBatch):
                self._batch(unit)
            elif isinstance(unit, Request):
                self._request(unit)
            else:
                self._unusable(unit)
            yield
        if runs:
            yield from self._points(runs, count)

    def tick(self) -> None:
        """Let the handler do what it does from time to time."""
        if self.life.state is State.RUNNING:
            self.counters.ticks += 1
            self._guarded(self._handler.tick, None, "tick")

    def metrics(self) -> bytes:
        """Frames with the UDF's own numbers, if it runs and has declared them. May be called from another thread."""
        context = self._context
        if self.udf.metrics is None or context is None or self.life.state is not State.RUNNING:
            return b""
        try:
            return _metrics.frames(self.udf, self.udf.metrics, context)
        except (TypeError, ValueError) as error:  # of what the handler has put in
            why = str(error)
            self.log.explain("metrics", lambda: f"the metrics cannot be sent: {why}")
            return b""

    def close(self) -> None:
        """The end of input: nothing is said any more."""
        if self.life.state is State.CLOSED:
            return
        self.life.says(Said.NOTHING_MORE)
        if self._handler is not None:
            try:
                self._handler.close()
            except BaseException as error:  # whatever the handler raises, the process ends in order
                self._failed(error, "close")

    # Data

    def _points(self, runs: list[Run], count: int) -> Iterator[None]:
        if not self._takes(STREAM, count):
            return
        if isinstance(self._handler, FieldsHandler):
            yield from self._rows(self._handler, Run(b"".join(run.frames for run in runs), count))
            return
        messages = [message for run in runs for message in split(run.frames)]
        points = []
        for message in messages:
            point = self._decoded(message)
            if point is not None:
                points.append(point)
        self.counters.points_in += len(points)
        self.life.says(Said.DATA)
        handler = self._handler
        if type(handler).points is not StreamHandler.points and points:
            if self._guarded(handler.points, points, "points", counted=len(points) == 1):
                yield
                return
            if len(points) == 1:
                yield
                return
            # The handler may have changed the objects before it raised.
            points = [point for message in messages if (point := self._decoded(message, again=True)) is not None]
        for point in points:
            self._guarded(handler.point, point, "point")
            yield

    def _rows(self, handler: FieldsHandler, run: Run) -> Iterator[None]:
        rows, refused = handler.codec.decode(run.frames, run.count)
        for error in refused:
            if isinstance(error, MalformedError):
                self._undecodable(error)
            else:
                self.counters.points_in += 1
                self._failed(error, "add_fields")
        self.counters.points_in += len(rows)
        self.life.says(Said.DATA)
        if len(rows) and not self._guarded(self._add_fields, rows, "add_fields", counted=len(rows) == 1):
            for row in handler.codec.again(rows) if len(rows) > 1 else ():
                self._guarded(self._add_fields, row, "add_fields")
                yield
        handler.groups.used(rows.groups)
        yield

    def _add_fields(self, rows: Rows, sink: PointSink) -> None:
        codec = self._handler.codec
        encoded = codec.encode(rows, self._handler.add_fields(rows))
        for rejected in rows.rejected:
            self._failed(rejected, "add_fields")
        sink.add(encoded.frames)
        self.counters.points_out += encoded.points
        self.counters.dropped_fields += encoded.dropped_fields
        self.counters.dropped_points += encoded.dropped_points

    def _batch(self, raw: RawBatch) -> None:
        if not self._takes(BATCH, 1):
            return
        try:
            messages = (message for run in raw.points for message in split(run.frames))
            points = [point for message in messages if (point := self._decoded(message)) is not None]
            batch = _wire.decode_batch(raw.begin, points, raw.end)
        except MalformedError as error:
            self._undecodable(error)
            return
        self.counters.batches_in += 1
        self.counters.points_in += len(points)
        self.life.says(Said.DATA)
        self._guarded(self._handler.batch, batch, "batch")

    def _takes(self, edge: object, number: int) -> bool:
        if self.life.state is State.RUNNING and self.udf.wants is edge:
            return True
        self.counters.unexpected += number
        if self.life.state is State.RUNNING:
            what, other = ("points", "batches") if edge is STREAM else ("batches", "points")
            self.log.explain("unexpected data", lambda: f"got {what}, but this UDF wants {other}: dropped")
        return False

    def _decoded(self, message: bytes, again: bool = False) -> Point | None:
        try:
            return _wire.decode_point(message)
        except MalformedError as error:
            if not again:
                self._undecodable(error)
            return None

    def _undecodable(self, error: MalformedError) -> None:
        self.counters.undecodable += 1
        self.log.explain("undecodable", lambda: f"dropped: {error}")

    def _guarded(self, call: Callable[..., None], argument: Any, what: str, counted: bool = True) -> bool:
        """Call the handler. Whether it went well; if not, nothing that it emitted remains."""
        self.sink.mark()
        try:
            if argument is None:
                call(self.sink)
            else:
                call(argument, self.sink)
        except BaseException as error:  # sys.exit() in a handler must not end a task either
            self.sink.rewind()
            self._failed(error, what, counted)
            return False
        return True

    def _failed(self, error: BaseException, what: str, counted: bool = True) -> None:
        if isinstance(error, Rejected):
            if counted:
                self.counters.reject(error.reason)
                self.log.explain(f"rejected: {error.reason}", lambda: f"rejected: {error}")
            return
        name = type(error).__name__
        self.counters.last_error = f"{name} in {what}(): {error!s:.500}"
        if counted:
            self.counters.reject(f"{name} in {what}")
        spot = place(error)
        self.log.explain(f"{name} {spot}", lambda: f"{what}() raised {name}: {error!s:.1500} (at {spot})")
        if self._on_error is not None:
            self._on_error(error)

    # Questions

    def _request(self, request: Request) -> None:
        if self.life.state is State.FAILED:
            return  # this process is about to end
        if request.kind == _wire.INFO:
            self._say(Said.INFO, _wire.encode_info(self.udf))
        elif request.kind == _wire.INIT:
            self._init(request.message)
        elif request.kind == _wire.SNAPSHOT:
            self._say(Said.SNAPSHOT, _wire.encode_snapshot(self._snapshot()))
        else:
            self._restore(request.message)

    def _say(self, what: Said, frame: bytes) -> None:
        self.life.says(what)
        self.sink.add(frame)

    def _unusable(self, unit: Unusable) -> None:
        setattr(self.counters, unit.counter, getattr(self.counters, unit.counter) + 1)
        self.log.explain(f"{unit.counter} {unit.kind}", lambda: f"dropped: {unit.why}")
        if self.life.state is State.FAILED:
            return
        # Kapacitor waits for these without a limit.
        if unit.kind == _wire.RESTORE:
            self.counters.restores_refused += 1
            self._say(Said.RESTORED, _wire.encode_restored())
        elif unit.kind == _wire.INIT and self.life.state is State.WAITING:
            self._init_failed(unit.why)

    def _init(self, message: bytes) -> None:
        if self.life.state is not State.WAITING:
            self.counters.unexpected += 1
            self.log.explain("second init", lambda: "Kapacitor sent Init twice; the second one is ignored")
            return
        try:
            calls, task, node = _wire.decode_init(message)
            values = self.udf.values(calls)
            self._factory = self.udf.load()
            self._context = Context(values, task, node, self.udf, self.counters, self.log.say)
            self._handler = self._made()
        except (InitError, MalformedError) as error:
            self._init_failed(str(error))
        except BaseException as error:  # whatever it is, Kapacitor must get an answer
            known = isinstance(error, ValueError | Rejected) and str(error)
            self._init_failed(str(error) if known else f"{type(error).__name__}: {error} (at {place(error)})")
        else:
            if isinstance(self._handler, FieldsHandler) and not compiled:
                self.log.say("kapacitor_udf was installed without its compiled part: this works, but not as fast")
            self._say(Said.INIT_OK, _wire.encode_init(None))

    def _init_failed(self, why: str) -> None:
        self.init_error = f"{self.udf.name}: {why}"
        self._handler = None
        self._say(Said.INIT_FAILED, _wire.encode_init(self.init_error))

    def _made(self) -> Handler[Any]:
        assert self._factory is not None  # noqa: S101 - set before the first call
        self.counters.groups = self.counters.group_bytes = 0
        handler = self._factory(self._context)
        if isinstance(handler, FieldsHandler):
            name = type(handler).__name__
            if not (self.udf.wants is self.udf.provides is STREAM):
                raise InitError(f"the handler is a {name}, a FieldsHandler, so its UDF must want and provide STREAM")
            if not hasattr(handler, "codec"):
                raise InitError(f"{name}.__init__ must call super().__init__(context, fields=[...], adds={{...}})")
            return handler
        base = StreamHandler if self.udf.wants is STREAM else BatchHandler
        if not isinstance(handler, base):
            raise InitError(
                f"the handler is a {type(handler).__name__}, which is no {base.__name__}; "
                f"this UDF wants {'points' if base is StreamHandler else 'batches'}"
            )
        return handler

    def _key(self) -> str:
        own = self._handler.snapshot_key()
        if own is None:
            assert self._context is not None  # noqa: S101 - there is a handler, so there is a context
            own = json.dumps(dict(self._context.options), sort_keys=True, default=str)
        return f"{self.udf.name} {own}"

    def _snapshot(self) -> bytes:
        if self._handler is None:
            return b""
        try:
            data = self._handler.snapshot()
            wrapped = _snapshots.wrap(data, version=self._handler.snapshot_version, key=self._key())
        except BaseException as error:  # Kapacitor keeps the last snapshot, and waits for an answer
            self._failed(error, "snapshot")
            return b""
        self.counters.snapshots += 1
        return wrapped

    def _restore(self, message: bytes) -> None:
        try:
            snapshot = _wire.decode_restore(message)
            if snapshot and self._handler is not None:
                data = _snapshots.unwrap(snapshot, version=self._handler.snapshot_version, key=self._key())
                self._handler.restore(data)
                self.counters.restores += 1
        except (SnapshotError, MalformedError) as error:
            self.counters.restores_refused += 1
            self.log.say(f"the snapshot is not restored, starting cold: {error}")
        except BaseException as error:  # a failed restore would fail the task at every start
            self.counters.restores_refused += 1
            self._failed(error, "restore", counted=False)
            self.log.say(f"the snapshot is not restored, starting cold: {type(error).__name__}: {error!s:.1000}")
            # It may have been half way through: only a new handler is known to be cold.
            self._remake()
        self._say(Said.RESTORED, _wire.encode_restored())

    def _remake(self) -> None:
        try:
            self._handler = self._made()
        except BaseException as error:  # the old one is better than none
            self._failed(error, "restart after restore", counted=False)
