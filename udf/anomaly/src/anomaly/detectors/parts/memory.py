"""What followers remember, as arrays over series, and as the compact arrays that files keep.

A `Memory` has one array for each number or row of numbers that a channel remembers, over all places and features. Its
arrays are made once, of zeros: what no series has touched yet takes no memory. Zeros mean that nothing was seen.

Much of a channel's arrays is usually empty. `Memory.kept` leaves that out, and what can be computed from the rest;
`Memory.restore` puts it back. A model's file keeps what training taught each series that way (`Learnt`), and so does a
state file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anomaly.detectors.parts.bytewise import MOST_BYTE, Bytewise
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times

_LENGTHS, _PLACES = "_lengths", "_places"
Compact = Mapping[str, AnyArray]
Marks = NDArray[np.uint8]
# Values beyond it, on either side, are taken to be at it: a float32 reaches a little further.
_MOST_VALUE = 3e38
# This many series are made compact, or are put back, at once, so that their whole arrays are not there twice.
_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class MemoryField:
    """One array of a memory.

    Attributes:
        name: its name.
        dtype: the type of its numbers.
        width: how many numbers a channel has; 0 is one number without an axis of its own.
        length: the field that says how many of the first numbers are used; empty where all are.
        sparse: whether most numbers are 0.
        beyond: how many numbers of a channel may be beyond a byte, where a byte of each number is kept, and the high
            bytes of those few apart (`anomaly.detectors.parts.bytewise`); 0: numbers are kept whole.
        most: the greatest number that is allowed where the loops take it for an index; None allows all.
        stored: whether it is kept in files; what is not can be computed from the rest.
    """

    name: str
    dtype: DTypeLike
    width: int = 0
    length: str = ""
    sparse: bool = False
    beyond: int = 0
    most: int | None = None
    stored: bool = True


class Memory:
    """The memory of `capacity` series of d features.

    Args:
        prefix: distinguishes the stored arrays from those of other memories.
        fields: the arrays; a field that says lengths comes before those whose lengths it says.
        capacity: how many places for series there are.
        features: d.
    """

    def __init__(self, prefix: str, fields: Sequence[MemoryField], capacity: int, features: int) -> None:
        self._prefix = prefix
        self._fields = fields
        self._capacity = capacity
        self._features = features
        # What training taught, once it was found to fit.
        self._checked: Learnt | None = None
        self._arrays: dict[str, AnyArray] = {}
        # The numbers of which a byte each is kept.
        self._bytewise: dict[str, Bytewise] = {}
        for field in fields:
            if field.beyond:
                self._bytewise[field.name] = Bytewise(capacity, features, field.width, field.beyond)
                self._arrays.update(self._bytewise[field.name].arrays(field.name))
            else:
                shape = (capacity, features, *([field.width] if field.width else []))
                self._arrays[field.name] = np.zeros(shape, field.dtype)

    @property
    def bytes_per_series(self) -> int:
        """How many bytes a series takes once it has used all of its arrays."""
        return sum(array[0].nbytes for array in self._arrays.values())

    @property
    def flat(self) -> dict[str, AnyArray]:
        """The arrays by name with one axis for places and features, which are the channels; views, not copies."""
        return {name: array.reshape(-1, *array.shape[2:]) for name, array in self._arrays.items()}

    def __getitem__(self, name: str) -> AnyArray:
        """Return an array, shape (capacity, d) or (capacity, d, width); a copy where a byte is kept of each number."""
        return self._bytewise[name].of(slice(None)) if name in self._bytewise else self._arrays[name]

    def channels(self, place: Ints) -> Ints:
        """Return the numbers of the channels of places, shape (n,), as one array (n * d,)."""
        return np.ascontiguousarray((place[:, None] * self._features + np.arange(self._features)).ravel())

    def check(self, place: Ints) -> None:
        """Check numbers of places.

        Args:
            place: the numbers.

        Raises:
            IndexError: a place does not exist.
        """
        if len(place) and not 0 <= place.min() <= place.max() < self._capacity:
            raise IndexError(f"places {place.min()} to {place.max()} of {self._capacity}")

    def clear(self, place: Ints) -> None:
        """Forget what the series at places remember."""
        for field in self._fields:
            self._clear(field, place)

    def begin(self, place: Ints, learnt: "Learnt", row: Ints) -> None:
        """Let the series at places begin with what training taught rows, as `restore` does with `Learnt.of`.

        Args:
            place: the n places, each of them once.
            learnt: what training taught.
            row: the rows, shape (n,).

        Raises:
            KeyError: an array of `learnt` is missing.
            ValueError: an array of `learnt` is of another type, shape or size.
        """
        self.check(place)
        if self._checked is not learnt:
            for field in self._fields:
                if field.stored:
                    self._check_stored(field, learnt.count, learnt.arrays)
            self._checked = learnt
        stored = learnt.stored[row]
        for field in self._fields:
            if field.stored and not (field.length or field.sparse):
                self._arrays[field.name][place] = learnt.arrays[self._prefix + field.name][stored]
                continue
            self._clear(field, place)
            if field.stored:
                self._copy(field, place, learnt, stored)

    def _copy(self, field: MemoryField, place: Ints, learnt: "Learnt", stored: Ints) -> None:
        """Copy the numbers of a field whose lengths differ from stored series to places whose numbers are 0.

        A slice for each channel is faster than the indices of all numbers.
        """
        name, bytewise = self._prefix + field.name, self._bytewise.get(field.name)
        whole = self._arrays[field.name] if bytewise is None else bytewise.low
        numbers, bounds = learnt.arrays[name], learnt.bounds_of(field)
        places = learnt.arrays[name + _PLACES] if field.sparse else None
        for one, series in zip(place.tolist(), stored.tolist(), strict=True):
            ends = bounds[series * self._features : (series + 1) * self._features + 1].tolist()
            for channel, begin, end in zip(whole[one], ends, ends[1:], strict=False):
                if places is None:
                    channel[: end - begin] = numbers[begin:end]
                else:
                    channel[places[begin:end]] = numbers[begin:end]
        if bytewise is not None and places is not None:
            self._copy_high(bytewise, place, learnt, field, stored)

    def _copy_high(self, bytewise: Bytewise, place: Ints, learnt: "Learnt", field: MemoryField, stored: Ints) -> None:
        """Copy the high bytes of numbers beyond a byte to places that have none."""
        name, beyond = self._prefix + field.name, learnt.beyond_a_byte(field)
        if not len(beyond):
            return
        numbers, places = learnt.arrays[name], learnt.arrays[name + _PLACES]
        # Where the numbers beyond a byte of each stored channel begin and end.
        bounds = np.searchsorted(beyond, learnt.bounds_of(field))
        for one, series in zip(place.tolist(), stored.tolist(), strict=True):
            for feature in range(self._features):
                channel = series * self._features + feature
                at = beyond[bounds[channel] : bounds[channel + 1]]
                if len(at):
                    bytewise.put_high(one, feature, places[at], numbers[at])

    def kept(self, place: Ints) -> dict[str, AnyArray]:
        """Return what the series at places remember as compact arrays.

        Args:
            place: the n places.

        Returns:
            Arrays by name: shape (n, d) or (n, d, width) where all numbers are kept; else the numbers that are, one
            after the other, with their number for each channel, shape (n, d).
        """
        if len(place) <= _AT_ONCE:
            return self._kept(place)
        parts = [self._kept(place[at : at + _AT_ONCE]) for at in range(0, len(place), _AT_ONCE)]
        return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}

    def _kept(self, place: Ints) -> dict[str, AnyArray]:
        arrays: dict[str, AnyArray] = {}
        for field in self._fields:
            if not field.stored:
                continue
            bytewise = self._bytewise.get(field.name)
            whole = self._arrays[field.name][place] if bytewise is None else bytewise.of(place)
            name = self._prefix + field.name
            if field.length:
                arrays[name] = whole[self._leading(field, arrays[self._prefix + field.length])]
            elif field.sparse:
                mask = whole != 0
                # Positions along one axis are found far faster than along three.
                at = np.flatnonzero(mask)
                arrays[name] = whole.ravel()[at]
                arrays[name + _PLACES] = (at % field.width).astype(np.uint16)
                arrays[name + _LENGTHS] = mask.sum(axis=2).astype(np.uint16)
            else:
                arrays[name] = whole
        return arrays

    def learnt(self, stored: Ints, place: Ints) -> "Learnt":
        """Return what the series at places remember as what training taught.

        Args:
            stored: which of the places each row begins as, shape (s + 1,), indices of `place`.
            place: the places.

        Returns:
            What training taught each row.
        """
        return Learnt(self._prefix, self._fields, stored, self.kept(place))

    def _leading(self, field: MemoryField, lengths: AnyArray) -> Bools:
        return np.asarray(np.arange(field.width) < lengths.astype(np.intp)[:, :, None])

    def restore(self, place: Ints, arrays: Compact) -> None:
        """Replace what the series at places remember; nothing is changed where the arrays do not fit.

        Args:
            place: the n places, each of them once.
            arrays: what `kept` returned of n series, and perhaps others.

        Raises:
            KeyError: an array is missing.
            ValueError: an array is of another type, shape or size.
        """
        self.check(place)
        for field in self._fields:
            if field.stored:
                self._check_stored(field, len(place), arrays)
        if len(place) <= _AT_ONCE:
            self._put(place, arrays)
            return
        stored = Learnt(self._prefix, self._fields, np.arange(len(place)), arrays)
        for at in range(0, len(place), _AT_ONCE):
            some = place[at : at + _AT_ONCE]
            self._put(some, stored.of(np.arange(at, at + len(some))))

    def _put(self, place: Ints, arrays: Compact) -> None:
        """Write compact arrays that fit."""
        for field in self._fields:
            if not field.stored:
                self._clear(field, place)
            elif field.beyond:
                self._bytewise[field.name].put(place, self._expanded(field, len(place), arrays))
            else:
                self._arrays[field.name][place] = self._expanded(field, len(place), arrays)

    def _clear(self, field: MemoryField, place: Ints) -> None:
        """Make the numbers of a field at places 0."""
        if field.beyond:
            self._bytewise[field.name].clear(place)
        else:
            self._arrays[field.name][place] = 0

    def _shape(self, field: MemoryField, count: int) -> tuple[int, ...]:
        return (count, self._features, *([field.width] if field.width else []))

    def _check_stored(self, field: MemoryField, count: int, arrays: Compact) -> None:
        """Check a field's compact arrays of `count` series. Raises KeyError and ValueError as `restore` says."""
        name = self._prefix + field.name
        array, shape = arrays[name], self._shape(field, count)
        if array.dtype != np.dtype(field.dtype):
            raise ValueError(f"{name} is of {array.dtype} instead of {np.dtype(field.dtype)}")
        if field.most is not None and array.size and not 0 <= array.min() <= array.max() <= field.most:
            raise ValueError(f"{name} is up to {array.max()}, and {field.most} is the most")
        if not (field.length or field.sparse):
            if array.shape != shape:
                raise ValueError(f"{name} has the shape {array.shape} instead of {shape}")
            return
        lengths = arrays[self._prefix + field.length if field.length else name + _LENGTHS]
        if (
            lengths.shape != shape[:2]
            or array.ndim != 1
            or not np.issubdtype(lengths.dtype, np.unsignedinteger)
            or lengths.sum(dtype=np.int64) != len(array)
            or lengths.max(initial=0) > field.width
        ):
            raise ValueError(f"{name} has {array.shape} numbers and {lengths.shape} lengths for {shape}")
        if field.length:
            return
        places = arrays[name + _PLACES]
        if places.shape != array.shape or not np.issubdtype(places.dtype, np.unsignedinteger):
            raise ValueError(f"{name} has {array.shape} numbers at {places.shape} places of {places.dtype}")
        if places.max(initial=0) >= field.width:
            raise ValueError(f"{name} has a place {places.max()} of {field.width}")
        if field.beyond:
            ends = np.concatenate([[0], np.cumsum(lengths.ravel(), dtype=np.intp)])
            beyond = np.diff(
                np.asarray(np.searchsorted(np.flatnonzero(np.greater(array, MOST_BYTE)), ends), dtype=np.int64)
            )
            if beyond.max(initial=0) > field.beyond:
                raise ValueError(
                    f"{name} has {beyond.max()} numbers beyond {MOST_BYTE}, and {field.beyond} is the most"
                )

    def _expanded(self, field: MemoryField, count: int, arrays: Compact) -> AnyArray:
        """Return the whole array of a field's compact arrays of `count` series."""
        name = self._prefix + field.name
        array = arrays[name]
        if not (field.length or field.sparse):
            return array
        whole = np.zeros(self._shape(field, count), field.dtype)
        if field.length:
            whole[self._leading(field, arrays[self._prefix + field.length])] = array
            return whole
        places, lengths = arrays[name + _PLACES], arrays[name + _LENGTHS]
        channel = np.repeat(np.arange(lengths.size), lengths.astype(np.intp).ravel())
        whole.reshape(-1, field.width)[channel, places] = array
        return whole


