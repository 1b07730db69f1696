"""The file of the UDF's state: a restart goes on from it, and what does not fit starts cold and says so."""

from pathlib import Path

import pytest

from anomaly.locations import MODELS_VARIABLE, STATE_VARIABLE
from anomaly.models.store import Store
from anomaly.pipeline import normalize
from kapacitor_udf import Point
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.served import Served
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
    assert any(said in line for line in udf.log)


def test_a_state_of_other_rules_starts_cold(folder: Path) -> None:
    with Served(now_ns=T0) as udf:
        udf.feed(BATCHES[:12])
        saved = udf.snapshot()
    (other,) = normalize([{**PIPELINE.as_dict(), "periods": {"open": 90}}])
    with Served(other, now_ns=T0, restore=saved) as udf:
        assert len(named(udf.feed(BATCHES[:3]), "score")) == 3


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
