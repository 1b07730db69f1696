"""The file of a pipeline's state: whole or not at all, and used only by what it was made for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from anomaly.scoring.periods import rules
from anomaly.scoring.state_file import StateError, StateFile, StateHeader
from tests.unit.anomaly.printers import PIPELINE

HEADER = StateHeader.of(PIPELINE, rules(PIPELINE), "v1", 5)
ARRAYS = {
    "values": np.arange(12.0).reshape(3, 4),
    "counts": np.zeros((0, 3), dtype=np.uint16),
    "times": np.array([2**62], dtype=np.int64),
}


@pytest.fixture
def state(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path, "printer")


def test_a_state_is_read_as_it_was_written(state: StateFile) -> None:
    assert state.write(HEADER, ARRAYS) == state.path.stat().st_size
    found = state.read(dataclasses.replace(HEADER, model=None, written_ns=9))
    assert found is not None
    header, arrays = found
    assert header == HEADER
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_without_a_file_there_is_no_state(state: StateFile) -> None:
    assert state.read(HEADER) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"layout": 3}, "layout: 3 in the file, 2 here"),
        ({"pipeline": "other"}, "pipeline: 'other' in the file, 'printer' here"),
        ({"fingerprint": "0"}, "fingerprint: '0' in the file"),
        ({"rules": "none"}, "rules: 'none' in the file"),
    ],
)
def test_a_state_of_something_else_is_refused_with_the_difference(
    state: StateFile, change: dict[str, object], named: str
) -> None:
    state.write(dataclasses.replace(HEADER, **change), ARRAYS)  # type: ignore[arg-type]
    with pytest.raises(StateError) as refused:
        state.read(HEADER)
    assert named in str(refused.value)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(state: StateFile, part: float) -> None:
    state.write(HEADER, ARRAYS)
    content = state.path.read_bytes()
    state.path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(StateError, match="is damaged"):
        state.read(HEADER)


def test_a_changed_byte_of_an_array_is_refused(state: StateFile) -> None:
    state.write(HEADER, {"values": np.full(1_000, 3.25)})
    content = bytearray(state.path.read_bytes())
    place = content.index(np.full(100, 3.25).tobytes())
    content[place + 40] ^= 1
    state.path.write_bytes(content)
    with pytest.raises(StateError, match="is damaged"):
        state.read(HEADER)


def test_a_file_of_objects_is_refused(state: StateFile) -> None:
    np.savez(state.path, header=np.array([{"layout": 1}], dtype=object))
    with pytest.raises(StateError, match="is damaged"):
        state.read(HEADER)


def test_a_failed_write_leaves_the_state_before(state: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    state.write(HEADER, ARRAYS)

    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anomaly.scoring.state_file.np.savez", full)
    with pytest.raises(StateError, match="No space left on device"):
        state.write(dataclasses.replace(HEADER, model="v2"), {})
    monkeypatch.undo()
    found = state.read(HEADER)
    assert found is not None
    assert found[0].model == "v1"
    assert [path.name for path in state.path.parent.iterdir()] == ["printer.npz"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"missing/printer\.npz cannot be written \(No such file or directory\)"):
        StateFile(tmp_path / "missing", "printer").write(HEADER, ARRAYS)
