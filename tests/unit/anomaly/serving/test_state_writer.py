"""The thread that writes states: one at a time, each part under the lock, and every failure is told."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from anomaly.scoring.periods import rules
from anomaly.scoring.state_file import StateError, StateFile, StateHeader
from anomaly.serving.state_writer import StateWriter, Written
from anomaly.windows.arrays import AnyArray
from tests.unit.anomaly.printers import PIPELINE

HEADER = StateHeader.of(PIPELINE, rules(PIPELINE), "v1", 5)


class Lock:
    """Counts how often it is held, and by whom."""

    def __init__(self) -> None:
        self.holder: str | None = None
        self.count = 0

    def __enter__(self) -> None:
        self.holder, self.count = threading.current_thread().name, self.count + 1

    def __exit__(self, *_: object) -> None:
        self.holder = None


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path, "printer")


def part(number: int) -> dict[str, AnyArray]:
    return {f"part{number}_values": np.full(3, number)}


def test_each_part_is_made_under_the_lock_and_written_without_it(
    file: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lock()
    writer = StateWriter(file, lock)
    holders: list[str | None] = []
    written: list[str | None] = []
    write_array = np.lib.format.write_array

    def noted(*args: object, **more: object) -> None:
        written.append(lock.holder)
        write_array(*args, **more)  # type: ignore[arg-type]

    def parts() -> Iterator[dict[str, AnyArray]]:
        for number in range(3):
            holders.append(lock.holder)
            yield part(number)

    monkeypatch.setattr("anomaly.scoring.state_file.np.lib.format.write_array", noted)
    writer.begin(HEADER, parts())
    writer.wait()

    (outcome,) = writer.outcomes()
    assert isinstance(outcome, Written)
    assert outcome.size == file.path.stat().st_size
    assert holders == ["state"] * 3
    assert written == [None] * 4
    assert writer.outcomes() == []


def test_each_part_lets_scoring_that_is_behind_go_first(file: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock()
    writer = StateWriter(file, lock)
    asked: list[int] = []
    monkeypatch.setattr(writer.may_go_on, "wait", lambda seconds: asked.append(lock.count))

    writer.begin(HEADER, iter([part(0), part(1)]))
    writer.wait()

    assert asked == [0, 1, 2]


def test_the_end_does_not_wait_for_scoring_that_is_behind(file: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly.serving.state_writer._GIVE_WAY_S", 3_600.0)
    writer = StateWriter(file, Lock())
    writer.may_go_on.clear()

    writer.begin(HEADER, iter([part(0)]))
    writer.stop()
    writer.wait()

    assert writer.outcomes() == []
    assert not file.path.exists()


def test_a_state_is_told_although_somebody_asked_while_it_was_written(file: StateFile) -> None:
    writer = StateWriter(file, Lock())
    made, may_go_on = threading.Event(), threading.Event()

    def parts() -> Iterator[dict[str, AnyArray]]:
        yield part(0)
        made.set()
        may_go_on.wait()

    writer.begin(HEADER, parts())
    assert made.wait(60)
    early = writer.outcomes()
    may_go_on.set()
    writer.wait()

    assert early == []
    (outcome,) = writer.outcomes()
    assert isinstance(outcome, Written)


def test_a_part_that_cannot_be_made_is_told_and_leaves_the_file_before(file: StateFile) -> None:
    writer = StateWriter(file, Lock())
    writer.write(HEADER, iter([part(0)]))

    def parts() -> Iterator[dict[str, AnyArray]]:
        yield part(1)
        raise ZeroDivisionError("odd numbers")

    writer.begin(HEADER, parts())
    writer.wait()

    (outcome,) = writer.outcomes()
    assert isinstance(outcome, StateError)
    assert "cannot be made (ZeroDivisionError('odd numbers')): a restart goes on from the state before" in str(outcome)
    found = file.read(HEADER)
    assert found is not None
    assert list(found[1]) == ["part0_values"]


def test_the_end_of_a_process_gives_up_what_is_being_written(file: StateFile) -> None:
    writer = StateWriter(file, Lock())
    made, may_go_on = threading.Event(), threading.Event()

    def parts() -> Iterator[dict[str, AnyArray]]:
        yield part(0)
        made.set()
        may_go_on.wait()
        yield part(1)
        raise AssertionError("nobody asks for another part")

    writer.begin(HEADER, parts())
    assert made.wait(60)
    writer.begin(HEADER, iter([part(2)]))
    stopping = threading.Thread(target=writer.stop)
    stopping.start()
    while not writer.is_stopping:
        assert stopping.is_alive()
    may_go_on.set()
    stopping.join()
    writer.wait()

    assert writer.outcomes() == []
    assert list(file.path.parent.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told_by_the_thread(tmp_path: Path) -> None:
    writer = StateWriter(StateFile(tmp_path / "missing", "printer"), Lock())

    writer.begin(HEADER, iter([part(0)]))
    writer.wait()

    (outcome,) = writer.outcomes()
    assert isinstance(outcome, StateError)
    assert "cannot be written (No such file or directory)" in str(outcome)


def test_a_writer_that_has_nothing_to_write_ends_at_once(file: StateFile) -> None:
    writer = StateWriter(file, Lock())
    before = (writer.is_stopping, writer.may_go_on.is_set())

    writer.wait()
    writer.stop()

    assert before == (False, True)
    assert (writer.is_stopping, writer.may_go_on.is_set()) == (True, True)
    assert writer.outcomes() == []


def test_states_are_written_one_after_the_other(file: StateFile) -> None:
    writer = StateWriter(file, Lock())
    for number in range(2):
        writer.begin(HEADER, iter([part(number)]))
        writer.wait()
    assert len(writer.outcomes()) == 2
    found = file.read(HEADER)
    assert found is not None
    assert list(found[1]) == ["part1_values"]


def test_a_state_that_is_written_at_once_tells_its_size_and_how_long_it_took(file: StateFile) -> None:
    written = StateWriter(file, Lock()).write(HEADER, iter([part(0)]))
    assert written.size == file.path.stat().st_size
    assert 0 <= written.seconds < 600
