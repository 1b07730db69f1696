"""The names of array types and of a series' key, and how arrays are cut into runs, once for the whole package."""

import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# Positions in other arrays.
Ints = NDArray[np.intp]
# Nanoseconds since 1970.
Times = NDArray[np.int64]
# Nodes and leaves of a forest, which has millions of them.
Int32s = NDArray[np.int32]
# What a model's file holds: arrays of any kind.
AnyArray = NDArray[np.generic]
# Integers of any width; forests are stored with narrow ones.
AnyInts = NDArray[np.signedinteger[Any]]

# A series' tag values, in `group_by`'s order.
Key = tuple[str, ...]

# What reading arrays from a damaged file raises, and what using arrays raises that do not fit each other.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

# No time: before any other.
NEVER = np.iinfo(np.int64).min


def changes(*columns: AnyArray) -> Bools:
    """Return which entries differ from the one before in any of some columns, shape (m,); the first one does."""
    differs = np.ones(len(columns[0]), dtype=np.bool_)
    np.not_equal(columns[0][1:], columns[0][:-1], out=differs[1:])
    for column in columns[1:]:
        differs[1:] |= column[1:] != column[:-1]
    return differs


def groups(labels: AnyArray) -> list[Ints]:
    """Return the positions of the entries of each label, in their order, by ascending labels."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(changes(labels[order]))[1:]) if len(order) else []


def rounds(labels: AnyArray) -> list[Ints]:
    """Return the positions of all entries in parts: the k-th part has the k-th entry of each label.

    Args:
        labels: shape (n,).

    Returns:
        The parts, each ascending.
    """
    order = np.argsort(labels, kind="stable")
    at = np.arange(len(order))
    first = np.maximum.accumulate(np.where(changes(labels[order]), at, 0)) if len(order) else at
    rank = np.empty_like(at)
    rank[order] = at - first
    return groups(rank)
