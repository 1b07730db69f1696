"""The file of the UDF's state: a restart goes on from it, and what does not fit starts cold and says so."""

import json
import shutil
from pathlib import Path
from threading import Event
from typing import Any, cast

import numpy as np
import pytest

from anomaly.locations import MODELS_VARIABLE, STATE_VARIABLE
from anomaly.models.store import Store
from anomaly.pipeline import normalize
from anomaly.scoring.layout import LAYOUT
from anomaly.scoring.packing import Arrays, part_of, parts_of
from anomaly.scoring.state_file import StateFile, read_header
from anomaly.serving import handler
from anomaly.serving.closing_file import ClosingFile
from anomaly.serving.state_writer import StateWriter
from anomaly.windows.arrays import AnyArray
from kapacitor_udf import Batch, Point
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.served import SECOND_NS, Served
from tests.unit.anomaly.serving.test_handler import T0, batch, blocks, named

SAMPLES = printers.clean(7, 300)
# A fault that is there before and after the restart.
SAMPLES[100:200, 1] += 20 * 0.4
BATCHES = [batch(number, block) for number, block in enumerate(blocks(SAMPLES))]


@pytest.fixture
def folder(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv(STATE_VARIABLE, str(folder))
    return folder


def results(points: list[Point]) -> list[tuple[str, int, dict[str, object]]]:
    return [(point.name, point.time, dict(point.fields)) for point in points if point.name in ("score", "period")]


def whole() -> list[Point]:
    with Served(now_ns=T0) as udf:
        return list(udf.feed(BATCHES))


def test_kapacitor_keeps_a_reference_and_the_file_the_state(folder: Path) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:5])
        assert udf.snapshot()[-30:].endswith(b'{"state": "printer.npz"}')
        (metrics,) = udf.metrics()
    assert metrics.fields["state_bytes"] == (folder / "printer.npz").stat().st_size
    assert float(metrics.fields["state_seconds"]) > 0


def test_a_restart_goes_on_where_the_process_ended(folder: Path) -> None:
    expected = whole()
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:2])
        saved = udf.snapshot()
        # The snapshot does not have these; the file does.
        udf.feed(BATCHES[2:15])
        ended_ns = udf.now_ns
    with Served(now_ns=ended_ns, restore=saved) as udf:
        later = udf.feed(BATCHES[15:])
    first_ns = T0 + 15 * WINDOW_NS
    wanted = [result for result in results(expected) if result[0] == "period" or result[1] >= first_ns]
    scores = [result for result in results(later) if result[0] == "score"]
    assert scores == [result for result in wanted if result[0] == "score"]
    assert results(named(later, "period"))[-1] == results(named(expected, "period"))[-1]


def test_a_process_that_nobody_asked_for_a_snapshot_leaves_the_file_alone(folder: Path) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:2])
        udf.snapshot()
    before = (folder / "printer.npz").read_bytes()
    with Served(now_ns=T0) as replay:
        replay.feed(BATCHES[:9])
    assert (folder / "printer.npz").read_bytes() == before


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_file_that_cannot_be_used_starts_cold(folder: Path, damage: str) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:12])
        saved = udf.snapshot()
    file = folder / "printer.npz"
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:1000])
    with Served(now_ns=T0, restore=saved, strict=False) as udf:
        points = udf.feed(BATCHES[:3])
    assert len(named(points, "score")) == 3
    said = "is not there" if damage == "gone" else "is damaged"
    assert sum(said in line for line in udf.log) == 1


def in_part(second: int) -> list[Point]:
    """Points of a series from a second within a window to the end of the fourth window after it."""
    return [
        Point(time=point.time, fields=point.fields, tags={"printer": "printer-1"}, name="temperature")
        for each in BATCHES[12:16]
        for point in each.points
        if point.time >= T0 + 12 * WINDOW_NS + second * SECOND_NS
    ]


