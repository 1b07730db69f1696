"""The models directory: whole or not at all, verified, refused with the difference named."""

import errno
import hashlib
import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.models import store as store_module
from anomaly.models.manifest import SCHEMA, TrainingRecord
from anomaly.models.model import Model
from anomaly.models.store import CurrentChanged, ModelMismatch, Store, StoreError, exclusive, pipelines, replace_file
from anomaly.pipeline import normalize
from tests.unit.anomaly import printers


def another(model: Model, version: str) -> Model:
    return replace(model, version=version)


def test_what_is_written_is_loaded(store: Store, model: Model) -> None:
    loaded = store.load(model.version, printers.PIPELINE)
    values = np.array([[220.1, 0.5, 90.2, 0.3, 28.0, 0.1]])
    assert printers.judge(loaded, ("printer-1",), values) == printers.judge(model, ("printer-1",), values)
    assert printers.judge(loaded, ("unseen",), values) == printers.judge(model, ("unseen",), values)
    assert loaded.version == model.version


def test_the_files_are_what_the_contract_says(store: Store, model: Model) -> None:
    directory = store.path / model.version
    assert sorted(path.name for path in directory.iterdir()) == ["manifest.json", "model.npz"]
    assert (store.path / "current").readlink() == Path(model.version)
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["schema"] == SCHEMA
    assert manifest["fingerprint"] == printers.PIPELINE.fingerprint
    assert manifest["specification"] == printers.PIPELINE.as_dict()
    assert manifest["series"] == [["printer-1"], ["printer-2"]]
    # Training and serving are different users; the console, in the group, switches versions and changes none.
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o775
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o644}


def test_the_librarys_own_object_is_kept_beside(store: Store, model: Model) -> None:
    store.write(another(model, "v2"), None, {"any": "object"})
    assert sorted(path.name for path in (store.path / "v2").iterdir()) == ["manifest.json", "model.joblib", "model.npz"]
    assert "model.joblib" in store.manifest("v2").to_json()["files"]


def test_no_pickle_is_loaded(store: Store, model: Model, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    path = store.path / model.version / "model.npz"
    with path.open("wb") as file:
        np.savez(file, trap=np.array([Trap()], dtype=object))
    manifest_path = path.with_name("manifest.json")
    manifest = json.loads(manifest_path.read_text())
    manifest["files"]["model.npz"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest_path.write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="is damaged"):
        store.load(model.version, printers.PIPELINE)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("scaling_center", (1, 6)),
        ("reference_shares", (6, 3)),
        ("newcomers_is_newcomer", (1,)),
        ("forest_path", (2,)),
        ("evidence_excess", (9,)),
        ("history_ns", (2,)),
    ],
)
def test_arrays_that_do_not_fit_are_refused_before_the_first_window(
    store: Store, model: Model, name: str, shape: tuple[int, ...]
) -> None:
    path = store.path / model.version / "model.npz"
    arrays = {**model.arrays(), name: np.zeros(shape)}
    np.savez(path, allow_pickle=False, **arrays)
    file = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    changed(store, model.version, files={"model.npz": file})

    with pytest.raises(StoreError, match=r"model.npz is damaged \(.+\): train again"):
        store.load(model.version, printers.PIPELINE)


def test_sections_of_another_form_are_refused_or_read_as_texts(store: Store, model: Model) -> None:
    changed(store, model.version, series=[[["a"]]], feedback={"learned": [["b"]], "marks": [], "left_out": 0})
    manifest = store.manifest(model.version)
    assert (manifest.series, manifest.feedback.learned) == ((("['a']",),), ("['b']",))

    changed(store, model.version, feedback={"left_out": float("inf")})
    with pytest.raises(StoreError, match=r"manifest\.json is damaged"):
        store.manifest(model.version)


def test_a_changed_byte_is_noticed(store: Store, model: Model) -> None:
    path = store.path / model.version / "model.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"model.npz is damaged: its SHA-256 is .*, its manifest says .*: train again"):
        store.load(model.version, printers.PIPELINE)