@dataclass(frozen=True)
class Learnt:
    """What training taught each series.

    Attributes:
        prefix: of the memory.
        fields: of the memory.
        stored: which of the stored series each row begins as, shape (s + 1,); row 0 is an unseen series.
        arrays: what `Memory.kept` returned of the stored series.
    """

    prefix: str
    fields: Sequence[MemoryField]
    stored: Ints
    arrays: Compact

    def of(self, row: Ints) -> dict[str, AnyArray]:
        """Return what the series at rows begin with, as `Memory.restore` takes it.

        Args:
            row: the rows, shape (n,).

        Returns:
            Compact arrays of n series.
        """
        stored = self.stored[row]
        taken: dict[str, AnyArray] = {}
        for field in self.fields:
            if not field.stored:
                continue
            name = self.prefix + field.name
            if not (field.length or field.sparse):
                taken[name] = self.arrays[name][stored]
                continue
            bounds = self.bounds_of(field)[:: self._features(field)]
            begins, ends = bounds[stored], bounds[stored + 1]
            sizes = ends - begins
            # Positions of the rows' numbers, one row after the other.
            position = np.arange(sizes.sum()) + np.repeat(ends - np.cumsum(sizes), sizes)
            taken[name] = self.arrays[name][position]
            if field.sparse:
                taken[name + _PLACES] = self.arrays[name + _PLACES][position]
                taken[name + _LENGTHS] = self.arrays[name + _LENGTHS][stored]
        return taken

    def _features(self, field: MemoryField) -> int:
        """Return the number d of features."""
        return int(self.arrays[self.prefix + (field.length or field.name + _LENGTHS)].shape[1])

    @property
    def count(self) -> int:
        """The number of stored series."""
        whole = next(field for field in self.fields if field.stored and not (field.length or field.sparse))
        return len(self.arrays[self.prefix + whole.name])

    def bounds_of(self, field: MemoryField) -> Ints:
        """Return where the numbers of each stored channel begin, and the last one's end, of a field of many lengths.

        Args:
            field: the field.

        Returns:
            Positions, shape (stored series * d + 1,).
        """
        lengths_name = field.length or field.name + _LENGTHS
        if lengths_name not in self._bounds:
            lengths = self.arrays[self.prefix + lengths_name]
            self._bounds[lengths_name] = np.concatenate([[0], np.cumsum(lengths.ravel(), dtype=np.intp)])
        return self._bounds[lengths_name]

    def beyond_a_byte(self, field: MemoryField) -> Ints:
        """Return the positions of a field's stored numbers that are beyond a byte, ascending."""
        name = self.prefix + field.name
        if name not in self._beyond:
            self._beyond[name] = np.flatnonzero(np.greater(self.arrays[name], MOST_BYTE))
        return self._beyond[name]

    @cached_property
    def _beyond(self) -> dict[str, Ints]:
        """What `beyond_a_byte` has returned, by name."""
        return {}

    @cached_property
    def _bounds(self) -> dict[str, Ints]:
        """What `bounds_of` has returned, by the name of the lengths."""
        return {}

    def kept(self) -> dict[str, AnyArray]:
        """Return all as arrays by name."""
        return {f"{self.prefix}stored": self.stored.astype(np.int32), **self.arrays}

    @classmethod
    def from_arrays(cls, prefix: str, fields: Sequence[MemoryField], arrays: Compact) -> "Learnt":
        """Make what `kept` returned.

        Args:
            prefix: of the memory.
            fields: of the memory.
            arrays: what `kept` returned, and perhaps others.

        Returns:
            What training taught.

        Raises:
            KeyError: an array is missing.
        """
        taken = {}
        for field in fields:
            if field.stored:
                name = prefix + field.name
                for each in (name, name + _PLACES, name + _LENGTHS) if field.sparse else (name,):
                    taken[each] = arrays[each]
        return cls(prefix, fields, np.asarray(arrays[f"{prefix}stored"], dtype=np.intp), taken)