@pytest.mark.parametrize("case", ["the file is gone", "the file does not fit", "Kapacitor has no snapshot"])
def test_a_state_that_is_lost_leaves_a_window_in_part_that_is_named(folder: Path, case: str) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:12])
        saved = udf.snapshot()
    file = folder / "printer.npz"
    if case == "the file is gone":
        file.unlink()
    elif case == "the file does not fit":
        with np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        name = next(name for name in arrays if name.endswith("point_number"))
        np.savez(file, allow_pickle=False, **{**arrays, name: np.zeros(3, dtype=np.int32)})
    restore = None if case == "Kapacitor has no snapshot" else saved

    with Served(now_ns=T0 + 12 * WINDOW_NS + 3 * SECOND_NS, strict=False, restore=restore) as udf:
        found = udf.points(in_part(3))

    assert [point.time for point in named(found, "late")] == [T0 + 12 * WINDOW_NS]


def killed(folder: Path) -> tuple[bytes, list[Point], int]:
    """A process that takes a snapshot within a fault's window, and is killed when the fault's period is over.

    Returns:
        The snapshot, what came of the points, and the clock at the kill.
    """
    state, closings = folder / "printer.npz", folder / "printer.closed"
    with Served(now_ns=T0) as udf:
        said = udf.feed(BATCHES[:12])
        said += udf.points(list(BATCHES[12].points)[:5])
        snapshot, content = udf.snapshot(), state.read_bytes()
        said += udf.points(list(BATCHES[12].points)[5:])
        said += udf.feed(BATCHES[13:29])
        noted, ended_ns = closings.read_bytes(), udf.now_ns
    # A process that is killed writes nothing at its end.
    state.write_bytes(content)
    closings.write_bytes(noted)
    return snapshot, said, ended_ns


def opened(points: list[Point]) -> set[int]:
    return {point.time for point in named(points, "period") if point.fields["state"] == "open"}


def test_a_period_that_is_over_is_not_told_again_after_a_kill(folder: Path) -> None:
    snapshot, before, ended_ns = killed(folder)
    assert named(before, "period")[-1].fields["state"] == "closed"

    with Served(now_ns=ended_ns, restore=snapshot) as udf:
        after = udf.feed(BATCHES[29:])

    assert opened(before)
    assert not opened(before) & opened(after)


def test_a_window_that_was_closed_before_a_kill_keeps_its_score_and_is_named(folder: Path) -> None:
    snapshot, _, ended_ns = killed(folder)

    with Served(now_ns=ended_ns, restore=snapshot) as udf:
        after = udf.feed(BATCHES[29:])

    assert min(point.time for point in named(after, "score")) == T0 + 29 * WINDOW_NS
    assert min(point.time for point in named(after, "late")) == T0 + 12 * WINDOW_NS


def test_without_the_file_of_closings_a_period_is_told_again(folder: Path) -> None:
    snapshot, before, ended_ns = killed(folder)
    (folder / "printer.closed").unlink()

    with Served(now_ns=ended_ns, restore=snapshot) as udf:
        after = udf.feed(BATCHES[29:])

    assert opened(before) & opened(after)


def test_closings_that_cannot_be_noted_are_counted_and_harm_no_score(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:2])
        udf.snapshot()
        monkeypatch.setattr(ClosingFile, "rewrite", refuse)
        scored = named(udf.feed(BATCHES[2:6]), "score")
        assert udf.handler.events.counts["closings that were not noted"] == 3
        monkeypatch.undo()
        udf.feed(BATCHES[6:8])
    assert len(scored) == 4
    assert (folder / "printer.closed").exists()


def test_a_process_before_which_there_was_no_state_names_the_window_in_which_it_began(folder: Path) -> None:
    # Another process was killed before it wrote a state, or there was none.
    with Served(now_ns=T0 + 12 * WINDOW_NS + 3 * SECOND_NS) as udf:
        found = udf.points(in_part(3))

    assert [point.time for point in named(found, "late")] == [T0 + 12 * WINDOW_NS]


