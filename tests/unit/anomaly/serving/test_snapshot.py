"""A snapshot is arrays, and nothing else is read as one."""

import zlib

import numpy as np
import pytest

from anomaly.serving.snapshot import pack, unpack


def test_a_snapshot_is_what_was_packed() -> None:
    arrays = {"a": np.arange(5, dtype=np.int64), "b": np.array([[np.nan, 1.5]]), "none": np.empty(0)}

    found = unpack(pack(arrays))

    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize("data", [b"x", zlib.compress(b"x"), zlib.compress((2**40).to_bytes(8) + b"{}")])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, zlib.error, EOFError, OSError)):
        unpack(data)
