"""Models for single series: what they find that a pooled one does not, which series get one, and their budget."""

from typing import Any

import numpy as np
import pytest

from anomaly.detectors import registry
from anomaly.detectors.base import Detector, FeatureHistory, follow
from anomaly.detectors.declaration import FitRequest
from anomaly.detectors.wrappers import per_series
from anomaly.detectors.wrappers.context import KINDS, Contextual
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline, normalize
from anomaly.training.fit import TrainedModel, train
from anomaly.windows.arrays import Floats
from anomaly.windows.windows import Windows

MINUTE = 60_000_000_000
PARAMETERS: dict[str, Any] = {"trees": 100, "samples": 256, "neighbours": 5}
ROWS = 3_000
# Both fields go up and down together in the first series, and against each other in the second. The third is as the
# first, and has little history.
SIGNS, LENGTHS = (1.0, -1.0, 1.0), (ROWS, ROWS, 300)


def related(sign: float, rows: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    one = rng.normal(0, 1, rows)
    return np.stack([one, sign * one + rng.normal(0, 0.1, rows)], axis=1)


def history() -> FeatureHistory:
    x = np.concatenate(
        [related(sign, rows, seed) for seed, (sign, rows) in enumerate(zip(SIGNS, LENGTHS, strict=True))]
    )
    begin_ns = np.concatenate([np.arange(rows, dtype=np.int64) * MINUTE for rows in LENGTHS])
    mask = np.array([True, True, False])
    return FeatureHistory(x, np.repeat(np.arange(3), LENGTHS), 3, begin_ns, MINUTE, is_long=True, per_series=mask)


def fitted(name: str, **parameters: Any) -> Detector:
    return registry.fit(name, FitRequest(history(), {**PARAMETERS, **parameters})).detector


def scores(detector: Detector, row: int, x: Floats) -> Floats:
    return follow(detector, row).explain(np.arange(len(x), dtype=np.int64) * MINUTE, x)[0]


# Values that fit the baseline of the second series and not of the first; with the second sign turned, the other way.
SWAPPED = np.array([[1.5, -1.5], [-1.5, 1.5]])


@pytest.mark.parametrize("name", ["isolation_forest", "knn"])
def test_the_model_of_a_series_finds_that_it_behaves_like_another(name: str) -> None:
    detector = fitted(name)
    for row, sign in ((1, 1.0), (2, -1.0)):
        usual = related(sign, 2_000, 77)
        swapped = SWAPPED * [1.0, sign]
        assert scores(detector, row, swapped).min() > np.quantile(scores(detector, row, usual), 0.998)
        assert scores(detector, 0, swapped).max() < np.quantile(scores(detector, 0, usual), 0.99)


def test_other_series_have_the_pooled_model() -> None:
    detector = fitted("isolation_forest")
    x = related(1.0, 500, 78)
    np.testing.assert_array_equal(scores(detector, 3, x), scores(detector, 0, x))
    assert (scores(detector, 1, x) != scores(detector, 0, x)).any()


def test_threads_change_nothing_and_each_series_has_a_seed() -> None:
    one, other, seeded = (
        registry.fit("isolation_forest", FitRequest(history(), PARAMETERS, seed, jobs=jobs)).detector.arrays()
        for seed, jobs in ((0, 1), (0, 3), (1, 1))
    )
    assert {name: array.tobytes() for name, array in one.items()} == {
        name: array.tobytes() for name, array in other.items()
    }
    assert one["own_forest_threshold"].tobytes() != seeded["own_forest_threshold"].tobytes()


def test_the_model_of_a_series_is_a_quarter_and_less_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(fitted("isolation_forest").arrays()["own_forest_roots"]) == 2 * 25
    least = registry.declaration("isolation_forest").least_series_bytes(PARAMETERS, 2)
    monkeypatch.setattr(per_series, "BUDGET_BYTES", 2 * least)
    arrays = fitted("isolation_forest").arrays()
    assert len(arrays["own_forest_roots"]) == 2 * 10
    taken = sum(array.nbytes for name, array in arrays.items() if name.startswith("own_forest_"))
    assert least < taken <= 2 * least
    references = fitted("knn").arrays()["own_knn_references"]
    assert references.nbytes <= 2 * least


def test_series_with_enough_history_are_chosen_the_longest_first() -> None:
    lengths = np.array([999, 5_000, 1_000, 3_000])
    assert per_series.chosen(lengths, 1_000).tolist() == [False, True, True, True]  # type: ignore[union-attr]
    assert per_series.chosen(lengths, per_series.BUDGET_BYTES // 2).tolist() == [False, True, False, True]  # type: ignore[union-attr]
    assert per_series.chosen(np.array([999, 999]), 1_000) is None
    # With one series only, the pooled model is its model.
    assert per_series.chosen(np.array([9_000]), 1_000) is None


def test_where_a_part_of_the_history_has_little_of_a_series_the_pooled_model_scores_it() -> None:
    whole = history()
    part = whole.where((whole.series != 1) | (np.arange(len(whole.x)) % 7 == 0))
    detector, _ = registry.fit("isolation_forest", FitRequest(part, PARAMETERS))
    x = related(1.0, 100, 80)
    np.testing.assert_array_equal(scores(detector, 2, x), scores(detector, 0, x))


def test_with_context_the_model_of_a_series_sees_the_columns_too() -> None:
    detector = fitted("isolation_forest", context=KINDS)
    assert isinstance(detector, Contextual)
    assert isinstance(detector.full, per_series.PerSeries)
    again = registry.load("isolation_forest", detector.arrays())
    x = related(1.0, 200, 79)
    for row in range(4):
        np.testing.assert_array_equal(scores(again, row, x), scores(detector, row, x))
    assert (scores(detector, 1, x) != scores(detector, 0, x)).any()


def machines(*models: str) -> tuple[Pipeline, ...]:
    mapping = {"name": "m", "database": "d", "measurement": "m", "fields": ["a", "b"], "group_by": ["machine"]}
    more = {"window": "1m", "aggregate": ["mean"], "detector": "isolation_forest"}
    return tuple(normalize([{**mapping, **more, "parameters": {"models": kind}}])[0] for kind in models)


def windows() -> Windows:
    """Return the history in the fields' units."""
    shown = history()
    keys = tuple((f"machine-{number}",) for number in range(1, 4))
    return Windows(keys, shown.series, shown.begin_ns, 20.0 + 3.0 * shown.x, np.full((len(shown.x), 2), 5.0))


@pytest.fixture(scope="module")
def trained() -> dict[str, TrainedModel]:
    return {
        kind: train(pipeline, windows(), "v", 0)
        for kind, pipeline in zip(("own", "pooled"), machines("own", "pooled"), strict=True)
    }


def severities(model: Model, key: str, x: Floats) -> Floats:
    begin_ns = np.arange(len(x), dtype=np.int64) * MINUTE
    return np.array([one.severity for one in model.judge(model.follow((key,)), (key,), begin_ns, 20.0 + 3.0 * x)])


def test_a_model_finds_what_is_usual_in_another_series_and_is_as_calm_as_the_pooled_one(
    trained: dict[str, TrainedModel],
) -> None:
    alone, pooled = trained["own"].model, trained["pooled"].model
    # The hold-out of 4.4 days of a series has two windows that are about as odd.
    assert severities(alone, "machine-1", SWAPPED).min() > 60
    assert severities(pooled, "machine-1", SWAPPED).max() < 50
    for sign, key in ((1.0, "machine-1"), (-1.0, "machine-2"), (1.0, "machine-3")):
        assert (severities(alone, key, related(sign, 5_000, 81)) >= 75).mean() < 0.002


def test_the_plan_says_for_each_series_which_model_it_has(trained: dict[str, TrainedModel]) -> None:
    assert trained["own"].plan.series_models_record().to_json() == {
        "own": [["machine-1"], ["machine-2"]],
        "pooled": [["machine-3"]],
    }
    assert trained["own"].plan.lines() == ["2 of 3 series get a model of their own, the others the pooled one"]
    assert trained["pooled"].plan.series_models_record().to_json()["own"] == []
    assert trained["pooled"].plan.lines() == []