def test_another_host_goes_on_from_the_copied_file(folder: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    expected = whole()
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:15])
        saved = udf.snapshot()
        ended_ns = udf.now_ns
    elsewhere = folder.parent / "another host"
    shutil.copytree(folder, elsewhere / "state")
    shutil.copytree(store.models, elsewhere / "models", symlinks=True)
    shutil.rmtree(folder)
    monkeypatch.setenv(STATE_VARIABLE, str(elsewhere / "state"))
    monkeypatch.setenv(MODELS_VARIABLE, str(elsewhere / "models"))

    with Served(now_ns=ended_ns, restore=saved) as udf:
        later = udf.feed(BATCHES[15:])

    first_ns = T0 + 15 * WINDOW_NS
    assert results(named(later, "score")) == [
        result for result in results(expected) if result[0] == "score" and result[1] >= first_ns
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("layout", 1, f"layout: 1 in the file, {LAYOUT} here"), ("pipeline", "other", "pipeline: 'other' in the file")],
)
def test_a_file_of_something_else_starts_cold_and_is_told_once(
    folder: Path, name: str, value: object, said: str
) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:12])
        saved = udf.snapshot()
    with np.load(folder / "printer.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    header = {**json.loads(arrays["header"].tobytes()), name: value}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(folder / "printer.npz", allow_pickle=False, **arrays)

    with Served(now_ns=T0, restore=saved, strict=False) as udf:
        points = udf.feed(BATCHES[:3])

    assert len(named(points, "score")) == 3
    assert sum(said in line for line in udf.log) == 1


def test_the_series_that_had_points_last_are_kept_where_memory_has_become_short(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def feed(udf: Served, second: int, printers: range) -> None:
        for printer in printers:
            tags = {"printer": str(printer)}
            udf.points([Point(time=T0 + second * SECOND_NS, fields={"hotend": 1.0}, tags=tags, name="temperature")])

    with Served(now_ns=T0) as udf:
        feed(udf, 1, range(12))
        feed(udf, 2, range(4))
        saved, now_ns = udf.snapshot(), udf.now_ns
    monkeypatch.setattr("anomaly.serving.handler.most_series", lambda pipeline: 10)

    with Served(now_ns=now_ns, restore=saved) as udf:
        feed(udf, 3, range(1))
        evicted = udf.handler.events.counts["evicted series"]
        kept = {int(printer) for (printer,), _ in udf.handler.groups}

    assert evicted == 12 - len(kept) > 0
    assert kept == {*range(4), *range(4 + evicted, 12)}


def test_a_state_of_other_rules_starts_cold(folder: Path) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:12])
        saved = udf.snapshot()
    (other,) = normalize([{**PIPELINE.as_dict(), "periods": {"open": 90}}])
    with Served(other, now_ns=T0, restore=saved) as udf:
        assert len(named(udf.feed(BATCHES[:3]), "score")) == 3


def test_a_state_that_was_refused_is_replaced_although_no_series_comes(folder: Path) -> None:
    """Else the keeper finds a file that a running UDF does not write."""
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:12])
        saved = udf.snapshot()
    (other,) = normalize([{**PIPELINE.as_dict(), "periods": {"open": 90}}])
    later_ns = T0 + 900 * SECOND_NS
    with Served(other, now_ns=later_ns, restore=saved) as udf:
        kept = udf.snapshot()
        header = read_header(folder, "printer")
        assert header is not None
        assert header.written_ns == later_ns
    with Served(other, now_ns=later_ns, restore=kept) as udf:
        assert sum("goes on from the state of" in line for line in udf.log) == 1


def test_a_snapshot_that_is_asked_for_before_the_restore_leaves_the_file_alone(folder: Path) -> None:
    """Kapacitor asks in this order where the process takes longer to start than the interval of snapshots."""
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:12])
        udf.snapshot()
    before = (folder / "printer.npz").read_bytes()
    with Served(now_ns=T0) as udf:
        assert not udf.snapshot()
    assert (folder / "printer.npz").read_bytes() == before


def test_a_file_that_nothing_restores_is_replaced_after_a_minute(folder: Path) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:12])
        udf.snapshot()
    with Served(now_ns=T0) as udf:
        udf.now_ns += 60 * SECOND_NS
        assert udf.snapshot()
        header = read_header(folder, "printer")
    assert header is not None
    assert header.written_ns == T0 + 60 * SECOND_NS


