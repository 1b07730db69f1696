"""What a model says of the windows of several series at once is what it says of each."""

from dataclasses import replace

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import normalize
from anomaly.training.fit import train
from tests.unit.anomaly import printers

KEYS = [("printer-1",), ("nobody",), ("printer-2",)]


@pytest.fixture(scope="module", params=["ensemble", "isolation_forest", "robust_z"])
def model(request: pytest.FixtureRequest) -> Model:
    whole = printers.PIPELINE.as_dict()
    described = {key: whole[key] for key in whole if key not in ("parameters", "seasonality")}
    (pipeline,) = normalize([{**described, "detector": request.param}])
    windows = printers.windows(printers.clean(5, 12_000), printers.clean(6, 12_000))
    return train(pipeline, windows, "v", 0).model


def test_windows_of_several_series_are_judged_as_those_of_each(model: Model) -> None:
    runs = [printers.runs(printers.windows(printers.clean(8 + number, 300)))[0] for number in range(3)]
    values = np.stack([run.values for run in runs], axis=1).reshape(-1, runs[0].values.shape[1])
    values[4, :2] = np.nan
    begin_ns, row = np.repeat(runs[0].begin_ns, 3), np.array([model.row(key) for key in KEYS])
    followers, places = model.detector.followers(5), np.array([3, 0, 4])
    followers.begin(places, row)

    judged = model.judge_many(followers, np.tile(row, 30), np.tile(places, 30), begin_ns, values)

    for number, key in enumerate(KEYS):
        alone = model.judge(model.follow(key), key, begin_ns[number::3], values[number::3])
        for name in ("score", "severity", "surprise", "value", "expected_low", "expected_high", "contribution"):
            expected = np.array([getattr(verdict, name) for verdict in alone])
            np.testing.assert_allclose(getattr(judged, name)[number::3], expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(judged.features[number::3], [verdict.features for verdict in alone])


def test_windows_of_a_series_with_a_limit_of_its_own_are_evidence_beyond_it(model: Model) -> None:
    (run,) = printers.runs(printers.windows(printers.clean(8, 3_000)))
    excess = np.zeros(len(model.scaling.center))
    excess[model.row(run.key)] = 0.7

    usual, limited = (
        np.array([each.surprise for each in one.judge(one.follow(run.key), run.key, run.begin_ns, run.values)])
        for one in (replace(model, evidence_excess=None), replace(model, evidence_excess=excess))
    )

    assert usual.max() > 0.7
    np.testing.assert_allclose(limited, np.maximum(usual - 0.7, 0.0))


def test_a_model_says_how_many_bytes_a_series_needs(model: Model) -> None:
    assert model.remembers == (model.bytes_per_series > 0) == (model.pipeline.detector == "ensemble")
    assert model.bytes_per_series <= 10_800 * len(model.scaling.spread) + 2_100
