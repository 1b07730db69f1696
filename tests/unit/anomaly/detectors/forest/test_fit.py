"""A forest as scikit-learn fits it, and the average path of trees."""

import numpy as np

from anomaly.detectors import registry
from anomaly.detectors.base import FeatureHistory, follow
from anomaly.detectors.declaration import FitRequest
from anomaly.detectors.forest.fit import average_path
from tests.unit.anomaly.detectors.forest.test_served import MODES


def test_average_path_is_equation_1_of_the_paper() -> None:
    exact = 2 * (np.log(255) + np.euler_gamma) - 2 * 255 / 256
    np.testing.assert_allclose(average_path(np.array([1, 2, 256])), [0.0, 1.0, exact])


def test_a_forest_depends_on_the_seed_alone() -> None:
    parameters = {"trees": 20, "samples": 64}
    rows = np.arange(len(MODES))
    history = FeatureHistory(MODES, rows * 0, 1, rows, 1, is_long=True)
    first, same, other = (
        follow(registry.fit("isolation_forest", FitRequest(history, parameters, seed)).detector, 1).explain(
            rows, MODES
        )[0]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
