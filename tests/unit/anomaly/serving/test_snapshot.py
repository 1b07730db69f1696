"""A snapshot is arrays, and nothing else is read as one."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from anomaly.serving.snapshot import is_reference, pack, reference, unpack


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


def test_objects_are_not_packed() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        pack({"objects": np.array([object()], dtype=object)})


def test_a_snapshot_is_packed_at_the_quickest_level() -> None:
    # The second byte says which of zlib's levels it was.
    assert pack({"a": np.zeros(3)})[:2] == zlib.compress(b"", 1)[:2] != zlib.compress(b"", 2)[:2]


def test_a_snapshot_is_small() -> None:
    assert len(pack({"zeros": np.zeros(10_000)})) < 2_000


def test_a_reference_names_the_file_of_a_state_and_is_told_from_arrays() -> None:
    data = reference(Path("/somewhere/printer.npz"))
    assert json.loads(data) == {"state": "printer.npz"}
    assert [is_reference(each) for each in (data, pack({"a": np.zeros(3)}), b"")] == [True, False, False]