def windows(place: Ints, begin_ns: Times, x: Floats) -> tuple[Ints, Times, Floats]:
    """Copy windows into arrays as the compiled loops take them.

    Args:
        place: places of the windows' series, shape (n,).
        begin_ns: begins, shape (n,), nanoseconds since 1970.
        x: features, shape (n, d).

    Returns:
        The three, contiguous and writable, with features as far as a float32 reaches.

    Raises:
        ValueError: their numbers differ.
    """
    if not len(place) == len(begin_ns) == len(x):
        raise ValueError(f"{len(place)} places, {len(begin_ns)} begins, {len(x)} windows")
    return (
        np.array(place, dtype=np.intp, order="C"),
        np.array(begin_ns, dtype=np.int64, order="C"),
        np.ascontiguousarray(within_float32(x), dtype=np.float64),
    )


def marks(mask: Bools | None, count: int) -> Marks:
    """Return a mask, shape (n,), as the compiled loops take it; `count` zeros for None."""
    return np.zeros(count, dtype=np.uint8) if mask is None else np.array(mask, dtype=np.uint8, order="C")


def within_float32(values: Floats) -> Floats:
    """Return values as far as a float32 reaches; NaN stays."""
    return np.clip(values, -_MOST_VALUE, _MOST_VALUE)
