"""One model of two printers, trained once for all tests that only look at it."""

from pathlib import Path

import pytest

from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.training.fit import TrainedModel, train
from tests.unit.anomaly import printers


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
