"""`anomaly models compare`: the current model and the one in its shadow, by their results."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.cli import main
from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from kapacitor_udf import Point
from tests.unit.anomaly.serving.test_handler import batch, blocks, harness, named
from tests.unit.anomaly.serving.test_shadow import SAMPLES, stricter


@pytest.fixture
def models(store: Store, model: Model, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    store.write(stricter(model, "v2"))
    return store


@contextmanager
def results(monkeypatch: pytest.MonkeyPatch, points: list[Point]) -> Iterator[None]:
    """What a UDF emitted, as InfluxDB would answer it."""

    def query(self: InfluxClient, text: str, database: str) -> Iterator[SeriesChunk]:
        assert database == "anomaly"
        measurement = text.split(' FROM "')[1].split('"', maxsplit=1)[0]
        columns = text.removeprefix("SELECT ").split(" FROM")[0].replace('"', "").split(", ")
        chosen: list[Any] = [
            [point.time, *(point.fields[column] for column in columns)] for point in named(points, measurement)
        ]
        if chosen:
            yield SeriesChunk(measurement, {"pipeline": "printer", "printer": "printer-1"}, ["time", *columns], chosen)

    with monkeypatch.context() as patch:
        patch.setattr(InfluxClient, "query", query)
        yield


def test_the_command_compares(
    models: Store,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    models.set_shadow("v2")
    broken = SAMPLES.copy()
    broken[100:150, 1] += np.linspace(0.0, 3.0, 50)
    with harness() as udf:
        points = udf.feed([batch(number, block) for number, block in enumerate(blocks(broken))])
    command = ["models", "compare", "--models", str(models.models), "--pipeline", "printer"]
    command += ["--influxdb-url", "http://127.0.0.1:1"]
    with results(monkeypatch, points):
        assert main(command) == 0
        said = capsys.readouterr().out
        assert "pipeline printer: the current model and v2, on 60 windows" in said
        assert main([*command, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    assert found["shadow"] == "v2"
    assert found["windows"] == 60
    with results(monkeypatch, []):
        assert main(command) == 3
        assert "no window was scored by both models" in capsys.readouterr().err
    models.set_shadow(None)
    assert main(command) == 2
    assert "has no shadow version" in capsys.readouterr().err
