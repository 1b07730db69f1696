"""Data: points and batches become calls of the handler.

A step is the smallest thing that can fail. Where a handler takes many points at once and raises, the same points are
handled again one by one, so that only those are lost which raise by themselves; they are decoded anew for that, as the
handler may have changed the objects before it raised. Data that this UDF does not want are counted and dropped.
"""

from collections.abc import Iterable, Iterator

from ._data import BATCH, STREAM, EdgeType, Point, memory
from ._errors import MalformedError, Rejected
from ._framing import Oversized, PointRun, one_by_one
from ._guard import Guard
from ._handlers import FieldsHandler, PointSink, RowsHandler, StreamHandler
from ._life import LifeState, Said
from ._loops import PointDecoder
from ._receiver import RawBatch
from ._rows import FieldRows, Rows
from ._varint import frame
from ._wire import decode_batch, decode_point

Refused = MalformedError | Rejected

# One of this many points of a batch tells how much memory they take.
_SAMPLE = 16


class DataSteps:
    """Hands data to the handler behind a guard."""

    def __init__(self, guard: Guard, *, largest_batch: int) -> None:
        """Prepare to hand data to the handler.

        Args:
            guard: calls the handler.
            largest_batch: bytes that the points of a batch may take in memory.
        """
        self._guard = guard
        self._largest_batch = largest_batch
        self._decoder = PointDecoder(Point)

    def points(self, runs: list[PointRun], count: int) -> Iterator[None]:
        """Handle points of a stream, yielding after each step.

        Args:
            runs: the points.
            count: how many they are together.
        """
        if not self._takes(STREAM, count):
            return
        guard = self._guard
        handler = guard.handler
        if isinstance(handler, FieldsHandler | RowsHandler):
            try:
                rows, refused = handler.codec.decode(b"".join(run.frames for run in runs), count)
            except MemoryError:
                yield from self._bit_by_bit(runs, count)
                return
            if isinstance(rows, FieldRows):
                yield from self._field_rows(rows, refused)
            else:
                yield from self._rows(rows, refused)
            return
        points = self._decoded(runs)
        guard.counters.points_in += len(points)
        guard.counters.in_hand = len(points)
        guard.life.says(Said.DATA)
        if type(handler).points is not StreamHandler.points and points:
            if guard.call(handler.points, points, "points", counted=len(points) == 1) or len(points) == 1:
                guard.counters.in_hand = 0
                yield
                return
            points = self._decoded(runs, again=True)
        for point in points:
            guard.call(handler.point, point, "point")
            guard.counters.in_hand -= 1
            yield

    def _messages(self, run: PointRun, discarded: int = 1, again: bool = False) -> Iterator[bytes]:
        """The messages of points one by one. Those that do not fit into memory are counted, unless this is `again`."""
        for message in one_by_one(run.frames):
            if not isinstance(message, Oversized):
                yield message
            elif not again:
                self._has_no_room(message.size, discarded)

    def _bit_by_bit(self, runs: list[PointRun], count: int) -> Iterator[None]:
        """Handle points one by one, as there is no room for arrays of all of them, yielding after each step."""
        if count == 1:
            self._has_no_room(sum(len(run.frames) for run in runs))
            yield
            return
        for run in runs:
            for message in self._messages(run):
                try:
                    single = PointRun(frame(message), 1)
                except MemoryError:
                    self._has_no_room(len(message))
                    continue
                yield from self.points([single], 1)

    def _has_no_room(self, size: int, discarded: int = 1) -> None:
        error = MalformedError(f"a point message of {size} bytes does not fit into memory")
        self._guard.undecodable(error, discarded)

    def _field_rows(self, rows: FieldRows, refused: list[Refused]) -> Iterator[None]:
        """Handle points by the fast path, yielding after each step."""
        guard = self._guard
        handler: FieldsHandler = guard.handler
        self._count(len(rows), refused, "add_fields")
        if len(rows) and not guard.call(self._add_fields, rows, "add_fields", counted=len(rows) == 1):
            for row in handler.codec.again(rows) if len(rows) > 1 else ():
                guard.call(self._add_fields, row, "add_fields")
                guard.counters.in_hand -= 1
                yield
        guard.counters.in_hand = 0
        handler.groups.used(rows.groups)
        yield

    def _add_fields(self, rows: FieldRows, sink: PointSink) -> None:
        """Let the handler add its fields to rows, and emit their points."""
        guard = self._guard
        codec = guard.handler.codec
        encoded = codec.encode(rows, guard.handler.add_fields(rows))
        for rejected in rows.rejected:
            guard.failed(rejected, "add_fields")
        guard.emitted.add(encoded.frames)
        guard.counters.points_out += encoded.points
        guard.counters.dropped_fields += encoded.dropped_fields
        guard.counters.dropped_points += encoded.dropped_points

    def _rows(self, rows: Rows, refused: list[Refused]) -> Iterator[None]:
        """Handle points as rows that are not emitted, yielding after each step."""
        guard = self._guard
        handler: RowsHandler = guard.handler
        self._count(len(rows), refused, "rows")
        if len(rows) and not guard.call(self._take_rows, rows, "rows", counted=len(rows) == 1):
            for row in handler.codec.again() if len(rows) > 1 else ():
                guard.call(self._take_rows, row, "rows")
                guard.counters.in_hand -= 1
                yield
        guard.counters.in_hand = 0
        handler.groups.used(rows.groups, lambda numbers: guard.call(handler.forgotten, numbers, "forgotten"))
        yield

    def _take_rows(self, rows: Rows, sink: PointSink) -> None:
        """Let the handler handle rows."""
        guard = self._guard
        guard.handler.rows(rows, sink)
        for rejected in rows.rejected:
            guard.failed(rejected, "rows")

    def _count(self, points: int, refused: list[Refused], what: str) -> None:
        """Count what a micro-batch holds: points that made rows, and what is wrong with each of the others."""
        guard = self._guard
        for error in refused:
            if isinstance(error, MalformedError):
                guard.undecodable(error, discarded=1)
            else:
                guard.counters.points_in += 1
                guard.failed(error, what)
        guard.counters.points_in += points
        guard.counters.in_hand = points
        guard.life.says(Said.DATA)

    def batch(self, raw: RawBatch) -> None:
        """Handle one batch.

        Args:
            raw: its messages.
        """
        if not self._takes(BATCH, 1):
            return
        guard = self._guard
        try:
            points = self._decoded_batch(raw)
            if points is None:
                return
            batch = decode_batch(raw.begin, points, raw.end)
        except MemoryError:
            size = raw.size
            guard.undecodable(MalformedError(f"a batch of {size} bytes does not fit into memory"), discarded=1)
            return
        except MalformedError as error:
            guard.undecodable(error, discarded=1)
            return
        guard.counters.batches_in += 1
        guard.counters.points_in += len(points)
        guard.counters.in_hand = 1
        guard.life.says(Said.DATA)
        guard.call(guard.handler.batch, batch, "batch")
        guard.counters.in_hand = 0

    def _decoded_batch(self, raw: RawBatch) -> list[Point] | None:
        """The points of a batch that can be read, None if they take too much memory. Empties `raw.points`."""
        guard = self._guard
        points: list[Point] = []
        taken = 0
        raw.points.reverse()
        while raw.points:
            run = raw.points.pop()
            decoded = self._decoded([run], discarded=0)
            points += decoded
            taken += len(run.frames) + _SAMPLE * sum(map(memory, decoded[::_SAMPLE]))
            if taken > self._largest_batch:
                why = (
                    f"a batch of {raw.count} points takes more than {self._largest_batch} bytes in memory after "
                    f"{len(points)} of them: use a shorter window, or raise the limit largest_batch"
                )
                guard.counters.shed_batches += 1
                guard.log.explain("shed_batches", why.__str__)
                return None
        return points

    def _takes(self, edge: EdgeType, number: int) -> bool:
        """Whether the UDF wants data of this kind now; counts `number` points or batches if it does not."""
        guard = self._guard
        is_running = guard.life.state is LifeState.RUNNING
        if is_running and guard.udf.wants is edge:
            return True
        guard.counters.unexpected += number
        guard.counters.discarded += number
        if is_running:
            what, other = ("points", "batches") if edge is STREAM else ("batches", "points")
            guard.log.explain("unexpected data", lambda: f"got {what}, but this UDF wants {other}: dropped")
        return False

    def _decoded(self, runs: Iterable[PointRun], again: bool = False, discarded: int = 1) -> list[Point]:
        """The points of runs that can be read. `again`: the others were counted before."""
        points: list[Point] = []
        for run in runs:
            decoded: Iterable[Point | bytes]
            try:
                decoded = self._decoder.decode(run.frames)
            except MemoryError:
                decoded = self._messages(run, discarded, again)
            for each in decoded:
                if isinstance(each, Point):
                    points.append(each)
                    continue
                try:
                    points.append(decode_point(each))
                except MalformedError as error:
                    if not again:
                        self._guard.undecodable(error, discarded)
        return points
