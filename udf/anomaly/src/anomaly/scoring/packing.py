"""What a state is made of, as plain arrays by name: documents of JSON, keys of series, and the parts of modules.

What followers remember, and the keys of series, are arrays over series. Documents hold what is small for each series.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from anomaly.windows.arrays import AnyArray, Key

_BYTES, _LENGTHS = "key_bytes", "key_lengths"
# Begins the names of the arrays of a numbered part.
_PART = "part"
Arrays = Mapping[str, AnyArray]


def text(document: Any) -> AnyArray:
    """Return what JSON can write as an array of bytes."""
    return np.frombuffer(json.dumps(document, separators=(",", ":")).encode(), dtype=np.uint8)


def document(array: AnyArray) -> Any:
    """Return what `text` made an array of.

    Args:
        array: the array.

    Raises:
        ValueError: the array is not JSON.
    """
    return json.loads(array.tobytes())


def keys_as_arrays(keys: Sequence[Key]) -> dict[str, AnyArray]:
    """Return the keys of n series as two arrays: their bytes, and the length of each value, shape (n, tags)."""
    values = [[value.encode() for value in key] for key in keys]
    tags = len(keys[0]) if keys else 0
    lengths = np.array([len(value) for key in values for value in key], dtype=np.int32).reshape(len(keys), tags)
    return {
        _BYTES: np.frombuffer(b"".join(value for key in values for value in key), dtype=np.uint8),
        _LENGTHS: lengths,
    }


def keys_of(arrays: Arrays) -> list[Key]:
    """Return the keys that `keys_as_arrays` made arrays of.

    Args:
        arrays: these arrays, and perhaps others.

    Returns:
        The keys, in their order.

    Raises:
        KeyError: an array is missing.
        ValueError: the arrays do not fit each other, or a key is there twice.
    """
    content, lengths = arrays[_BYTES].tobytes(), arrays[_LENGTHS]
    if lengths.ndim != 2 or lengths.dtype != np.int32 or lengths.min(initial=0) < 0:
        raise ValueError(f"the lengths of the keys are {lengths.shape} of {lengths.dtype}")
    ends = np.cumsum(lengths.ravel(), dtype=np.int64)
    if len(content) != (ends[-1] if len(ends) else 0):
        raise ValueError(f"the keys have {len(content)} bytes, and their lengths say otherwise")
    bounds = [0, *ends.tolist()]
    values = [content[begin:end].decode() for begin, end in pairwise(bounds)]
    tags = lengths.shape[1]
    keys = [tuple(values[at * tags : (at + 1) * tags]) for at in range(len(lengths))]
    if len(set(keys)) != len(keys):
        raise ValueError("a series is there twice")
    return keys


def prefixed(prefix: str, arrays: Arrays) -> dict[str, AnyArray]:
    """Return arrays with a prefix before their names, so that several modules share one state."""
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def part_of(arrays: Arrays, prefix: str) -> dict[str, AnyArray]:
    """Return the arrays to which `prefixed` gave a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def numbered(parts: Iterable[Arrays]) -> Iterator[dict[str, AnyArray]]:
    """Yield the parts of a state with their numbers before their names, so that one file holds all of them.

    Args:
        parts: the parts, which may have equal names; those without any array are left out.
    """
    yield from (prefixed(f"{_PART}{number}_", part) for number, part in enumerate(part for part in parts if part))


def parts_of(arrays: Arrays) -> Iterator[dict[str, AnyArray]]:
    """Yield the parts to which `numbered` gave numbers, in their order.

    Args:
        arrays: the arrays of all parts, and perhaps others.
    """
    parts: dict[int, dict[str, str]] = {}
    for name in arrays:
        number, separator, own_name = name.removeprefix(_PART).partition("_")
        if name.startswith(_PART) and separator and number.isdecimal():
            parts.setdefault(int(number), {})[own_name] = name
    # An archive reads an array when it is asked for it, so only one part is in memory.
    for _, names in sorted(parts.items()):
        yield {own_name: arrays[name] for own_name, name in names.items()}