def test_arrays_are_read_again_only_when_their_file_has_changed(
    store: Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.file_digest
    summed: list[str] = []

    def noted(file: Any, name: str) -> Any:
        summed.append(file.name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    path = store.path / model.version / "model.npz"
    for _ in range(2):
        assert store.check_arrays(model.version, printers.PIPELINE).version == model.version
    assert summed == [str(path)]

    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match=r"model.npz is damaged: its SHA-256 is .*: train again, or promote another"):
        store.check_arrays(model.version, printers.PIPELINE)
    path.unlink()
    with pytest.raises(StoreError, match=r"model.npz is missing: train again, or promote another version"):
        store.check_arrays(model.version, printers.PIPELINE)
    path.write_bytes(content)
    store.check_arrays(model.version, printers.PIPELINE)
    assert len(summed) == 3


def changed(store: Store, version: str, **keys: object) -> None:
    """Changes keys of a manifest, at once for whoever reads it meanwhile."""
    path = store.path / version / "manifest.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({**json.loads(path.read_text()), **keys}))
    draft.replace(path)


def outdate(store: Store, version: str) -> None:
    """As if an earlier program had written it."""
    changed(store, version, schema=1, libraries={"anomaly": "0.0.9"})


def test_a_model_of_an_earlier_program_is_refused_and_in_nobodys_way(store: Store, model: Model) -> None:
    store.write(another(model, "v2"))
    outdate(store, model.version)
    why = rf"schema 1 in the model, made by anomaly 0\.0\.9, {SCHEMA} in this program, anomaly .*: train again"
    for use in (
        lambda: store.load(model.version, printers.PIPELINE),
        lambda: store.promote(model.version),
        lambda: store.set_shadow(model.version),
    ):
        with pytest.raises(ModelMismatch, match=why):
            use()
    (old, new) = store.versions()
    assert "schema 1" in str(old.problem)
    assert (new.name, new.problem) == ("v2", None)
    store.promote("v2")
    with pytest.raises(StoreError, match="no earlier version"):
        store.rollback()


def test_a_damaged_manifest_is_in_nobodys_way(store: Store, model: Model) -> None:
    store.write(another(model, "v2"))
    (store.path / model.version / "manifest.json").write_text("{")
    assert ["is damaged" in str(version.problem) for version in store.versions()] == [True, False]
    store.promote("v2")
    assert store.current() == "v2"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 99}'])
def test_a_manifest_that_is_none_is_refused(store: Store, model: Model, text: str) -> None:
    (store.path / model.version / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"damaged|schema"):
        store.load(model.version, printers.PIPELINE)


def test_a_model_of_another_pipeline_is_refused_with_the_difference(store: Store, model: Model) -> None:
    other = normalize([{**printers.PIPELINE.as_dict(), "window": "20s", "fields": ["hotend"]}])[0]
    with pytest.raises(ModelMismatch) as caught:
        store.load(model.version, other)
    assert 'fields: ["hotend", "bed", "air"] in the model, ["hotend"] in the pipeline' in str(caught.value)
    assert 'window: "10s" in the model, "20s" in the pipeline' in str(caught.value)
    assert str(caught.value).endswith("train again")


def test_other_periods_fit_the_same_model(store: Store, model: Model) -> None:
    other = normalize([{**printers.PIPELINE.as_dict(), "periods": {"open": 90}}])[0]
    assert store.load(model.version, other).threshold(90) > model.threshold(75)


@pytest.mark.parametrize("version", ["", ".", "..", "../other", "current", "shadow", "/etc", ".new-x"])
def test_a_version_is_a_name_and_no_path(store: Store, version: str) -> None:
    with pytest.raises(StoreError, match="is not a version"):
        store.promote(version)


def test_a_version_that_is_not_there_cannot_be_promoted(store: Store, model: Model) -> None:
    with pytest.raises(StoreError, match=r"has no version nothing; `anomaly models list`"):
        store.promote("nothing")
    assert store.current() == model.version


def test_promote_and_rollback(store: Store, model: Model) -> None:
    first = model.version
    for version in ("v2", "v3"):
        store.write(another(model, version))
        store.promote(version)
    assert [(v.name, v.current) for v in store.versions()] == [(first, False), ("v2", False), ("v3", True)]
    assert store.rollback() == "v2"
    assert store.current() == "v2"
    assert store.rollback() == first
    with pytest.raises(StoreError, match="no earlier version"):
        store.rollback()
    assert store.current() == first


