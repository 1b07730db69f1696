"""Handlers and sinks: what a user derives from, and what it emits into.

A sink encodes what is emitted at once, so that a value that cannot be sent raises where it was emitted, and so that
taking back what a failed step has emitted is a cut in a buffer. Handlers are called by one thread, one call at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._counters import Counters
from ._data import Batch, FieldValue, Point
from ._declaration import UDF
from ._emitted import Emitted
from ._errors import InitError
from ._groups import MOST_BYTES
from ._loops import PointEncoder
from ._point_head import PointHead
from ._rows import FieldRows, Rows
from ._wire import encode_batch, encode_point

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._group_numbers import GroupIDs, TagNumbers
    from ._row_codec import RowCodec
    from ._row_decoder import RowDecoder


class _Sink:
    """A handler's side of what it emits."""

    def __init__(self, emitted: Emitted) -> None:
        self._emitted = emitted
        self._counters = emitted.counters
        self._frames = emitted.frames
        self._encoder = PointEncoder()


class PointSink(_Sink):
    """Takes points, for a UDF that provides a stream."""

    def point(self, point: Point) -> None:
        """Emit a point. Fields that are not finite are left out; a point without fields is not sent.

        Args:
            point: any point, the one that came in included.

        Raises:
            TypeError: A value is of a type that cannot be sent; the message names it.
            ValueError: A value is outside of what can be sent; the message names it.
            RuntimeError: This is another thread than the one that calls the handler.
        """
        if get_ident() != self._emitted.thread:
            self._emitted.check_thread()
        frame = self._encoder.encode(point)
        if frame is None:  # it is not plain: a value may be left out, or cannot be sent
            dropped: list[str] = []
            frame = encode_point(point, dropped)
            self._counters.dropped_fields += len(dropped)
            if frame is None:
                self._counters.dropped_points += 1
                return
        self._frames += frame
        self._counters.points_out += 1

    def rows(
        self,
        heads: PointHead | Sequence[PointHead],
        times: "npt.ArrayLike",
        columns: Mapping[str, object],
    ) -> None:
        """Emit a point for each of n rows, without an object for each. It needs numpy.

        Values that are NaN or None add nothing to their point. Infinite values are left out and counted; a point
        without fields is not sent, and counted.

        Args:
            heads: measurement, tags and dimensions, one head for each row, or one for all rows.
            times: nanoseconds since the epoch, integers, shape (n,), or one for all rows.
            columns: for each field by name its values, shape (n,), or one value for all rows. The values of a field are
                floats, integers, strings or booleans.

        Raises:
            TypeError: A value is of a type that cannot be sent; the message names it.
            ValueError: Shapes differ, or a value cannot be sent; the message names it.
            RuntimeError: This is another thread than the one that calls the handler.
        """
        self._emitted.check_thread()
        from ._columns import encode_points

        encoded = encode_points(heads, times, columns)
        self._frames += encoded.frames
        self._counters.points_out += encoded.points
        self._counters.dropped_fields += encoded.dropped_fields
        self._counters.dropped_points += encoded.dropped_points


class BatchSink(_Sink):
    """Takes batches, for a UDF that provides batches."""

    def batch(self, batch: Batch) -> None:
        """Emit a whole batch. Fields that are not finite are left out, as are points without fields.

        Args:
            batch: any batch, the one that came in included.

        Raises:
            TypeError: A value is of a type that cannot be sent; the message names it.
            ValueError: A value is outside of what can be sent; the message names it.
            RuntimeError: This is another thread than the one that calls the handler.
        """
        self._emitted.check_thread()
        dropped: list[str] = []
        frames, points = encode_batch(batch, dropped, self._encoder)
        self._counters.dropped_fields += len(dropped)
        self._counters.dropped_points += len(batch.points) - points
        self._frames += frames
        self._counters.batches_out += 1
        self._counters.points_out += points


