"""Files of state, hand-overs and snapshots: refused by name, or used, and the UDF goes on in either case."""

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.locations import MODELS_VARIABLE, STATE_VARIABLE
from anomaly.models.store import Store
from anomaly.scoring.hand_over import HandOverFolder
from anomaly.scoring.state_file import HEADER, StateError, StateFile, StateHeader, header_of, read_header
from anomaly.windows.arrays import AnyArray
from kapacitor_udf import Batch
from tests.fuzz.damage import PIPELINE, a_share, hurt_arrays, hurt_bytes, hurt_json
from tests.unit.anomaly import printers
from tests.unit.anomaly.served import Served
from tests.unit.anomaly.serving.test_handler import T0, batch, blocks


def _batches() -> list[Batch]:
    """Windows of two series, one of which has a fault."""
    samples = printers.clean(7, 200)
    samples[60:140, 1] += 20 * 0.4
    return [
        batch(number, block + shift, {"printer": name})
        for number, block in enumerate(blocks(samples))
        for name, shift in (("printer-1", 0), ("printer-2", 0.1))
    ]


BATCHES = _batches()
BEFORE, AFTER = BATCHES[:24], BATCHES[24:28]


@dataclasses.dataclass(frozen=True, repr=False)
class Saved:
    """A state as a process left it.

    Attributes:
        folder: the folder of its file.
        content: the bytes of the file.
        header: the file's header.
        arrays: the arrays of the file.
        snapshot: the snapshot that refers to it.
        now_ns: when it was taken.
    """

    folder: Path
    content: bytes
    header: StateHeader
    arrays: dict[str, AnyArray]
    snapshot: bytes
    now_ns: int

    @property
    def file(self) -> StateFile:
        """The file."""
        return StateFile(self.folder, "printer")


@pytest.fixture(scope="module")
def saved(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(MODELS_VARIABLE, str(store.models))
        environment.setenv(STATE_VARIABLE, str(folder))
        with Served(PIPELINE, now_ns=T0) as udf:
            udf.feed(BEFORE)
            snapshot, now_ns = udf.snapshot(), udf.now_ns
        content = (folder / "printer.npz").read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = header_of(arrays.pop(HEADER).tobytes())
        yield Saved(folder, content, header, arrays, snapshot, now_ns)


@a_share(4)
@given(data=st.data())
def test_hurt_bytes_of_a_file_are_refused_or_read_as_they_were(saved: Saved, data: st.DataObject) -> None:
    saved.file.path.write_bytes(data.draw(hurt_bytes(saved.content)))

    try:
        read_header(saved.folder, "printer")
        found = saved.file.read(saved.header)
        arrays = {} if found is None else dict(found[1])
    except StateError as error:
        assert str(saved.file.path) in str(error)
        return

    for name, array in arrays.items():
        np.testing.assert_array_equal(array, saved.arrays[name], strict=True)


@a_share(4)
@given(data=st.data())
def test_a_hurt_header_is_refused_or_read(saved: Saved, data: st.DataObject) -> None:
    text = json.dumps(data.draw(hurt_json(dataclasses.asdict(saved.header)))).encode()
    np.savez(saved.file.path, allow_pickle=False, **{HEADER: np.frombuffer(text, dtype=np.uint8)})

    for read in (lambda: read_header(saved.folder, "printer"), lambda: saved.file.read(saved.header)):
        try:
            read()
        except StateError as error:
            assert str(saved.file.path) in str(error)


@a_share(4)
@given(data=st.data())
def test_the_udf_goes_on_with_whatever_arrays_it_finds(saved: Saved, data: st.DataObject) -> None:
    saved.file.write(saved.header, [data.draw(hurt_arrays(saved.arrays))])
    is_restored = data.draw(st.booleans(), label="restored by Kapacitor")

    with Served(PIPELINE, now_ns=saved.now_ns, restore=saved.snapshot if is_restored else None, strict=False) as udf:
        refusal = udf.counters.last_error
        if not is_restored:
            # Only a process that is asked for a snapshot takes over a file.
            udf.snapshot()
        udf.feed(AFTER)
        udf.snapshot()

    assert udf.counters.last_error == refusal
    assert not udf.counters.rejected
    # What it leaves can be used by the next one.
    assert saved.file.read(saved.header) is not None


@a_share(4)
@given(data=st.data())
def test_a_hand_over_is_refused_or_read(saved: Saved, data: st.DataObject) -> None:
    folder = HandOverFolder(saved.folder, "handed")
    content = data.draw(st.one_of(hurt_bytes(saved.content), st.binary(max_size=200)))
    path = saved.folder / "handed" / "5.npz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)

    try:
        for part in folder.read(5, saved.header):
            assert len(part.keys) == len(part.end_ns)
    except StateError as error:
        assert str(path) in str(error)
