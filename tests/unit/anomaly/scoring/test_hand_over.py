"""The files of hand-overs: what is read back, what is refused, and what is removed."""

import json
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import normalize
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.hand_over import HandedSeries, HandOver, HandOverFolder, moved_series
from anomaly.scoring.packing import part_of
from anomaly.scoring.periods import rules
from anomaly.scoring.state_file import StateError, StateHeader
from anomaly.training.fit import train
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

NO_EVENTS = EventCounter("", lambda message: None)
HOUR_NS = 3_600_000_000_000
NOW_NS = 1_700_000_000_000_000_000
WINDOWS = printers.runs(printers.windows(printers.clean(5, 200), printers.clean(6, 200)))


def header(model: Model, written_ns: int = NOW_NS) -> StateHeader:
    return StateHeader.of(PIPELINE, rules(PIPELINE), model.version, written_ns)


def core(model: Model, windows: int) -> ScoringCore:
    """A core that was fed with the first windows of each series."""
    fed = ScoringCore(PIPELINE, NO_EVENTS)
    for series in WINDOWS:
        list(fed.feed(model, series.where(np.arange(len(series)) < windows), Feedback(PIPELINE)))
    return fed


@pytest.fixture
def folder(tmp_path: Path) -> HandOverFolder:
    return HandOverFolder(tmp_path / "hand_over", PIPELINE.name)


def written(folder: HandOverFolder, model: Model, written_ns: int = NOW_NS) -> None:
    states = HandOver(PIPELINE, model)
    for series in WINDOWS:
        states.take(series.key, 10 * WINDOW_NS, 77, core(model, 10), is_drift_whole=series is WINDOWS[0])
    folder.write(header(model, written_ns), [states.part()])


def file(tmp_path: Path) -> Path:
    return tmp_path / "hand_over" / PIPELINE.name / f"{NOW_NS}.npz"


def test_what_is_written_is_read_back(folder: HandOverFolder, model: Model) -> None:
    written(folder, model)

    (handed,) = folder.read(NOW_NS, header(model))

    assert list(handed.keys) == [series.key for series in WINDOWS]
    assert not handed.is_moved, "no other process left it"
    assert (handed.end_ns.tolist(), handed.asked_ns.tolist()) == ([10 * WINDOW_NS] * 2, [77] * 2)
    there = ScoringCore(PIPELINE, NO_EVENTS)
    there.restore_part(handed.state)
    assert there.have_scored(handed.keys).all()
    assert there.drifting == [WINDOWS[0].key], "the drift of the second series is not whole"


def test_a_later_state_of_a_series_replaces_the_one_before(model: Model) -> None:
    states = HandOver(PIPELINE, model)
    key = WINDOWS[0].key
    states.take(key, 5 * WINDOW_NS, 1, core(model, 5), is_drift_whole=False)
    states.take(key, 9 * WINDOW_NS, 2, core(model, 9), is_drift_whole=False)
    part = states.part()
    expected = core(model, 9).scorer.state([key])
    assert part["end_ns"].tolist() == [9 * WINDOW_NS]
    assert part["core_scorer_series_last_ns"].tolist() == expected["series_last_ns"].tolist()
    assert len(states) == 0


def test_a_drift_that_is_no_longer_whole_is_not_handed_over(model: Model) -> None:
    states = HandOver(PIPELINE, model)
    key = WINDOWS[0].key
    states.take(key, 5 * WINDOW_NS, 1, core(model, 5), is_drift_whole=True)
    states.take(key, 9 * WINDOW_NS, 2, core(model, 9), is_drift_whole=False)

    there = ScoringCore(PIPELINE, NO_EVENTS)
    there.restore_part(part_of(states.part(), "core_"))
    assert (there.scorer.keys, there.drifting) == ([key], [])


def test_a_series_that_is_discarded_is_not_handed_over(model: Model) -> None:
    states = HandOver(PIPELINE, model)
    for series in WINDOWS:
        states.take(series.key, 5 * WINDOW_NS, 1, core(model, 5), is_drift_whole=False)
    states.discard(WINDOWS[0].key)
    assert len(states) == 1
    assert states.part()["end_ns"].tolist() == [5 * WINDOW_NS]


def test_a_part_has_room_for_its_series_and_takes_memory_for_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly.scoring.hand_over.SERIES_AT_ONCE", 4)
    pipeline = normalize([{**PIPELINE.as_dict(), "detector": "half_space_trees", "parameters": {}}])[0]
    samples = printers.clean(7, 600)
    history = printers.windows(*[samples] * 5)
    remembering = train(pipeline, history, "remembering", 0).model
    left_out, *others = printers.runs(history)
    replayed = ScoringCore(pipeline, NO_EVENTS, most=1)
    tracemalloc.start()
    try:
        states = HandOver(pipeline, remembering)
        for series in (left_out, *others):
            list(replayed.feed(remembering, series, Feedback(pipeline)))
            states.take(series.key, WINDOW_NS, 1, replayed, is_drift_whole=True)
            states.discard(left_out.key)
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    handed = ScoringCore(pipeline, NO_EVENTS)
    handed.scorer.prepare(remembering)
    part = states.part()
    handed.restore_part(part_of(part, "core_"))

    assert handed.scorer.keys == handed.drifting == [series.key for series in others]
    assert len(part["core_scorer_followers_memory_hst_seen"]) == 4, "each has its memory"
    assert most_bytes < pipeline.memory_bytes / 10


