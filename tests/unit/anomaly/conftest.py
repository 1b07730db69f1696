"""One model of two printers, trained once for all tests that only look at it, and a database to train from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.training.fit import TrainedModel, train
from tests.unit.anomaly import printers
from tests.unit.anomaly.influxdb_double import InfluxDB, serve


@pytest.fixture(scope="session")
def trained() -> TrainedModel:
    windows = printers.windows(printers.clean(1, 20_000), printers.clean(2, 20_000))
    return train(printers.PIPELINE, windows, "20240101T000000Z-test", seed=0)


@pytest.fixture(scope="session")
def model(trained: TrainedModel) -> Model:
    return trained.model


@pytest.fixture
def store(tmp_path: Path, model: Model) -> Store:
    """A store in which the model is current."""
    store = Store(tmp_path / "models", printers.PIPELINE.name)
    store.write(model)
    store.promote(model.version)
    return store


@pytest.fixture
def influxdb() -> Iterator[InfluxDB]:
    """A server that has the history of two printers, and a database for results."""
    history = printers.windows(printers.clean(3, 3000), printers.clean(4, 3000))
    with serve(InfluxDB(history, dict.fromkeys(printers.FIELDS, "float"))) as database:
        database.databases.append("anomaly")
        yield database
