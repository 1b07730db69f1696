"""What a user of this library writes, and what it writes into."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._counters import Counters
from ._data import Batch, FieldValue, Point
from ._declaration import UDF
from ._errors import InitError
from ._groups import MOST_BYTES
from ._rows import Rows
from ._wire import encode_batch, encode_point

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._group_numbers import GroupNumbers
    from ._row_codec import RowCodec


class _Sink:
    """Collects encoded frames; what was collected since a mark can be taken back."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._frames = bytearray()
        self._marks = (0, 0, 0)

    def mark(self) -> None:
        """What comes from here on can be taken back."""
        self._marks = (len(self._frames), self._counters.points_out, self._counters.batches_out)

    def rewind(self) -> None:
        """Take back what came since the mark."""
        length, self._counters.points_out, self._counters.batches_out = self._marks
        del self._frames[length:]

    def take(self) -> bytes:
        """All frames so far, which are then gone."""
        frames = bytes(self._frames)
        self._frames.clear()
        return frames

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frames: bytes) -> None:
        """Frames that are made already. Points in them are for the caller to count."""
        self._frames += frames


class PointSink(_Sink):
    """Takes points, for a UDF that provides a stream."""

    def point(self, point: Point) -> None:
        """Emit a point. Fields that are not finite are left out; a point without fields is not sent.

        Raises TypeError or ValueError naming what cannot be sent.
        """
        dropped: list[str] = []
        frame = encode_point(point, dropped)
        self._counters.dropped_fields += len(dropped)
        if frame is None:
            self._counters.dropped_points += 1
            return
        self._frames += frame
        self._counters.points_out += 1


class BatchSink(_Sink):
    """Takes batches, for a UDF that provides batches."""

    def batch(self, batch: Batch) -> None:
        """Emit a batch, whole. Fields that are not finite are left out, as are points without fields.

        Raises TypeError or ValueError naming what cannot be sent.
        """
        dropped: list[str] = []
        frames, points = encode_batch(batch, dropped)
        self._counters.dropped_fields += len(dropped)
        self._counters.dropped_points += len(batch.points) - points
        self._frames += frames
        self._counters.batches_out += 1
        self._counters.points_out += points


S = TypeVar("S", PointSink, BatchSink)


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler is made from: option values (validated), where it runs, and what it may report through."""

    options: Mapping[str, Any]
    task: str
    node: str
    udf: UDF
    counters: Counters
    log: Callable[[str], None]
    metrics: dict[str, FieldValue] = field(default_factory=dict)
    """What the handler adds to the metrics: fields by name, each always of the same type."""


class Handler(Generic[S]):
    """Base of all handlers. Every method is called from the main thread, one at a time."""

    snapshot_version: int = 1
    """Raise it when the layout of the snapshot changes: older ones are then refused."""

    tick_seconds: float | None = None
    """Call `tick` about so often, also while no data arrives. It may be set in the constructor."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def tick(self, out: S) -> None:
        """Called every `tick_seconds`."""

    def snapshot(self) -> bytes:
        """The state to go on from after a restart; nothing if there is none."""
        return b""

    def restore(self, data: bytes) -> None:
        """Take up the state of a snapshot. If it raises, the handler is made anew and starts cold."""

    def snapshot_key(self) -> str | None:
        """What a snapshot must have been made with to be restored. None: the options."""
        return None

    def close(self) -> None:
        """The end; there is less than a second for it, and nothing can be emitted any more."""


class StreamHandler(Handler[S]):
    """A handler of a UDF that wants a stream."""

    def point(self, point: Point, out: S) -> None:
        """Handle one point."""
        raise NotImplementedError(f"{type(self).__name__} must define point()")

    def points(self, points: Sequence[Point], out: S) -> None:
        """Handle all that has arrived, at least one point. Override it where many at once are cheaper than one by one.

        If it raises, what it emitted is dropped and each of the points is handed to `point`, so it should raise before
        it changes state.
        """
        for point in points:
            self.point(point, out)


class BatchHandler(Handler[S]):
    """A handler of a UDF that wants batches."""

    def batch(self, batch: Batch, out: S) -> None:
        """Handle one batch, which has all of its points."""
        raise NotImplementedError(f"{type(self).__name__} must define batch()")


class FieldsHandler(Handler[PointSink]):
    """A handler of a UDF that wants and provides a stream, and adds fields to points: the fast path.

    It asks for some numeric fields and gets them as arrays, a row for each point that has arrived; it gives arrays of
    the fields to add, and each point is emitted as it came, with these. No object is made of a point, so this is many
    times faster than `StreamHandler` wherever it is enough. It needs numpy: install kapacitor-udf[numpy].

    A point that lacks a field, or where it is no number or not finite, is rejected before the handler sees it, unless
    `accepts_incomplete`: then the value is NaN.
    """

    accepts_incomplete: bool = False
    """Also take points that lack some of the fields."""

    most_groups: int = 100_000
    """How many groups have a number at once; beyond, those that were silent for longest make room."""

    most_group_bytes: int = MOST_BYTES
    """How many bytes the IDs of groups may take; beyond, likewise."""

    group_ttl: float | None = None
    """Seconds for which a group is kept that has no points. None: as long as there is room."""

    groups: "GroupNumbers"
    """The groups behind `rows.groups`; `groups.state(...)` is an array with a place for each."""

    codec: "RowCodec"
    """The library's own."""

    def __init__(self, context: Context, *, fields: Sequence[str], adds: Mapping[str, type]) -> None:
        """`fields`: what is wanted of a point. `adds`: the type (float, int, str, bool) of each field to add, by name.

        Raises InitError if numpy is not installed, DeclarationError for what cannot be.
        """
        super().__init__(context)
        # At Init: Info has to be answered before numpy is loaded.
        try:
            from ._group_numbers import GroupNumbers
            from ._row_codec import RowCodec
        except ImportError as error:
            raise InitError(f"a FieldsHandler needs numpy, install kapacitor-udf[numpy]: {error}") from error
        self.groups = GroupNumbers(
            most=self.most_groups,
            most_bytes=self.most_group_bytes,
            ttl=self.group_ttl,
            counters=context.counters,
        )
        self.codec = RowCodec(fields, adds, self.groups, incomplete=self.accepts_incomplete)

    def add_fields(self, rows: Rows) -> "Mapping[str, npt.ArrayLike]":
        """The fields to add to all that has arrived, at least one point: an array (n,), or one value, by name.

        A float that is not finite, and None for a string, add nothing to their point. If it raises, each row is handed
        to it by itself, so it should raise before it changes state.
        """
        raise NotImplementedError(f"{type(self).__name__} must define add_fields()")
