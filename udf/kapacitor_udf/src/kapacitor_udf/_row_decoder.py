"""Points as arrays, for a `RowsHandler`. It needs numpy, so it is imported at Init.

The compiled part finds the wanted fields and tags in the bytes of each *plain* point (`_compiled` defines it). Every
other point, and every point where there is no compiled part, is decoded by protobuf. So there is one meaning, that of
`Point`; the compiled part is merely a way to get there, which tests hold against the general one.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ._data import Point
from ._errors import DeclarationError, MalformedError, Rejected
from ._group_numbers import TagNumbers
from ._identity import identity
from ._loops import TagScanner
from ._rows import Rows
from ._varint import frame
from ._wire import decode_point

# What `plain` says of a point whose measurement is not wanted.
_FOREIGN = 2


class RowDecoder:
    """Makes rows of a run's frames.

    Attributes:
        groups: the groups that rows belong to, and their numbers.
    """

    def __init__(
        self, fields: Sequence[str], tags: Sequence[str], groups: TagNumbers, measurements: Sequence[str] = ()
    ) -> None:
        """Prepare the decoder of one handler.

        Args:
            fields: the k wanted fields.
            tags: the tags whose values make a group.
            groups: numbers the groups of points.
            measurements: the wanted measurements, which make a group together with the tags; empty for any measurement.

        Raises:
            DeclarationError: A field, a tag or a measurement is named twice.
        """
        for what, names in (("fields", fields), ("tags", tags), ("measurements", measurements)):
            if isinstance(names, str) or len(set(names)) < len(names):
                raise DeclarationError(f"{what} is {names!r}, expected a list of different names")
        self.groups = groups
        self._fields = list(fields)
        self._tags = list(tags)
        self._measurements = frozenset(measurements)
        self._scanner = TagScanner(*([name.encode() for name in names] for names in (fields, tags, measurements)))
        self._frames = b""
        self._starts = self._stops = np.zeros(0, np.int64)

    def decode(self, frames: bytes, count: int) -> tuple[Rows, list[MalformedError | Rejected]]:
        """Make rows of points.

        Args:
            frames: frames of points.
            count: how many points they hold.

        Returns:
            The rows, and what is wrong with each of the other points. Points of other measurements are in neither.
        """
        times, values = np.zeros(count, np.int64), np.zeros((count, len(self._fields)))
        groups, identities = np.zeros(count, np.int64), np.zeros(count, np.uint64)
        unusable, plain = np.zeros(count, np.int64), np.zeros(count, np.uint8)
        starts, stops = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._scanner.scan(
            frames, self.groups.numbers, self.groups.add,
            times, values, groups, identities, unusable, starts, stops, plain,
        )  # fmt: skip
        refused: list[MalformedError | Rejected] = []
        for row in np.flatnonzero(plain == 0).tolist():
            try:
                point = decode_point(frames[starts[row] : stops[row]])
            except MalformedError as error:
                refused.append(error)
                continue
            if self._measurements and point.name not in self._measurements:
                plain[row] = _FOREIGN
                continue
            times[row] = point.time
            values[row], unusable[row] = self._numbers(point)
            groups[row] = self.groups.number(self._key(point))
            identities[row] = identity(point.tags)
            plain[row] = True
        if refused or (self._measurements and (plain == _FOREIGN).any()):
            usable = np.flatnonzero(plain == 1)
            times, values, groups = times[usable], values[usable], groups[usable]
            identities, unusable = identities[usable], unusable[usable]
            starts, stops = starts[usable], stops[usable]
        self._frames, self._starts, self._stops = frames, starts, stops
        return Rows(times, values, groups, identities, unusable, np.ones(len(times), bool)), refused

    def _key(self, point: Point) -> tuple[str, ...]:
        """The key of a point's group."""
        values = tuple(point.tags.get(tag, "") for tag in self._tags)
        return (point.name, *values) if self._measurements else values

    def _numbers(self, point: Point) -> tuple[list[float], int]:
        """The values of the wanted fields, and how many of them are there and are not finite numbers."""
        values, unusable = [], 0
        for name in self._fields:
            value = point.fields.get(name)
            try:
                values.append(float(value) if isinstance(value, bool) else point.number(name))
            except Rejected:
                values.append(math.nan)
                # A TICKscript cannot leave a field out, but make it an empty text.
                unusable += point.fields.get(name, "") != ""
        return values, unusable

    def again(self) -> Iterator[Rows]:
        """Decode each row of the last `decode` anew, by itself.

        Groups may have been forgotten since, so their numbers may differ.
        """
        frames, starts, stops = self._frames, self._starts, self._stops
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            rows, _ = self.decode(frame(frames[start:stop]), 1)
            yield rows