def test_promoting_the_current_one_again_does_not_spoil_rollback(store: Store, model: Model) -> None:
    store.write(another(model, "v2"))
    store.promote("v2")
    store.promote("v2")
    assert store.rollback() == model.version


def test_only_the_version_that_was_looked_at_is_replaced(store: Store, model: Model) -> None:
    first = model.version
    for version in ("v2", "v3"):
        store.write(another(model, version))
    store.promote("v2", replaced=first)

    with pytest.raises(CurrentChanged, match=f"v2 of printer is current by now, and no longer {first}: look at it"):
        store.promote("v3", replaced=first)
    with pytest.raises(CurrentChanged, match="v2 of printer is current by now, and no longer none"):
        store.rollback(replaced=None)

    assert (store.current(), store.before()) == ("v2", first)
    assert store.rollback(replaced="v2") == first
    assert store.before() is None


def test_a_change_waits_for_the_one_before(store: Store, model: Model) -> None:
    store.write(another(model, "v2"))
    begun = threading.Event()

    def promote() -> None:
        begun.set()
        Store(store.models, store.pipeline).promote("v2")

    thread = threading.Thread(target=promote)
    with exclusive(store.path):
        thread.start()
        begun.wait(60)
        thread.join(0.2)
        while_locked = (thread.is_alive(), store.current())
    thread.join(60)

    assert while_locked == (True, model.version)
    assert store.current() == "v2"


def test_a_change_does_not_wait_for_ever(store: Store, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_LOCK_SECONDS", 0.1)

    with exclusive(store.path), pytest.raises(StoreError, match=r"locked by another program for 0\.1 seconds"):
        Store(store.models, store.pipeline).promote(model.version)


def test_what_is_promoted_is_never_pruned_at_the_same_time(store: Store, model: Model) -> None:
    names = [f"v{number:02}" for number in range(2, 22)]
    for name in names:
        store.write(another(model, name))
    refused: list[str] = []

    def promote() -> None:
        own = Store(store.models, store.pipeline)
        for name in names:
            try:
                own.promote(name)
            except StoreError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=promote) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        store.prune(1)
        current = store.current()
        assert current is not None and store.manifest(current).version == current
    for thread in threads:
        thread.join()

    assert all("has no version" in each for each in refused)
    history = json.loads((store.path / "promotions.json").read_text())
    assert history[-1] == store.current()
    assert not list(store.path.glob(".new-*"))


def test_prune_keeps_the_newest_the_current_and_the_way_back(store: Store, model: Model) -> None:
    for number in range(2, 8):
        store.write(another(model, f"v{number}"))
    store.promote("v2")
    assert store.prune(2) == ["v3", "v4", "v5"]
    assert [version.name for version in store.versions()] == [model.version, "v2", "v6", "v7"]
    assert store.rollback() == model.version
    assert store.prune(2) == ["v2"]


def test_prune_removes_nothing_where_there_are_fewer_versions_than_it_keeps(store: Store, model: Model) -> None:
    for number in range(2, 5):
        store.write(another(model, f"v{number}"))
    store.promote("v4")
    store.promote("v3")
    assert store.prune(5) == []
    assert len(store.versions()) == 4


def test_prune_keeps_what_the_current_one_came_from_and_the_shadow(store: Store, model: Model) -> None:
    store.write(another(model, "v2"))
    store.write(another(model, "v3"), TrainingRecord(parent="v2"))
    for number in range(4, 7):
        store.write(another(model, f"v{number}"))
    store.promote("v3")
    store.set_shadow("v4")
    assert store.prune(1) == ["v5"]
    store.set_shadow(None)
    assert store.prune(1) == ["v4"]


