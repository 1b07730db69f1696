"""Manifests, arrays of models, and files of feedback: refused by name, or used."""

import dataclasses
import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.models.manifest import differences
from anomaly.models.model import Model
from anomaly.models.store import Store, StoreError
from anomaly.scoring.core import ScoringCore
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, Appearance, Feedback, Mark
from anomaly.scoring.feedback_file import feedback_path, read_marks, write_marks
from anomaly.windows.arrays import AnyArray
from tests.fuzz.damage import PIPELINE, a_share, hurt_arrays, hurt_bytes, hurt_json
from tests.unit.anomaly import printers

NOW_NS = 1_700_000_000_000_000_000
WINDOWS = printers.windows(*(printers.clean(seed, 30) for seed in (3, 4, 5)), begin_ns=NOW_NS)
MARKS = [
    Mark(FALSE_ALARM, 5, 9, {"printer": "printer-1"}, "a note", Appearance(2.0, (1.0, 0, 0), (1, 2, 3), (2, 3, 4))),
    Mark(MAINTENANCE, 0, 10**18, {}),
]


@dataclasses.dataclass(frozen=True, repr=False)
class Stored:
    """A store whose only version the examples change.

    Attributes:
        store: the store.
        version: the version.
        manifest: its manifest, as JSON.
        arrays: its arrays.
    """

    store: Store
    version: str
    manifest: dict[str, Any]
    arrays: dict[str, AnyArray]

    def write(self, manifest: bytes | None = None, arrays: bytes | None = None) -> None:
        """Put files into the version, those that it had in place of None, with the checksum of the arrays."""
        folder = self.store.path / self.version
        content = packed(self.arrays) if arrays is None else arrays
        files = {"model.npz": {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}}
        (folder / "model.npz").write_bytes(content)
        text = json.dumps({**self.manifest, "files": files}).encode() if manifest is None else manifest
        (folder / "manifest.json").write_bytes(text)


def packed(arrays: dict[str, AnyArray]) -> bytes:
    """Return arrays as a file holds them."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def stored(store: Store, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(store.models, models, symlinks=True, dirs_exist_ok=True)
    manifest = json.loads((store.path / model.version / "manifest.json").read_text())
    return Stored(Store(models, store.pipeline), model.version, manifest, dict(model.arrays()))


def use(stored: Stored) -> None:
    """Load the version, and score windows of two known series and of one that is new."""
    model = stored.store.load(stored.version, PIPELINE)
    core = ScoringCore(PIPELINE, EventCounter("", lambda message: None))
    for result in core.feed_together(model, WINDOWS, Feedback(PIPELINE), NOW_NS):
        assert len(result.fields) > 0


@a_share(4)
@given(data=st.data())
def test_a_hurt_manifest_is_refused_or_used(stored: Stored, data: st.DataObject) -> None:
    hurt = json.dumps(data.draw(hurt_json(stored.manifest))).encode()
    stored.write(manifest=data.draw(st.sampled_from([hurt, hurt, hurt, data.draw(hurt_bytes(hurt))])))

    (version,) = stored.store.versions()
    # A number that is not one differs from itself.
    assert {each.what for each in differences(version.manifest, version.manifest)} <= set(version.manifest.facts())
    for read in (stored.store.verify, lambda version: use(stored)):
        try:
            read(stored.version)
        except StoreError as error:
            assert str(stored.version) in str(error)


@a_share(2)
@given(data=st.data())
def test_hurt_arrays_are_refused_or_used(stored: Stored, data: st.DataObject) -> None:
    if data.draw(st.booleans(), label="whole arrays"):
        stored.write(arrays=packed(data.draw(hurt_arrays(stored.arrays))))
    else:
        stored.write(arrays=data.draw(hurt_bytes(packed(stored.arrays))))

    try:
        use(stored)
    except StoreError as error:
        assert "model.npz is damaged" in str(error)


@a_share(4)
@given(data=st.data())
def test_a_hurt_file_of_feedback_is_refused_or_used(stored: Stored, model: Model, data: st.DataObject) -> None:
    path: Path = feedback_path(stored.store.models, stored.store.pipeline)
    write_marks(path, MARKS)
    hurt = json.dumps(data.draw(hurt_json(json.loads(path.read_text())))).encode()
    path.write_bytes(data.draw(st.sampled_from([hurt, hurt, hurt, data.draw(hurt_bytes(hurt))])))

    try:
        marks = read_marks(path)
    except StoreError as error:
        assert str(path) in str(error)
        return

    windows = printers.windows(printers.clean(1, 50))
    verdicts = model.judge_many(
        model.followers(1), model.row(("printer-1",)), np.zeros(5, np.intp), windows.begin_ns, windows.values
    )
    keys, series = windows.keys, np.zeros(5, np.intp)
    Feedback(PIPELINE, marks).suppressed(keys, series, windows.begin_ns, verdicts, frozenset())
