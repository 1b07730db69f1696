"""The value gap: what is over shows no longer."""

import numpy as np
import pytest

from anomaly.detectors.gap import KIND
from anomaly.detectors.parts.channel import Setting

MINUTE = 60_000_000_000


def scores(values: np.ndarray) -> np.ndarray:
    followers = KIND.followers([Setting(MINUTE)], capacity=1)
    place, begin_ns = np.zeros(len(values), dtype=np.intp), np.arange(len(values)) * MINUTE
    return followers.explain(place, begin_ns, values[:, None])[0]


def test_a_single_far_value_shows_in_its_own_window_alone() -> None:
    values = np.zeros(300)
    values[200] = 1.0

    found = scores(values)

    assert np.flatnonzero(found).tolist() == [200]


def test_parts_that_stay_alike_still_add_up() -> None:
    # Each value is beyond the range so far by the same share of it, five thousandths.
    values = np.concatenate([np.tile([0.0, 1.0], 50), 1.005 ** np.arange(1, 41)])

    found = scores(values)[100:]

    assert found[0] == pytest.approx(0.005, rel=1e-2)
    assert (np.diff(found[:20]) > 0).all()
    assert 0.045 < found[-1] <= 0.0501
