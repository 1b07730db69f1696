"""The model of bench.series: a few trained hosts, of which all others are copies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anomaly.models.store import Store
from bench.series import model
from bench.series.load import FIELDS


def test_each_host_of_the_model_is_a_copy_of_a_trained_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_HOSTS", 2)
    monkeypatch.setattr(model, "_WINDOWS", 1_000)
    pipeline = model.make_pipeline("10s", "2GiB")
    pipeline = replace(pipeline, parameters={**pipeline.parameters, "trees": 5})
    values = np.array([[level, sigma] for level, sigma in FIELDS.values()]).reshape(1, -1)

    model.store_model(pipeline, tmp_path, 10**18, hosts=5)

    loaded = Store(tmp_path, pipeline.name).load("v1", pipeline)
    first, second, third, other = (
        loaded.judge(loaded.follow((host,)), (host,), np.array([10**18]), values)[0].score
        for host in ("h00000", "h00001", "h00002", "h00003")
    )
    assert not loaded.is_newcomer(("h00004",))
    assert (third, other) == (first, second)
    assert first != second