def test_a_series_more_than_a_part_has_room_for_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly.scoring.hand_over.SERIES_AT_ONCE", 1)
    states = HandOver(PIPELINE, model)
    first, second = (series.key for series in WINDOWS)
    empty = ScoringCore(PIPELINE, NO_EVENTS)

    states.take(first, WINDOW_NS, 1, empty, is_drift_whole=False)
    states.take(first, 2 * WINDOW_NS, 1, empty, is_drift_whole=False)
    with pytest.raises(ValueError, match="at most 1 series: call `part` first"):
        states.take(second, WINDOW_NS, 1, empty, is_drift_whole=False)
    ends = [states.part()["end_ns"].tolist()]
    states.take(second, WINDOW_NS, 1, empty, is_drift_whole=False)

    assert [*ends, states.part()["end_ns"].tolist()] == [[2 * WINDOW_NS], [WINDOW_NS]]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("model", "another", "model: 'another' in the file"),
        ("pipeline", "another", "pipeline: 'another' in the file"),
        ("rules", "others", "rules: 'others' in the file"),
        ("fingerprint", "0", "fingerprint: '0' in the file"),
    ],
)
def test_a_hand_over_for_something_else_is_refused(
    folder: HandOverFolder, model: Model, name: str, value: str, said: str
) -> None:
    states = HandOver(PIPELINE, model)
    states.take(WINDOWS[0].key, WINDOW_NS, 1, core(model, 1), is_drift_whole=False)
    folder.write(replace(header(model), **{name: value}), [states.part()])  # type: ignore[arg-type]
    with pytest.raises(StateError, match="made for something else") as refused:
        list(folder.read(NOW_NS, header(model)))
    assert said in str(refused.value)
    assert "the running UDF keeps its own memory" in str(refused.value)


@pytest.mark.parametrize("damage", ["cut off", "changed", "not an archive"])
def test_a_damaged_hand_over_is_refused(folder: HandOverFolder, model: Model, tmp_path: Path, damage: str) -> None:
    written(folder, model)
    content = bytearray(file(tmp_path).read_bytes())
    if damage == "changed":
        content[len(content) // 2] ^= 0xFF
    file(tmp_path).write_bytes(content[: len(content) // 2] if damage == "cut off" else content)
    if damage == "not an archive":
        file(tmp_path).write_text(json.dumps({}))
    with pytest.raises(StateError, match=r"is damaged .*: the running UDF keeps its own memory"):
        list(folder.read(NOW_NS, header(model)))


def test_a_hand_over_that_is_gone_meanwhile_has_no_series(folder: HandOverFolder, model: Model) -> None:
    assert list(folder.read(NOW_NS, header(model))) == []
    assert folder.newer(0) == []


def test_hand_overs_are_taken_in_their_order_and_removed_after_an_hour(
    folder: HandOverFolder, model: Model, tmp_path: Path
) -> None:
    times = [NOW_NS - HOUR_NS - 2, NOW_NS - HOUR_NS - 1, NOW_NS - 1]
    for time_ns in times:
        written(folder, model, time_ns)
    draft = file(tmp_path).with_name(".1.npz-x")
    draft.touch()
    os.utime(draft, ns=(0, 0))

    written(folder, model)

    assert folder.newer(0) == [NOW_NS - 1, NOW_NS]
    assert folder.newer(NOW_NS - 1) == [NOW_NS]
    assert not draft.exists()


def test_a_folder_that_cannot_be_written_is_told(model: Model, tmp_path: Path) -> None:
    (tmp_path / "hand_over").touch()
    folder = HandOverFolder(tmp_path / "hand_over", PIPELINE.name)
    with pytest.raises(StateError, match=r"written \(Not a directory\): the running UDF keeps its own memory"):
        folder.write(header(model), [])


def test_part_after_part_is_read(folder: HandOverFolder, model: Model) -> None:
    states, parts = HandOver(PIPELINE, model), []
    for series in WINDOWS:
        states.take(series.key, WINDOW_NS, 1, core(model, 1), is_drift_whole=False)
        parts.append(states.part())
    folder.write(header(model), parts)
    handed: list[HandedSeries] = list(folder.read(NOW_NS, header(model)))
    assert [list(each.keys) for each in handed] == [[series.key] for series in WINDOWS]


def test_a_hand_over_of_an_hour_ago_a_new_draft_and_other_files_stay(
    folder: HandOverFolder, model: Model, tmp_path: Path
) -> None:
    written(folder, model, NOW_NS - HOUR_NS)
    others = [file(tmp_path).with_name(name) for name in (".2.npz-x", "notes.npz")]
    for other in others:
        other.touch()

    written(folder, model)

    assert folder.newer(0) == [NOW_NS - HOUR_NS, NOW_NS]
    assert all(other.exists() for other in others)


def test_a_hand_over_of_a_clock_that_was_ahead_is_removed(folder: HandOverFolder, model: Model) -> None:
    written(folder, model, NOW_NS + HOUR_NS + 1)
    written(folder, model)
    assert folder.newer(0) == [NOW_NS]


def test_series_that_another_process_left_end_with_their_last_windows(model: Model) -> None:
    assert moved_series(PIPELINE, ScoringCore(PIPELINE, NO_EVENTS).state_of([])) is None
    keys = [series.key for series in WINDOWS]

    moved = moved_series(PIPELINE, core(model, 10).state_of(keys))

    assert moved is not None
    assert (list(moved.keys), moved.end_ns.tolist(), moved.is_moved) == (keys, [10 * WINDOW_NS] * 2, True)
    # When the last window was asked for is unknown, so any window since may be missing.
    assert (moved.asked_ns > 2**62).all()
