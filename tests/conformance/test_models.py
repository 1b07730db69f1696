"""A real kapacitord while models and marks change beneath a running task."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anomaly.cli import main
from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import canonical_json, normalize
from anomaly.scoring.feedback import MAINTENANCE, Mark
from anomaly.scoring.feedback_file import feedback_path, write_marks
from anomaly.training.fit import train
from daemons.kapacitord import Collector, Kapacitord
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, PIPELINE, WINDOW_NS

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]
BEGIN_NS = 1_704_067_200_000_000_000
SECONDS = 900
# How long a window waits for points. So none closes while a model is loaded, as if its points had ended.
LATENESS = 60
# The pipeline of the models: a window has its score when points that are this much later have come.
(PATIENT,) = normalize([{**PIPELINE.as_dict(), "lateness": f"{LATENESS}s"}])
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model() -> Model:
    windows = printers.windows(printers.clean(1, 6_000), printers.clean(2, 6_000))
    return train(PIPELINE, windows, "v1", seed=0).model


@pytest.fixture
def store(tmp_path: Path, model: Model) -> Store:
    """v1 is current, v2 is there; the two differ in name only."""
    store = Store(tmp_path / "models", PIPELINE.name)
    for version in ("v1", "v2"):
        store.write(replace(model, version=version))
    store.promote("v1")
    return store


def running(kapacitord: Start, collector: Collector, store: Store) -> Kapacitord:
    """A kapacitord with the pipeline's task."""
    path = ":".join(str(ROOT / "udf" / name / "src") for name in ("anomaly", "kapacitor_udf"))
    environment = {"PYTHONPATH": path, MODELS_VARIABLE: str(store.models)}
    command = [sys.executable, "-m", "anomaly", "udf"]
    kapacitor = kapacitord(commands={"anomaly": command}, environment=environment, timeout="60s")
    kapacitor.define(
        "printer",
        "stream|from().measurement('temperature')"
        f"@anomaly().spec('''{canonical_json(PATIENT)}''')"
        # One post for each point that the UDF emits; its own numbers are another test's.
        f'|where(lambda: isPresent("model") AND (isPresent("label") OR isPresent("state")))'
        f"|httpPost('{collector.url}')",
    )
    return kapacitor


def lines(samples: np.ndarray, begin: int, end: int) -> Iterator[str]:
    for second in range(begin, end):
        fields = ",".join(f"{name}={value}" for name, value in zip(FIELDS, samples[second].tolist(), strict=True))
        yield f"temperature,printer=printer-1 {fields} {BEGIN_NS + second * 1_000_000_000}"


def test_a_model_is_swapped_and_rolled_back_without_losing_a_window(
    kapacitord: Start, collector: Collector, store: Store
) -> None:
    kapacitor = running(kapacitord, collector, store)
    samples = printers.clean(7, SECONDS + LATENESS + 5)
    kapacitor.write(*lines(samples, 0, 305 + LATENESS))
    collector.wait_for(30)
    store.promote("v2")
    kapacitor.wait_for_log("scoring with model v2")
    kapacitor.write(*lines(samples, 305 + LATENESS, 605 + LATENESS))
    collector.wait_for(60)
    assert main(["models", "rollback", "--models", str(store.models), "--pipeline", PIPELINE.name]) == 0
    kapacitor.wait_for_log("scoring with model v1", times=2)
    kapacitor.write(*lines(samples, 605 + LATENESS, len(samples)))
    points = collector.wait_for(SECONDS // 10)
    scores = sorted(points, key=lambda point: str(point["time"]))
    assert [point["model"] for point in scores] == ["v1"] * 30 + ["v2"] * 30 + ["v1"] * 30
    assert len({point["time"] for point in scores}) == len(scores)
    kapacitor.assert_healthy()


def test_a_shadow_and_marks_come_into_a_running_task(kapacitord: Start, collector: Collector, store: Store) -> None:
    kapacitor = running(kapacitord, collector, store)
    samples = printers.clean(7, SECONDS + LATENESS + 5)
    samples[600:700, 1] += 20
    kapacitor.write(*lines(samples, 0, 305 + LATENESS))
    collector.wait_for(30)
    store.set_shadow("v2")
    mark = Mark(MAINTENANCE, BEGIN_NS + 55 * WINDOW_NS, BEGIN_NS + 75 * WINDOW_NS, {"printer": "printer-1"})
    write_marks(feedback_path(store.models, PIPELINE.name), [mark])
    kapacitor.wait_for_log("scoring with model v2, beside the current one")
    kapacitor.wait_for_log("1 mark of feedback")
    kapacitor.write(*lines(samples, 305 + LATENESS, len(samples)))
    points = collector.wait_for(90 + 60)
    by_name = {name: [point for point in points if point["name"] == name] for name in ("score", "score_shadow")}
    assert {point["model"] for point in by_name["score"]} == {"v1"}
    assert {point["model"] for point in by_name["score_shadow"]} == {"v2"}
    assert len(by_name["score"]) == 90
    assert [point["severity"] for point in by_name["score_shadow"]] == [
        point["severity"] for point in by_name["score"][30:]
    ]
    # The offset is loud, and no period comes of it.
    assert max(point["severity"] for point in by_name["score"]) == 100
    assert {point["feedback"] for point in by_name["score"] if point.get("feedback")} == {mark.id}
    assert not [point for point in points if point["name"].startswith("period")]
    kapacitor.assert_healthy()
