"""What a release before left behind: its model and its snapshot are refused, each told once, without losing a window.

`release_before.tar.xz` was made by the code before the UDF cut the windows: a model of the default detector, the scores
that it gave, and the snapshot that Kapacitor had of the UDF. Detectors compute scores otherwise since.
"""

import json
import tarfile
from pathlib import Path

import pytest

from anomaly.locations import MODELS_VARIABLE, STATE_VARIABLE
from anomaly.pipeline import Pipeline, normalize
from kapacitor_udf import Point
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS
from tests.unit.anomaly.served import SECOND_NS, Served
from tests.unit.anomaly.serving.test_handler import T0

SAMPLES = printers.clean(7, 600)
# A fault that the release before found, too.
SAMPLES[300:400, 1] += 3.2
POINTS = [
    Point(
        name="temperature",
        time=T0 + second * SECOND_NS,
        fields=dict(zip(FIELDS, row, strict=True)),
        tags={"printer": "printer-1"},
    )
    for second, row in enumerate(SAMPLES.tolist())
]


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the release before left behind, with a folder for the state, which that release did not have."""
    with tarfile.open(Path(__file__).with_name("release_before.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "state").mkdir()
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    return tmp_path


def scores(before: Path) -> tuple[Pipeline, list[list[float]]]:
    """The pipeline as the release before had it, and begin, score and severity of each window."""
    content = json.loads((before / "scores.json").read_text(encoding="utf-8"))
    (pipeline,) = normalize([content["pipeline"]])
    return pipeline, content["scores"]


def refusals(udf: Served) -> list[str]:
    """What was said of the model."""
    return [
        line for line in udf.log if "20240101T000000Z-before does not fit the pipeline: schema 4 in the model" in line
    ]


def test_a_model_of_the_release_before_is_refused_and_its_windows_are_counted(before: Path) -> None:
    pipeline, expected = scores(before)

    with Served(pipeline, now_ns=T0) as udf:
        found = udf.points(POINTS) + udf.at(POINTS[-1].time + SECOND_NS)

        assert not found
        assert udf.handler.events.counts == {"unscored windows": len(expected)}
    (refusal,) = refusals(udf)
    assert "computes features or scores otherwise: train again (no model is used)" in refusal


def test_a_snapshot_of_the_release_before_is_refused_once_and_no_point_is_lost(before: Path) -> None:
    pipeline, expected = scores(before)
    # The snapshot was taken after the 13th window; the upgrade takes five seconds of the 14th.
    later = POINTS[135:]

    with Served(pipeline, now_ns=later[0].time, restore=(before / "snapshot").read_bytes(), strict=False) as udf:
        udf.points(later)
        udf.at(POINTS[-1].time + SECOND_NS)
        saved = udf.snapshot()

        # A catch-up scores them, once there is a model.
        assert udf.handler.events.counts == {"unscored windows": len(expected) - 13}
    assert sum("the snapshot is not restored, starting cold" in line for line in udf.log) == 1
    assert len(refusals(udf)) == 1
    # From now on the state is a file.
    assert saved.endswith(b'{"state": "printer.npz"}')
