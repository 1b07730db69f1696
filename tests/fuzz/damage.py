"""Strategies that hurt a valid input in one or more places: bytes, documents of JSON, and arrays by name."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from anomaly.pipeline import normalize
from anomaly.windows.arrays import AnyArray
from tests.unit.anomaly import printers

(PIPELINE,) = normalize([{**printers.PIPELINE.as_dict(), "detector": "ensemble", "parameters": {"trees": 20}}])
Arrays = Mapping[str, AnyArray]

TEXT = st.text(max_size=12)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -1, 2**31, 2**63, 1e308, "", "..", "a/b", "\x00", "ü"]),
    TEXT,
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
_DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64", "complex128", "U3", "S3", "M8[ns]")
_FILLS = (0, 1, -1, 2, 255, 2**31 - 1, 2**62, -(2**62), np.nan, np.inf, -np.inf, 1e308)


@st.composite
def hurt_bytes(draw: st.DrawFn, valid: bytes) -> bytes:
    """Draw bytes with some of them changed, taken out, put in, repeated or cut off."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("change", "remove", "insert", "repeat", "cut"))):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "remove":
                del data[at : at + draw(st.integers(1, 64))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 64))]
            case _:
                del data[at:]
    return bytes(data)


@st.composite
def hurt_json(draw: st.DrawFn, valid: Any) -> Any:
    """Draw a document of JSON in which another value takes the place of one somewhere, or one is missing."""
    if isinstance(valid, dict) and valid and draw(st.integers(0, 9)):
        name = draw(st.sampled_from(sorted(valid)))
        if not draw(st.integers(0, 9)):
            return {other: value for other, value in valid.items() if other != name}
        return {**valid, name: draw(hurt_json(valid[name]))}
    if isinstance(valid, list) and valid and draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(valid) - 1))
        inside = [draw(hurt_json(valid[at]))] * draw(st.sampled_from((0, 1, 1, 1, 2)))
        return [*valid[:at], *inside, *valid[at + 1 :]]
    return draw(JSON)


@st.composite
def hurt_arrays(draw: st.DrawFn, valid: Arrays) -> dict[str, AnyArray]:
    """Draw arrays of which some are missing, or have another type, shape or content."""
    arrays = dict(valid)
    for name in draw(st.lists(st.sampled_from(sorted(valid)), min_size=1, max_size=3, unique=True)):
        hurt = draw(_hurt_array(arrays.pop(name)))
        if hurt is not None:
            arrays[name] = hurt
    return arrays


@st.composite
def _hurt_array(draw: st.DrawFn, array: AnyArray) -> AnyArray | None:
    """Draw another array in the place of one; None takes it away."""
    kinds = ["missing", "type", "shape", "fill", "element"]
    document = _document(array)
    match draw(st.sampled_from(kinds if document is None else ["document"] * 4 + kinds)):
        case "document":
            text = json.dumps(draw(hurt_json(document))) if draw(st.booleans()) else draw(TEXT)
            return np.frombuffer(text.encode(), dtype=np.uint8)
        case "missing":
            return None
        case "type":
            with np.errstate(all="ignore"):
                try:
                    return array.astype(draw(st.sampled_from(_DTYPES)))
                except (TypeError, ValueError):
                    return None
        case "shape":
            return _shaped(draw, array)
        case "fill":
            return _filled(array, draw(st.sampled_from(_FILLS)), ...)
        case _:
            if array.size == 0:
                return None
            return _filled(array, draw(st.sampled_from(_FILLS)), draw(st.integers(0, array.size - 1)))


def _shaped(draw: st.DrawFn, array: AnyArray) -> AnyArray:
    """Return an array with another shape."""
    match draw(st.sampled_from(("empty", "shorter", "longer", "flat", "deeper", "wider", "scalar"))):
        case "empty":
            return array.ravel()[:0]
        case "shorter":
            return array[:-1] if array.ndim else array
        case "longer":
            return np.concatenate([array, array[:1]]) if array.ndim else array[None]
        case "flat":
            return array.ravel()
        case "deeper":
            return array[None]
        case "wider":
            return np.concatenate([array, array], axis=-1) if array.ndim else array[None]
        case _:
            return np.zeros((), dtype=array.dtype)


def _filled(array: AnyArray, value: float, where: Any) -> AnyArray:
    """Return an array with another value in one place, or in all of them, as near to it as its type allows."""
    filled = array.copy()
    with np.errstate(all="ignore"):
        try:
            filled.reshape(-1)[where] = np.array(value).astype(array.dtype)
        except (OverflowError, TypeError, ValueError):
            filled.reshape(-1)[where] = 0
    return filled


def _document(array: AnyArray) -> Any:
    """Return the document of JSON that an array holds; None if it holds none."""
    if array.dtype != np.uint8 or array.ndim != 1 or not array.size:
        return None
    try:
        return json.loads(array.tobytes())
    except ValueError:
        return None


def a_share(parts: int) -> settings:
    """Return settings with one of several parts of the usual number of examples, for targets that are slow or many."""
    return settings(max_examples=max(1, settings().max_examples // parts))
