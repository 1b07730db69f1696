"""What targets share: a small model of the default detector, which holds the arrays of most detectors."""

from pathlib import Path

import pytest

from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.training.fit import train
from tests.fuzz.damage import PIPELINE
from tests.unit.anomaly import printers


@pytest.fixture(scope="module")
def model() -> Model:
    windows = printers.windows(printers.clean(1, 1500), printers.clean(2, 1500))
    return train(PIPELINE, windows, "20240101T000000Z-fuzz", seed=0).model


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Store:
    """A store in which the model is current."""
    store = Store(Path(tmp_path_factory.mktemp("fuzz")) / "models", PIPELINE.name)
    store.write(model)
    store.promote(model.version)
    return store
