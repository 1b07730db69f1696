"""The value gap: what is over shows no longer."""

import numpy as np
import pytest

from anomaly.detectors.gap import KIND
from anomaly.detectors.parts.channel import Setting

MINUTE = 60_000_000_000


def scores(values: np.ndarray, unlearnt: np.ndarray | None = None) -> np.ndarray:
    followers = KIND.followers([Setting(MINUTE)], capacity=1)
    place, begin_ns = np.zeros(len(values), dtype=np.intp), np.arange(len(values)) * MINUTE
    return followers.explain(place, begin_ns, values[:, None], unlearnt)[0]


def test_a_single_far_value_shows_in_its_own_window_alone() -> None:
    values = np.zeros(300)
    values[200] = 1.0

    found = scores(values)

    assert np.flatnonzero(found).tolist() == [200]


def test_parts_that_stay_alike_still_add_up() -> None:
    # Each value is beyond the range so far by the same share of it, five thousandths.
    values = np.concatenate([np.tile([0.0, 1.0], 150), 1.005 ** np.arange(1, 41)])

    found = scores(values)[300:]

    assert found[0] == pytest.approx(0.005, rel=1e-2)
    assert (np.diff(found[:20]) > 0).all()
    assert found[-1] == pytest.approx(0.105), "earlier windows add at most 0.1"


def test_what_a_period_has_summed_up_does_not_lift_what_comes_after_it() -> None:
    values = np.tile([0.0, 1.0], 160)
    values[300:305] = 3.0
    values[310] = 1.05
    # The windows from 300 to 306 belong to a period, which closes with two usual ones.
    unlearnt = np.isin(np.arange(320), range(301, 308))

    found = scores(values, unlearnt)

    assert (found[300:305] > 2.0).all()
    assert found[310] == pytest.approx(0.05)