def test_a_shadow_is_a_link_until_it_is_promoted(store: Store, model: Model) -> None:
    store.write(another(model, "v2"))
    assert store.shadow() is None
    store.set_shadow("v2")
    assert (store.path / "shadow").readlink() == Path("v2")
    assert [(v.name, v.current, v.shadow) for v in store.versions()] == [
        (model.version, True, False),
        ("v2", False, True),
    ]
    store.promote("v2")
    assert (store.current(), store.shadow()) == ("v2", None)
    with pytest.raises(StoreError, match="v2 is the current version: it would be compared with itself"):
        store.set_shadow("v2")
    with pytest.raises(StoreError, match="has no version v9"):
        store.set_shadow("v9")
    store.set_shadow(None)


def test_verify_names_what_is_damaged_missing_or_a_stranger(store: Store, model: Model) -> None:
    store.write(another(model, "v2"), None, {"any": "object"})
    assert store.verify("v2") == []
    directory = store.path / "v2"
    (directory / "model.npz").write_bytes(b"garbage")
    (directory / "model.joblib").unlink()
    (directory / "notes.txt").write_text("mine")
    damaged, missing, stranger = store.verify("v2")
    assert damaged.startswith(f"{directory / 'model.npz'} is damaged: its SHA-256 is ")
    assert missing == f"{directory / 'model.joblib'} is missing"
    assert stranger == f"{directory / 'notes.txt'} is not in the manifest"


def test_verify_goes_on_after_a_file_that_is_missing(store: Store, model: Model) -> None:
    store.write(another(model, "v2"), None, {"any": "object"})
    directory = store.path / "v2"
    (directory / "model.npz").unlink()
    (directory / "model.joblib").write_bytes(b"garbage")

    missing, damaged = store.verify("v2")

    assert missing == f"{directory / 'model.npz'} is missing"
    assert damaged.startswith(f"{directory / 'model.joblib'} is damaged: its SHA-256 is ")


def test_a_version_that_was_renamed_is_refused(store: Store, model: Model) -> None:
    (store.path / model.version).rename(store.path / "v2")
    with pytest.raises(ModelMismatch, match=f"printer/v2 says that it is version '{model.version}'"):
        store.load("v2", printers.PIPELINE)


def test_versions_are_never_overwritten(store: Store, model: Model) -> None:
    with pytest.raises(StoreError, match="is already there"):
        store.write(model)


def test_a_failed_write_leaves_nothing(store: Store, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(path.name for path in store.path.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        StoreError, match=r"cannot write .*: No space left on device: free some space, or remove old versions"
    ):
        store.write(another(model, "v2"))
    assert sorted(path.name for path in store.path.iterdir()) == before


def test_a_failed_write_is_told_although_its_rest_cannot_be_removed(
    store: Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        (rest,) = store.path.glob(".new-*")
        rest.rename(store.path.parent / "moved")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StoreError, match="No space left on device"):
        store.write(another(model, "v2"))


def test_no_pickle_is_written(store: Store, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "arrays", lambda model: {"objects": np.array([{}], dtype=object)})

    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.write(another(model, "v2"))

    assert [version.name for version in store.versions()] == [model.version]


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, model: Model) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*file/printer.*: Not a directory: check --models"):
        Store(tmp_path / "file", "printer").write(model)


def test_what_is_hidden_or_half_there_is_no_version(store: Store, model: Model) -> None:
    (store.path / ".new-abc").mkdir()
    (store.path / ".new-abc" / "manifest.json").write_text("{}")
    (store.path / "empty").mkdir()
    assert [version.name for version in store.versions()] == [model.version]


def test_an_empty_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "nothing", "printer")
    assert store.current() is None
    assert store.versions() == []
    assert pipelines(tmp_path / "nothing") == []


def test_pipelines_are_the_visible_folders(tmp_path: Path) -> None:
    for name in ("printer", "pump", ".new-x"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert pipelines(tmp_path) == ["printer", "pump"]


def test_the_last_hundred_promotions_are_known(store: Store, model: Model) -> None:
    store.write(another(model, "v2"))
    promotions = store.path / "promotions.json"
    promotions.write_text(json.dumps([f"gone-{number}" for number in range(100)]))

    store.promote("v2")

    assert json.loads(promotions.read_text()) == [*(f"gone-{number}" for number in range(1, 100)), "v2"]


def test_a_file_is_replaced_in_folders_that_are_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "models" / "printer" / "feedback.json"
    for content in (b"old", b"new"):
        replace_file(path, content)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["feedback.json"]
