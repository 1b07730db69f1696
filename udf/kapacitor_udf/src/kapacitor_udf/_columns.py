"""Columns: arrays become the fields of points, without an object for each. It needs numpy, so it is imported when used.

A column is an array with a value for each row, or one value for all rows. The general path's meaning holds: a row is
the point that `encode_point` makes of its head, its time and its values. Fields that all points have are encoded once.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._data import FieldValue
from ._loops import PointWriter
from ._point_head import PointHead
from ._uncompiled import BOOLEAN, DOUBLE, INTEGER, STRING
from ._wire import encode_fields

TAGS: Mapping[type, int] = {float: DOUBLE, int: INTEGER, str: STRING, bool: BOOLEAN}
"""The maps of a point by the type of their values."""
LARGEST = 2**63 - 1
"""The largest integer that can be sent."""
_KINDS: Mapping[str, type] = {"f": float, "i": int, "u": int, "b": bool}
# A cell without text; the compiled part knows the same number.
NO_TEXT = 2**64 - 1


class Encoded(NamedTuple):
    """Encoded points.

    Attributes:
        frames: whole frames.
        points: the number of points in them.
        dropped_fields: the number of fields that were left out because they are not finite.
        dropped_points: the number of points that were left out because no field remained.
    """

    frames: bytes
    points: int
    dropped_fields: int
    dropped_points: int


class _Cells(NamedTuple):
    """A column that is ready to be written.

    Attributes:
        tag: the map that it belongs into.
        cells: the 64 bits of each value, or its index among the texts, shape (n,).
        present: whether each value is there, booleans, shape (n,).
    """

    tag: int
    cells: npt.NDArray[np.uint64]
    present: npt.NDArray[np.bool_]


def encode_points(
    heads: PointHead | Sequence[PointHead],
    times: npt.ArrayLike,
    columns: Mapping[str, object],
) -> Encoded:
    """Encode a point for each of n rows. NaN and None add nothing; infinite values are left out and counted.

    Args:
        heads: one for each row, or one for all rows.
        times: nanoseconds since the epoch, integers, shape (n,), or one for all rows.
        columns: for each field by name its values, shape (n,), or one value for all rows.

    Raises:
        TypeError: A value is of a type that cannot be sent; the message names it.
        ValueError: Shapes differ, or a value cannot be sent; the message names it.
    """
    arrays = {name: _array(name, given) for name, given in columns.items()}
    moments = np.asarray(times)
    sizes = {"times": moments.shape, **{f"field {name!r}": array.shape for name, array in arrays.items()}}
    if not isinstance(heads, PointHead):
        sizes["heads"] = (len(heads),)
    rows = next((shape[0] for shape in sizes.values() if shape), 1)
    for what, shape in sizes.items():
        if shape not in ((), (rows,)):
            raise ValueError(f"{what}: the shape is {shape}, expected ({rows},), one for each row")
    if moments.dtype.kind not in "iu" and rows:
        raise TypeError(f"times are of the type {moments.dtype}, expected integer nanoseconds since the epoch")
    texts: list[bytes] = []
    common: dict[str, FieldValue] = {}
    own: dict[bytes, _Cells] = {}
    dropped = 0
    for name, array in arrays.items():
        if array.shape == ():
            value = array.item()
            if value is None or value != value:  # noqa: PLR0124 - NaN is not equal to itself
                continue
            common[name] = value
            continue
        cells, more = _cells(name, array, texts)
        dropped += more
        if cells is not None:
            own[utf8("a field's name", name)] = cells
    infinite: list[str] = []
    tail = encode_fields(common, infinite)
    matrix, present = np.zeros((rows, len(own)), np.uint64), np.zeros((rows, len(own)), np.uint8)
    for index, (_, each, there) in enumerate(own.values()):
        matrix[:, index] = each
        present[:, index] = there
    frames, points = _writer(tuple((cells.tag, name) for name, cells in own.items())).write(
        [heads.encoded] if isinstance(heads, PointHead) else [_encoded(head) for head in heads],
        tail,
        np.broadcast_to(moments.astype(np.int64), (rows,)).copy(),
        matrix,
        present,
        texts,
    )
    return Encoded(frames, points, dropped + len(infinite) * rows, rows - points)


@lru_cache(maxsize=64)
def _writer(columns: tuple[tuple[int, bytes], ...]) -> PointWriter:
    return PointWriter(columns)


def _encoded(head: object) -> bytes:
    if not isinstance(head, PointHead):
        raise TypeError(f"heads hold {head!r:.100}, expected PointHeads")
    return head.encoded


def _array(name: object, given: Any) -> npt.NDArray[Any]:
    """A column as an array; one of texts, or of values and None, holds objects."""
    if not isinstance(name, str):
        raise TypeError(f"columns name the field {name!r:.100}, expected a string")
    array = np.asarray(given)
    if array.dtype.kind == "U":
        # numpy cuts zeros off the end of a text.
        array = np.asarray(given, object)
    if array.dtype.kind != "O" and array.dtype.kind not in _KINDS:
        raise TypeError(f"field {name!r} is of the type {array.dtype}, expected floats, integers, strings or booleans")
    return array


def _cells(name: str, array: npt.NDArray[Any], texts: list[bytes]) -> tuple[_Cells | None, int]:
    """The cells of a column, None if it has no value, and how many values are left out since they are infinite."""
    present = np.ones(len(array), bool)
    if array.dtype.kind == "O":
        values = [value.item() if isinstance(value, np.generic) else value for value in array.tolist()]
        kinds = {type(value) for value in values if value is not None}
        if not kinds:
            return None, 0
        present = np.array([value is not None for value in values])
        if kinds == {str}:
            # Room is made for each text that a cell names, so a cell without one must not name the first.
            cells = np.full(len(array), NO_TEXT, np.uint64)
            for row, text in enumerate(values):
                if text is not None:
                    cells[row] = len(texts)
                    texts.append(utf8(f"field {name!r}", text))
            return _Cells(STRING, cells, present), 0
        if not (kinds <= {float, int} or kinds == {bool}):
            named = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(f"field {name!r} holds values of the types {named}, expected float, int, str or bool alone")
        filled = [0 if value is None else value for value in values]
        dtype = np.float64 if float in kinds else np.bool_ if bool in kinds else np.int64
        try:
            array = np.array(filled, dtype)
        except OverflowError:
            raise ValueError(f"field {name!r} holds {max(filled, key=abs)}, expected integers of 64 bits") from None
    if array.dtype.kind == "f":
        floats = array.astype(np.float64)
        present &= np.isfinite(floats)
        infinite = int(np.isinf(floats).sum())
        return _Cells(DOUBLE, floats.view(np.uint64), present), infinite
    if array.dtype.kind == "b":
        return _Cells(BOOLEAN, array.astype(np.uint64), present), 0
    if array.dtype == np.uint64 and len(array) and array.max() > LARGEST:
        raise ValueError(f"field {name!r} holds {array.max()}, expected integers of 64 bits")
    return _Cells(INTEGER, array.astype(np.int64).view(np.uint64), present), 0


def utf8(what: str, text: str) -> bytes:
    """Encode a text.

    Args:
        what: what it is, for messages.
        text: any text.

    Raises:
        ValueError: It holds half of a character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} is {text!r:.100}, which cannot be encoded: {error}") from error
