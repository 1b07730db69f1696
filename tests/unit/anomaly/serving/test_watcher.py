"""A running process and its current model."""

from dataclasses import dataclass, field

import pytest

from anomaly.models.model import Model
from anomaly.models.store import SHADOW, Store
from anomaly.pipeline import normalize
from anomaly.serving import watcher as module
from anomaly.serving.watcher import ModelWatcher
from tests.unit.anomaly import printers
from tests.unit.anomaly.models.test_store import another


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Room:
    """A watcher with a clock of the test's own and what it said."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)

    def watcher(self) -> ModelWatcher:
        return ModelWatcher(self.store, printers.PIPELINE, self.said.append, self.clock)


@pytest.fixture
def room(store: Store) -> Room:
    return Room(store)


def version(watcher: ModelWatcher) -> str | None:
    model = watcher.model()
    return model.version if model else None


def test_a_new_version_is_noticed_a_second_later(room: Room, model: Model) -> None:
    watcher = room.watcher()
    assert version(watcher) == model.version
    room.store.write(another(model, "v2"))
    room.store.promote("v2")
    room.clock.now = 0.99
    assert version(watcher) == model.version
    room.clock.now = 1.0
    assert version(watcher) == "v2"
    assert room.said == [
        f"pipeline printer: scoring with model {model.version}",
        "pipeline printer: scoring with model v2",
    ]


def test_no_model_is_said_once_with_what_to_do(room: Room, model: Model) -> None:
    (room.store.path / "current").unlink()
    watcher = room.watcher()
    for second in range(5):
        room.clock.now = second
        assert watcher.model() is None
    assert len(room.said) == 1
    assert "no model yet" in room.said[0]
    assert "playbooks/train.yml" in room.said[0]
    room.store.promote(model.version)
    room.clock.now = 6
    assert version(watcher) == model.version


def test_a_model_that_does_not_fit_is_said_once_and_not_used(store: Store, model: Model) -> None:
    other = normalize([{**printers.PIPELINE.as_dict(), "window": "20s"}])[0]
    said: list[str] = []
    clock = Clock()
    watcher = ModelWatcher(store, other, said.append, clock)
    for second in range(3):
        clock.now = second
        assert watcher.model() is None
    assert len(said) == 1
    assert 'window: "10s" in the model, "20s" in the pipeline: train again (no model is used)' in said[0]


def test_a_damaged_version_leaves_the_one_before_in_use(room: Room, model: Model) -> None:
    watcher = room.watcher()
    watcher.model()
    room.store.write(another(model, "v2"))
    (room.store.path / "v2" / "model.npz").write_bytes(b"garbage")
    room.store.promote("v2")
    room.clock.now = 1
    assert version(watcher) == model.version
    assert f"(model {model.version} stays in use)" in room.said[-1]


def test_a_damaged_version_is_used_once_its_file_is_brought_back(room: Room, model: Model) -> None:
    path = room.store.path / model.version / "model.npz"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    watcher = room.watcher()
    for second in range(3):
        room.clock.now = second
        assert version(watcher) is None
    assert len(room.said) == 1
    draft = path.with_suffix(".again")
    draft.write_bytes(content)
    draft.replace(path)
    room.clock.now = 3
    assert version(watcher) == model.version
    assert room.said[-1] == f"pipeline printer: scoring with model {model.version}"


def test_a_version_that_is_gone_is_used_once_it_is_brought_back(room: Room, model: Model) -> None:
    folder = room.store.path / model.version
    folder.rename(room.store.path.parent / "away")
    watcher = room.watcher()
    for second in range(3):
        room.clock.now = second
        assert version(watcher) is None
    (room.store.path.parent / "away").rename(folder)
    room.clock.now = 3
    assert version(watcher) == model.version
    # What is used is not looked at any more: a file that goes away leaves the model in use.
    (folder / "model.npz").unlink()
    room.clock.now = 4
    assert version(watcher) == model.version
    assert len(room.said) == 2


def test_a_link_that_goes_away_leaves_the_model_in_use(room: Room, model: Model) -> None:
    watcher = room.watcher()
    watcher.model()
    (room.store.path / "current").unlink()
    room.clock.now = 1
    assert version(watcher) == model.version


def test_a_shadow_comes_and_goes_without_a_word_about_a_missing_one(room: Room, model: Model) -> None:
    watcher = ModelWatcher(room.store, printers.PIPELINE, room.said.append, room.clock, link=SHADOW)
    assert version(watcher) is None
    room.store.write(another(model, "v2"))
    room.store.set_shadow("v2")
    room.clock.now = 1
    assert version(watcher) == "v2"
    room.store.set_shadow(None)
    room.clock.now = 2
    assert version(watcher) is None
    assert room.said == ["pipeline printer: scoring with model v2, beside the current one"]


@pytest.fixture
def large(room: Room, model: Model, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A room in which v2 is stored, and every model is large."""
    monkeypatch.setattr(module, "_MOST_AT_ONCE", 0)
    room.store.write(another(model, "v2"))
    return room


def test_a_large_model_is_used_once_it_is_loaded(large: Room, model: Model) -> None:
    watcher = large.watcher()
    # Nothing could be scored without the first one.
    assert version(watcher) == model.version
    large.store.promote("v2")
    large.clock.now = 1
    watcher.model()
    assert watcher.current is not None
    assert watcher.current.version == model.version

    watcher.wait()

    assert version(watcher) == "v2"
    assert large.said[-1] == "pipeline printer: scoring with model v2"


def test_a_damaged_large_version_leaves_the_one_before_in_use(large: Room, model: Model) -> None:
    watcher = large.watcher()
    watcher.model()
    path = large.store.path / "v2" / "model.npz"
    content = path.read_bytes()
    path.write_bytes(b"garbage")
    large.store.promote("v2")
    for second in range(1, 4):
        large.clock.now = second
        watcher.model()
        watcher.wait()
    assert version(watcher) == model.version
    assert len(large.said) == 2
    assert f"(model {model.version} stays in use)" in large.said[-1]
    path.write_bytes(content)
    large.clock.now = 4
    watcher.model()
    watcher.wait()
    assert version(watcher) == "v2"


def test_a_large_shadow_that_is_taken_away_while_it_is_loaded_is_not_used(large: Room) -> None:
    watcher = ModelWatcher(large.store, printers.PIPELINE, large.said.append, large.clock, link=SHADOW)
    large.store.set_shadow("v2")
    large.clock.now = 1
    watcher.model()
    large.store.set_shadow(None)
    watcher.wait()
    large.clock.now = 2
    assert version(watcher) is None
    assert large.said == []
