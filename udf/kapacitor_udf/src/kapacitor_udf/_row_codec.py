"""Points as arrays and back: the fast path of a `FieldsHandler`. It needs numpy, so it is imported at Init.

Kapacitor sends a point and takes it back as the same message under the same field number, and protobuf allows to append
to a message. So a point with more fields is the bytes that came, with two lengths corrected, and those fields behind
them. The compiled part finds the wanted fields in the bytes of each *plain* point (`_compiled` defines it) and appends
to them; nothing becomes an object. Every other point, and every point where there is no compiled part, goes by way of a
`Point`: protobuf decodes it, fields are set, protobuf encodes it. So there is one meaning, the general path's; the fast
path is merely a way to get there, which tests hold against the general one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._columns import LARGEST, NO_TEXT, TAGS, Encoded, utf8
from ._data import Point
from ._errors import DeclarationError, MalformedError, Rejected
from ._group_numbers import GroupIDs
from ._loops import Appender, Scanner
from ._rows import FieldRows
from ._wire import decode_point, encode_point

# The kinds of numpy types that are accepted for each type, and the type that they are converted to.
_DTYPES: Mapping[type, tuple[str, type]] = {float: ("fiu", np.float64), int: ("iu", np.int64), bool: ("b", np.bool_)}


class Source:
    """Where rows came from.

    Attributes:
        frames: the bytes that came.
        starts: where each row's message begins in the frames, shape (n,).
        stops: where each row's message ends, shape (n,).
        points: the point of each row that is not plain, by row.
    """

    def __init__(
        self,
        frames: bytes,
        starts: npt.NDArray[np.int64],
        stops: npt.NDArray[np.int64],
        points: dict[int, Point],
    ) -> None:
        self.frames = frames
        self.starts = starts
        self.stops = stops
        self.points = points

    def message(self, row: int) -> bytes:
        """Return the message of a row."""
        return self.frames[self.starts[row] : self.stops[row]]

    def chosen(self, rows: npt.NDArray[np.int64]) -> "Source":
        """Return where some of the rows came from.

        Args:
            rows: numbers of rows, shape (m,).
        """
        points = {}
        if self.points:
            points = {now: self.points[row] for now, row in enumerate(rows.tolist()) if row in self.points}
        return Source(self.frames, self.starts[rows], self.stops[rows], points)


class RowCodec:
    """Makes rows of a run's frames, and frames of rows and the fields that were added to them.

    Attributes:
        groups: the groups that rows belong to, and their numbers.
    """

    def __init__(self, fields: Sequence[str], adds: Mapping[str, type], groups: GroupIDs, *, incomplete: bool) -> None:
        """Prepare the codec of one handler.

        Args:
            fields: the k wanted fields.
            adds: the type of each added field by name.
            groups: numbers the groups of points.
            incomplete: whether a point that lacks some of the fields makes a row.

        Raises:
            DeclarationError: A field is named twice, or has another type.
        """
        if isinstance(fields, str) or len(set(fields)) < len(fields):
            raise DeclarationError(f"fields is {fields!r}, expected a list of different names")
        for name, kind in adds.items():
            if kind not in TAGS:
                raise DeclarationError(f"adds: field {name!r} is {kind!r}, expected float, int, str or bool")
        self.groups = groups
        self._fields = list(fields)
        self._adds = dict(adds)
        self._incomplete = incomplete
        added = [name.encode() for name in adds]
        self._scanner = Scanner([name.encode() for name in fields], added, incomplete)
        self._appender = Appender([(TAGS[kind], name) for kind, name in zip(adds.values(), added, strict=True)])

    # From Kapacitor

    def decode(self, frames: bytes, count: int) -> tuple[FieldRows, list[MalformedError | Rejected]]:
        """Make rows of points.

        Args:
            frames: frames of points.
            count: how many points they hold.

        Returns:
            The rows, and what is wrong with each of the other points.
        """
        times = np.zeros(count, np.int64)
        values = np.zeros((count, len(self._fields)))
        groups = np.zeros(count, np.int64)
        starts, stops = np.zeros(count, np.int64), np.zeros(count, np.int64)
        plain = np.zeros(count, np.uint8)
        self._scanner.scan(frames, self.groups.numbers, self.groups.add, times, values, groups, starts, stops, plain)
        source = Source(frames, starts, stops, {})
        refused: list[MalformedError | Rejected] = []
        for row in np.flatnonzero(plain == 0).tolist():
            try:
                point = decode_point(source.message(row))
                values[row] = [self._number(point, name) for name in self._fields]
            except (MalformedError, Rejected) as error:
                refused.append(error)
                continue
            times[row] = point.time
            groups[row] = self.groups.number(point.group)
            source.points[row] = point
            plain[row] = True
        if refused:
            usable = np.flatnonzero(plain)
            times, values, groups, source = times[usable], values[usable], groups[usable], source.chosen(usable)
        return FieldRows(times, values, groups, np.ones(len(times), bool), source), refused

    def _number(self, point: Point, name: str) -> float:
        try:
            return point.number(name)
        except Rejected:
            if self._incomplete:
                return math.nan
            raise

    def again(self, rows: FieldRows) -> Iterator[FieldRows]:
        """Give each row by itself, as it came.

        Args:
            rows: what `decode` made.
        """
        for row in range(len(rows)):
            one = slice(row, row + 1)
            source = rows.source.chosen(np.array([row]))
            # A point may have been changed on the way out.
            source.points = {number: decode_point(source.message(number)) for number in source.points}
            yield FieldRows(rows.times[one], rows.values[one], rows.groups[one], np.ones(1, bool), source)

    # To Kapacitor

    def encode(self, rows: FieldRows, added: Mapping[str, npt.ArrayLike]) -> Encoded:
        """Add fields to the points of rows. Values that are not finite, or None, are left out.

        Args:
            rows: what `decode` or `again` made.
            added: for each added field by name an array, shape (n,), or one value for all rows.

        Returns:
            The frames of the points that are emitted.

        Raises:
            TypeError: A value is of another type; the message names it.
            ValueError: Other fields or shapes were declared, or a value cannot be sent; the message names it.
        """
        if not isinstance(added, Mapping):
            raise TypeError(f"{added!r:.100} was given, expected the fields to add, by name")
        if added.keys() != self._adds.keys():
            raise ValueError(f"the fields {sorted(added)} were given, expected those declared: {sorted(self._adds)}")
        emitted = np.flatnonzero(rows.emitted)
        columns = {name: _column(name, kind, added[name], len(rows))[emitted] for name, kind in self._adds.items()}
        cells, texts = _cells(columns, len(emitted))
        source = rows.source.chosen(emitted)
        parts: list[bytes] = []
        dropped: list[str] = []
        not_finite = dropped_points = first = 0
        for row in [*source.points, len(emitted)]:
            if row > first:
                stretch = slice(first, row)
                frames, more = self._appender.append(
                    source.frames, source.starts[stretch], source.stops[stretch], cells[stretch], texts
                )
                parts.append(frames)
                not_finite += more
            if row < len(emitted):
                frame = encode_point(_with_fields(source.points[row], columns, row), dropped)
                if frame is None:
                    dropped_points += 1
                else:
                    parts.append(frame)
            first = row + 1
        return Encoded(b"".join(parts), len(emitted) - dropped_points, not_finite + len(dropped), dropped_points)


def _column(name: str, kind: type, given: npt.ArrayLike, rows: int) -> npt.NDArray[Any]:
    """The values of a field in each row, shape (n,), converted to its declared type."""
    array = np.asarray(given, object if kind is str else None)
    if array.shape not in ((), (rows,)):
        raise ValueError(f"field {name!r} has the shape {array.shape}, expected ({rows},): one value for each row")
    array = np.broadcast_to(array, (rows,))
    if kind is str:
        for text in array:
            if text is not None and not isinstance(text, str):
                raise TypeError(f"field {name!r} holds {text!r:.100}, expected strings and None")
        return array
    accepted, dtype = _DTYPES[kind]
    if array.dtype.kind not in accepted:
        raise TypeError(f"field {name!r} is of the type {array.dtype}, expected {kind.__name__}")
    if array.dtype == np.uint64 and rows and array.max() > LARGEST:
        raise ValueError(f"field {name!r} holds {array.max()}, expected integers of 64 bits")
    return array.astype(dtype)


def _cells(columns: Mapping[str, npt.NDArray[Any]], rows: int) -> tuple[npt.NDArray[np.uint64], list[bytes]]:
    """What to append, shape (n, fields): the 64 bits of a value, or its index among the texts."""
    cells = np.zeros((rows, len(columns)), np.uint64)
    texts: list[bytes] = []
    for column, (name, values) in enumerate(columns.items()):
        if values.dtype == object:
            for row, text in enumerate(values):
                cells[row, column] = NO_TEXT if text is None else len(texts)
                if text is not None:
                    texts.append(utf8(f"field {name!r}", text))
        else:
            cells[:, column] = values if values.dtype == bool else values.view(np.uint64)
    return cells, texts


def _with_fields(point: Point, columns: Mapping[str, npt.NDArray[Any]], row: int) -> Point:
    for name, values in columns.items():
        value = values[row]
        if value is not None:
            point.fields[name] = value
    return point
