"""A memoryless detector whose scores are ranked among those of their series."""

import numpy as np
import pytest

from anomaly.detectors.base import FeatureHistory, Follower, follow
from anomaly.detectors.robust_z import RobustZ
from anomaly.detectors.wrappers import running_tail
from anomaly.windows.arrays import Floats

MINUTE = 60_000_000_000
# A score of 5 is rare in the first series and usual in the second.
SERIES = np.repeat([0, 1], [400, 400]).astype(np.intp)
X = np.random.default_rng(0).exponential(np.repeat([0.5, 5.0], 400))[:, None]


def history(series: np.ndarray = SERIES, x: Floats = X) -> FeatureHistory:
    return FeatureHistory(x, series, 2, np.arange(len(x), dtype=np.int64) * MINUTE, MINUTE, is_long=False)


def surprises(follower: Follower, values: list[float]) -> Floats:
    x = np.array(values)[:, None]
    return follower.explain(np.zeros(len(x), dtype=np.int64), x)[0]


def fitted() -> running_tail.RunningTail:
    return running_tail.fit(RobustZ(), history(), X[:, 0])


def test_a_score_is_a_surprise_among_those_of_its_series() -> None:
    both = [surprises(follow(fitted(), row), [5.0])[0] for row in (1, 2)]
    # -ln of the exponential distributions' tails.
    assert both == pytest.approx([10.0, 1.0], rel=0.35)


def test_an_unseen_series_begins_with_the_scores_of_all() -> None:
    first, unseen, second = (surprises(follow(fitted(), row), [5.0])[0] for row in (1, 0, 2))
    assert second < unseen < first


def test_a_series_with_few_windows_begins_with_the_scores_of_all() -> None:
    few = np.where(np.arange(len(X)) < 790, 0, 1).astype(np.intp)
    tail = running_tail.fit(RobustZ(), history(few), X[:, 0])
    assert surprises(follow(tail, 2), [5.0]) == surprises(follow(tail, 0), [5.0])
    assert surprises(follow(tail, 2), [5.0]) > 0


def test_a_score_that_stays_becomes_usual() -> None:
    follower = follow(fitted(), 1)
    assert surprises(follower, [5.0])[0] > 6
    surprises(follower, [5.0] * 1_000)
    assert surprises(follower, [5.0])[0] < 2


def test_a_fault_does_not_make_such_faults_usual() -> None:
    follower = follow(fitted(), 1)
    surprises(follower, [100.0] * 5)
    surprises(follower, [0.3] * 200)
    assert surprises(follower, [100.0])[0] > 10
