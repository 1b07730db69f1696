"""The file of a pipeline's state: whole or not at all, and used only by what it was made for."""

import dataclasses
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from anomaly.scoring.packing import numbered, parts_of
from anomaly.scoring.periods import rules
from anomaly.scoring.state_file import StateError, StateFile, StateHeader, header_of, read_header
from anomaly.windows.arrays import AnyArray
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
    assert state.write(HEADER, [ARRAYS]) == state.path.stat().st_size
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
        ({"layout": 4}, "layout: 4 in the file, 5 here"),
        ({"pipeline": "other"}, "pipeline: 'other' in the file, 'printer' here"),
        ({"fingerprint": "0"}, "fingerprint: '0' in the file"),
        ({"rules": "none"}, "rules: 'none' in the file"),
    ],
)
def test_a_state_of_something_else_is_refused_with_the_difference(
    state: StateFile, change: dict[str, object], named: str
) -> None:
    state.write(dataclasses.replace(HEADER, **change), [ARRAYS])  # type: ignore[arg-type]
    with pytest.raises(StateError) as refused:
        state.read(HEADER)
    assert named in str(refused.value)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(state: StateFile, part: float) -> None:
    state.write(HEADER, [ARRAYS])
    content = state.path.read_bytes()
    state.path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(StateError, match="is damaged"):
        state.read(HEADER)


def test_a_changed_byte_of_an_array_is_refused(state: StateFile) -> None:
    state.write(HEADER, [{"values": np.full(1_000, 3.25)}])
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


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_objects_among_the_arrays_are_never_unpickled(state: StateFile, tmp_path: Path) -> None:
    made, text = tmp_path / "made", np.frombuffer(json.dumps(dataclasses.asdict(HEADER)).encode(), dtype=np.uint8)
    with state.path.open("wb") as file:
        np.savez(file, allow_pickle=True, header=text, values=np.array([Touches(made)], dtype=object))
    found = state.read(HEADER)
    assert found is not None
    with pytest.raises(ValueError, match="allow_pickle"):
        found[1]["values"]
    assert not made.exists()


def test_objects_are_not_written(state: StateFile) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        state.write(HEADER, [{"values": np.array([object()], dtype=object)}])
    assert not state.path.exists()


def test_a_failed_write_leaves_the_state_before(state: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    state.write(HEADER, [ARRAYS])

    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anomaly.scoring.state_file.np.lib.format.write_array", full)
    with pytest.raises(StateError, match="No space left on device"):
        state.write(dataclasses.replace(HEADER, model="v2"), [])
    monkeypatch.undo()
    found = state.read(HEADER)
    assert found is not None
    assert found[0].model == "v1"
    assert [path.name for path in state.path.parent.iterdir()] == ["printer.npz"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"missing/printer\.npz cannot be written \(No such file or directory\)"):
        StateFile(tmp_path / "missing", "printer").write(HEADER, [ARRAYS])


def test_parts_are_written_one_after_the_other(state: StateFile) -> None:
    asked: list[int] = []

    def parts() -> Iterator[dict[str, AnyArray]]:
        for number in range(3):
            asked.append(len(list(state.path.parent.glob(".*"))))
            yield {f"part{number}_values": np.full(4, number)}

    state.write(HEADER, parts())

    found = state.read(HEADER)
    assert found is not None
    assert [int(found[1][f"part{number}_values"][0]) for number in range(3)] == [0, 1, 2]
    assert asked == [1, 1, 1]


def test_one_part_is_in_memory_at_a_time(state: StateFile) -> None:
    megabyte = np.ones(2**17)
    state.write(HEADER, numbered({"values": megabyte + number} for number in range(40)))
    tracemalloc.start()

    found = state.read(HEADER)
    assert found is not None
    sums = [float(part["values"].sum()) for part in parts_of(found[1])]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sums == [2.0**17 * (1 + number) for number in range(40)]
    assert peak < 6 * megabyte.nbytes


def test_a_state_is_read_to_its_end_although_another_one_takes_its_place(state: StateFile) -> None:
    state.write(HEADER, [ARRAYS])
    found = state.read(HEADER)
    state.write(HEADER, [{"values": np.zeros(1)}])
    assert found is not None
    np.testing.assert_array_equal(found[1]["values"], ARRAYS["values"])


def test_what_a_killed_process_left_behind_is_removed(state: StateFile) -> None:
    (state.path.parent / ".printer.npz-x1y2").write_bytes(b"half a state")
    state.write(HEADER, [ARRAYS])
    assert [path.name for path in state.path.parent.iterdir()] == ["printer.npz"]


def test_the_header_of_a_state_is_read_alone(state: StateFile) -> None:
    assert read_header(state.path.parent, "printer") is None
    state.write(HEADER, [ARRAYS])
    assert read_header(state.path.parent, "printer") == HEADER
    state.path.write_bytes(b"no archive")
    with pytest.raises(StateError, match=r"printer\.npz is damaged \(.*\): the next snapshot replaces it"):
        read_header(state.path.parent, "printer")


def test_what_a_later_release_adds_to_a_header_does_not_hide_its_layout() -> None:
    text = json.dumps({**dataclasses.asdict(HEADER), "layout": 9, "more": 1})
    assert header_of(text.encode()) == dataclasses.replace(HEADER, layout=9)


def test_a_state_has_as_many_arrays_as_were_written(state: StateFile) -> None:
    state.write(HEADER, [ARRAYS])
    found = state.read(HEADER)
    assert found is not None
    assert len(found[1]) == len(list(found[1])) == 3


def test_what_another_pipeline_is_writing_is_left_alone(state: StateFile) -> None:
    others = state.path.parent / ".printer-2.npz-x1y2"
    others.write_bytes(b"half a state")
    state.write(HEADER, [ARRAYS])
    assert others.exists()


def test_states_are_exchangeable_within_a_pipeline_its_rules_and_its_lateness() -> None:
    later = dataclasses.replace(HEADER, model="v2", written_ns=9)
    patient = StateHeader.of(dataclasses.replace(PIPELINE, lateness="99s"), rules(PIPELINE), "v1", 5)
    assert HEADER.made_for == later.made_for
    assert HEADER.differences(later) == []
    assert HEADER.rules != patient.rules
