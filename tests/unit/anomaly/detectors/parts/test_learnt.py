"""What followers remember at the end of training."""

import numpy as np

from anomaly.detectors.base import FeatureHistory
from anomaly.detectors.parts.learnt import SHOWN, shown


def test_the_follower_of_unseen_series_is_shown_the_end_of_each_series() -> None:
    # Series 0 and 1 take turns; series 2 is short.
    series = np.concatenate([np.tile([1, 0], SHOWN + 500), [2, 2, 2]])
    rows = np.arange(len(series))
    history = FeatureHistory(np.zeros((len(series), 1)), series, 3, rows, 1, is_long=True)

    places = shown(history)

    assert np.bincount(series[places]).tolist() == [SHOWN, SHOWN, 3]
    # One series after the other, each in the order of time, up to its last window.
    assert (np.diff(series[places]) >= 0).all()
    for number in range(3):
        own = rows[series == number]
        np.testing.assert_array_equal(places[series[places] == number], own[-SHOWN:])
