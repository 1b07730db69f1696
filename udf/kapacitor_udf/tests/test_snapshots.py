import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapacitor_udf import _snapshots as snapshots
from kapacitor_udf._errors import SnapshotError

WRAPPED = snapshots.wrap(b"state", version=3, key="options")


@given(st.binary(min_size=1, max_size=100), st.integers(0, 2**32 - 1), st.text(max_size=20))
def test_what_was_wrapped_comes_back(data: bytes, version: int, key: str) -> None:
    wrapped = snapshots.wrap(data, version=version, key=key)
    assert snapshots.unwrap(wrapped, version=version, key=key) == data
    assert len(wrapped) == len(data) + 30


def test_nothing_stays_nothing() -> None:
    assert snapshots.wrap(b"", version=1, key="") == b""


@pytest.mark.parametrize(
    "snapshot, version, key, says",
    [
        (b"", 3, "options", "not written by this library"),
        (b"x" * 100, 3, "options", "not written by this library"),
        (WRAPPED[:20], 3, "options", "not written by this library"),
        (WRAPPED, 4, "options", "layout version 3, this handler reads version 4"),
        (WRAPPED, 3, "other", "other options"),
        (WRAPPED[:-1], 3, "options", "damaged"),
        (WRAPPED[:-1] + b"x", 3, "options", "damaged"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_difference(snapshot: bytes, version: int, key: str, says: str) -> None:
    with pytest.raises(SnapshotError, match=says):
        snapshots.unwrap(snapshot, version=version, key=key)


def test_a_snapshot_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LARGEST", 10)
    with pytest.raises(SnapshotError, match="11 bytes, at most 10"):
        snapshots.wrap(b"x" * 11, version=1, key="")