def test_a_process_without_series_and_without_a_file_writes_none(folder: Path) -> None:
    with Served(now_ns=T0) as udf:
        assert not udf.snapshot()
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_written_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = whole()
    monkeypatch.setenv(STATE_VARIABLE, str(folder / "missing"))
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:15])
        saved = udf.snapshot()
        ended_ns = udf.now_ns
    assert any("cannot be written (No such file or directory)" in line for line in udf.log)
    with Served(now_ns=ended_ns, restore=saved) as udf:
        later = udf.feed(BATCHES[15:])
    first_ns = T0 + 15 * WINDOW_NS
    assert results(named(later, "score")) == [
        result for result in results(expected) if result[0] == "score" and result[1] >= first_ns
    ]


def several(first: int, end: int) -> list[Batch]:
    """Windows of three printers, of which the second is training's."""
    return [
        batch(number, block, {"printer": name})
        for number, block in list(enumerate(blocks(SAMPLES)))[first:end]
        for name in ("printer-1", "printer-2", "another")
    ]


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state of two series is large."""
    monkeypatch.setattr(handler, "_SERIES_AT_ONCE", 1)


def writer(udf: Served) -> StateWriter:
    return cast(StateWriter, udf.handler._state_writer)


@pytest.mark.usefixtures("beside")
def test_a_large_state_is_written_beside_the_scoring_and_goes_on(folder: Path) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(several(0, 15))
        expected = udf.feed(several(15, 20))
    with Served(now_ns=T0) as udf:
        udf.feed(several(0, 15))
        saved = udf.snapshot()
        writer(udf).wait()
        udf.tick()
        (metrics,) = udf.metrics()
        ended_ns = udf.now_ns
        content = (folder / "printer.npz").read_bytes()
    assert metrics.fields["state_bytes"] == len(content)
    # What the process wrote at its end says no more.
    (folder / "printer.npz").write_bytes(content)
    with Served(now_ns=ended_ns, restore=saved) as udf:
        later = udf.feed(several(15, 20))
    assert sorted(results(later), key=str) == sorted(results(expected), key=str)
    assert len(named(later, "score")) == 15


@pytest.mark.usefixtures("beside")
def test_scoring_goes_on_while_a_state_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_writing, may_end = Event(), Event()
    write_array = np.lib.format.write_array

    def slow(*args: Any, **more: Any) -> None:
        is_writing.set()
        may_end.wait()
        write_array(*args, **more)

    with Served(now_ns=T0) as udf:
        udf.feed(several(0, 5))
        with monkeypatch.context() as patch:
            patch.setattr("anomaly.scoring.state_file.np.lib.format.write_array", slow)
            saved = udf.snapshot()
            assert is_writing.wait(60)
            scores = named(udf.feed(several(5, 10)), "score")
            # A state that is asked for meanwhile is that one.
            assert udf.snapshot() == saved
            assert not (folder / "printer.npz").exists()
            may_end.set()
            writer(udf).wait()
        found = StateFile(folder, "printer").read(udf.handler._header())
    assert len(scores) == 15
    assert found is not None
    last_ns = [part["scorer_series_last_ns"] for part in scoring_parts(found[1])]
    assert [times.tolist() for times in last_ns] == [[T0 + 9 * WINDOW_NS]] * 3, "each series is as it was at its part"


def scoring_parts(arrays: Arrays) -> list[dict[str, AnyArray]]:
    parts = (part_of(part, "core_") for part in parts_of(arrays))
    return [part for part in parts if "scorer_series_last_ns" in part]


@pytest.mark.usefixtures("beside")
def test_a_large_state_that_cannot_be_written_is_told_and_kept_by_kapacitor(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(folder / "missing"))
    with Served(now_ns=T0) as udf:
        udf.feed(several(0, 15))
        udf.snapshot()
        writer(udf).wait()
        udf.tick()
        assert udf.handler.events.counts["states that were not written"] == 1
        saved = udf.snapshot()
        ended_ns = udf.now_ns
    assert any("cannot be written (No such file or directory)" in line for line in udf.log)
    with Served(now_ns=ended_ns, restore=saved) as udf:
        assert len(named(udf.feed(several(15, 16)), "score")) == 3
        assert not any("cold" in line for line in udf.log)


@pytest.mark.usefixtures("beside")
def test_a_large_state_that_was_never_written_does_not_keep_the_process_from_ending(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StateWriter, "begin", lambda *_: None)
    with Served(now_ns=T0) as udf:
        udf.feed(several(0, 5))
        udf.snapshot()
    assert list(folder.iterdir()) == []
