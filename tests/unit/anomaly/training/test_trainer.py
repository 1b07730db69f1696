"""What makes the keeper train a pipeline, on a stand-in for InfluxDB."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anomaly.influxdb.client import InfluxClient
from anomaly.models.manifest import TrainingRecord
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import normalize
from anomaly.training.trainer import PipelineTrainer
from tests.unit.anomaly.influxdb_double import InfluxDB
from tests.unit.anomaly.printers import PIPELINE


def trainer(
    influxdb: InfluxDB, store: Store, say: Callable[[str], None] = print, **training: object
) -> PipelineTrainer:
    """What looks after the printers' pipeline, with other keys of its training."""
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "training": training}])
    return PipelineTrainer(pipeline, InfluxClient(influxdb.url, "reader", "secret"), store.models, "anomaly", 10, say)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "model.npz is damaged: its SHA-256 is "),
        (Path.unlink, "model.npz is missing: train again"),
    ],
)
def test_a_pipeline_that_trains_itself_is_trained_when_its_model_is_damaged(
    influxdb: InfluxDB, store: Store, model: Model, damage: Callable[[Path], None], reason: str
) -> None:
    store.write(replace(model, version="v2"), TrainingRecord(created="2024-01-01T00:00:00Z"))
    store.promote("v2")
    by_itself, by_hand = trainer(influxdb, store, every="10000d"), trainer(influxdb, store)
    assert by_itself.look() is None

    damage(store.path / "v2" / "model.npz")

    assert reason in (by_itself.look() or "")
    assert by_hand.look() is None


def test_a_manifest_with_a_time_that_is_none_is_said_once(influxdb: InfluxDB, store: Store, model: Model) -> None:
    store.write(replace(model, version="v2"), TrainingRecord(created="yesterday"))
    store.promote("v2")
    said: list[str] = []
    by_itself = trainer(influxdb, store, said.append, every="10000d")

    assert [by_itself.look(), by_itself.look()] == [None, None]

    assert said == [
        "anomaly: created of v2: 'yesterday' is not a time: write an RFC 3339 time, such as 2024-01-01T00:00:00Z"
    ]