S = TypeVar("S", PointSink, BatchSink)


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler is made from.

    Attributes:
        options: the validated value of each declared option by name.
        task: the ID of Kapacitor's task.
        node: the ID of the UDF's node in it.
        udf: the declaration.
        counters: what has happened so far.
        log: writes a line into Kapacitor's log.
        metrics: fields that the handler adds to the metrics by name, each always of the same type.
    """

    options: Mapping[str, Any]
    task: str
    node: str
    udf: UDF[Any]
    counters: Counters
    log: Callable[[str], None]
    metrics: dict[str, FieldValue] = field(default_factory=dict)


class Handler(Generic[S]):
    """Base of all handlers. Every method is called from the main thread, one at a time.

    Attributes:
        snapshot_version: the version of the snapshot's layout; raise it when the layout changes, to refuse older ones.
        tick_seconds: seconds between two calls of `tick`, also while no data arrive; None for no calls. The
            constructor may set it.
        context: what the handler was made from.
    """

    snapshot_version: int = 1
    tick_seconds: float | None = None

    def __init__(self, context: Context) -> None:
        self.context = context

    def tick(self, out: S) -> None:
        """Do what is due from time to time.

        Args:
            out: where to emit.
        """

    def snapshot(self) -> bytes:
        """Return the state to go on from after a restart; empty if there is none."""
        return b""

    def restore(self, data: bytes) -> None:
        """Take up the state of a snapshot. If this raises, the handler is made anew and starts cold.

        Args:
            data: what `snapshot` returned.

        Raises:
            SnapshotError: the snapshot cannot be used, and nothing has changed; the handler is kept as it is.
        """

    def snapshot_key(self) -> str | None:
        """Return what a snapshot must have been made with to be restored; None stands for all options."""
        return None

    def close(self) -> None:
        """End the work within less than a second; nothing can be emitted any more."""


class StreamHandler(Handler[S]):
    """Base of a handler that takes points of a stream, as objects."""

    def point(self, point: Point, out: S) -> None:
        """Handle one point. If this raises, what it emitted is dropped.

        Args:
            point: what came; it may be changed and emitted.
            out: where to emit.
        """
        raise NotImplementedError(f"{type(self).__name__} must define point()")

    def points(self, points: Sequence[Point], out: S) -> None:
        """Handle all points that have arrived. Override it where many at once are cheaper than one by one.

        If this raises, what it emitted is dropped and each of the points is handed to `point`, so it should raise
        before it changes state.

        Args:
            points: at least one.
            out: where to emit.
        """
        for point in points:
            self.point(point, out)


class BatchHandler(Handler[S]):
    """Base of a handler that takes batches, as objects."""

    def batch(self, batch: Batch, out: S) -> None:
        """Handle one batch. If this raises, what it emitted is dropped.

        Args:
            batch: what came, with all of its points; it may be changed and emitted.
            out: where to emit.
        """
        raise NotImplementedError(f"{type(self).__name__} must define batch()")


class FieldsHandler(Handler[PointSink]):
    """Base of a handler that adds fields to the points of a stream, by arrays: the fast path.

    It asks for some numeric fields and gets them as arrays, a row for each point that has arrived. It returns arrays of
    the fields to add, and each point is emitted as it came, with these. No object is made of a point, so this is many
    times faster than `StreamHandler` wherever it is enough. It needs numpy: install kapacitor-udf[numpy].

    A point that lacks a field, or has another type or a value that is not finite there, is rejected before the handler
    sees it, unless the handler accepts incomplete points: then the value is NaN.

    Attributes:
        accepts_incomplete: whether points that lack some of the fields make rows, too.
        most_groups: the most groups that have a number at once; beyond, the longest quiet ones make room.
        most_group_bytes: the most bytes that the IDs of groups may take; beyond, the longest quiet ones make room.
        group_ttl: seconds for which a group without points is kept; None for as long as there is room.
        groups: the groups behind `rows.groups`; `groups.state(...)` makes an array with a place for each.
        codec: the library's own.
    """

    accepts_incomplete: bool = False
    most_groups: int = 100_000
    most_group_bytes: int = MOST_BYTES
    group_ttl: float | None = None
    groups: "GroupIDs"
    codec: "RowCodec"

    def __init__(self, context: Context, *, fields: Sequence[str], adds: Mapping[str, type]) -> None:
        """Declare what is read and what is added.

        Args:
            context: what the handler is made from.
            fields: the k numeric fields that are read of each point.
            adds: the type (float, int, str or bool) of each added field by name.

        Raises:
            InitError: numpy is not installed.
            DeclarationError: A field is named twice, or has another type.
        """
        super().__init__(context)
        # This runs at Init: Info has to be answered before numpy is loaded.
        try:
            from ._group_numbers import GroupIDs
            from ._row_codec import RowCodec
        except ImportError as error:
            raise InitError(f"a FieldsHandler needs numpy, install kapacitor-udf[numpy]: {error}") from error
        self.groups = GroupIDs(
            most=self.most_groups,
            most_bytes=self.most_group_bytes,
            ttl=self.group_ttl,
            counters=context.counters,
        )
        self.codec = RowCodec(fields, adds, self.groups, incomplete=self.accepts_incomplete)

    def add_fields(self, rows: FieldRows) -> "Mapping[str, npt.ArrayLike]":
        """Compute the fields to add to all points that have arrived.

        If this raises, each row is handed to it by itself, so it should raise before it changes state.

        Args:
            rows: at least one point.

        Returns:
            For each added field by name an array, shape (n,), or one value for all. A float that is not finite, and
            None for a string, add nothing to their point.
        """
        raise NotImplementedError(f"{type(self).__name__} must define add_fields()")


class RowsHandler(Handler[PointSink]):
    """Base of a handler that takes the points of a stream as arrays and emits points of its own.

    It asks for some numeric fields and some tags, and gets a row for each point that has arrived. Points are grouped by
    the wanted tags, whatever Kapacitor groups them by. Nothing of a point is emitted again: what the handler emits, it
    makes. It needs numpy: install kapacitor-udf[numpy].

    A boolean is the number 0 or 1. A point that lacks a field, or has a text or a value that is not finite there, makes
    a row like any other: the value is NaN. So only a point that cannot be decoded makes no row, and one of another
    measurement, if the handler names some.

    Attributes:
        most_groups: the most groups that have a number at once; beyond, the longest quiet ones make room.
        most_group_bytes: the most bytes that the keys of groups may take; beyond, the longest quiet ones make room.
        group_ttl: seconds for which a group without points is kept; None for as long as there is room.
        groups: the groups behind `rows.groups`: `groups.key(number)` is the value of each wanted tag, "" for a missing
            one, `groups.forget(number)` gives the number up, and `groups.state(...)` makes an array with a place for
            each.
        codec: the library's own.
    """

    most_groups: int = 100_000
    most_group_bytes: int = MOST_BYTES
    group_ttl: float | None = None
    groups: "TagNumbers"
    codec: "RowDecoder"

    def __init__(
        self, context: Context, *, fields: Sequence[str], tags: Sequence[str], measurements: Sequence[str] = ()
    ) -> None:
        """Declare what is read.

        Args:
            context: what the handler is made from.
            fields: the k numeric fields that are read of each point.
            tags: the tags whose values make a group.
            measurements: the measurements whose points are read; a group's key then begins with its measurement. Empty
                for any measurement, which is not in the key.

        Raises:
            InitError: numpy is not installed.
            DeclarationError: A field, a tag or a measurement is named twice.
        """
        super().__init__(context)
        # This runs at Init: Info has to be answered before numpy is loaded.
        try:
            from ._group_numbers import TagNumbers
            from ._row_decoder import RowDecoder
        except ImportError as error:
            raise InitError(f"a RowsHandler needs numpy, install kapacitor-udf[numpy]: {error}") from error
        self.groups = TagNumbers(
            most=self.most_groups,
            most_bytes=self.most_group_bytes,
            ttl=self.group_ttl,
            counters=context.counters,
        )
        self.codec = RowDecoder(fields, tags, self.groups, measurements)

    def rows(self, rows: Rows, out: PointSink) -> None:
        """Handle all points that have arrived.

        If this raises, what it emitted is dropped and each row is handed to it by itself, so it should raise before it
        changes state.

        Args:
            rows: at least one point.
            out: where to emit.
        """
        raise NotImplementedError(f"{type(self).__name__} must define rows()")

    def forgotten(self, numbers: "npt.NDArray[np.int64]", out: PointSink) -> None:
        """Give up what is kept for groups that a bound takes the numbers of, as new groups will get these numbers.

        Until this returns, `groups.key` still tells which groups they are. It is not called for groups that the handler
        forgets itself.

        Args:
            numbers: of groups, shape (m,).
            out: where to emit.
        """
