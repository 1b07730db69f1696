"""The slow gap: a shift that no single window shows is found, and is over within three windows."""

import numpy as np
import pytest

from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.slow_gap import KIND

MINUTE = 60_000_000_000
BEGIN = 1_500


@pytest.mark.parametrize("length", [20, 60, 200])
def test_a_shift_is_over_within_three_windows(length: int) -> None:
    end = BEGIN + length
    values = np.random.default_rng(2).normal(0.0, 0.25, end + 48)
    values[BEGIN:end] += 8.0
    followers = KIND.followers([Setting(MINUTE)], capacity=1)
    place, begin_ns = np.zeros(len(values), dtype=np.intp), np.arange(len(values)) * MINUTE

    scores = followers.explain(place, begin_ns, values[:, None])[0]

    usual = scores[:BEGIN].max()
    assert scores[BEGIN:end].max() > 2.0 * usual
    assert scores[end + 2 :].max() <= usual
