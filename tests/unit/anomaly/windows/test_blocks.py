"""A history in blocks, of which folds hold back each fifth."""

import numpy as np
import pytest

from anomaly.windows.blocks import FOLDS, Blocks
from tests.unit.anomaly.detectors.wrappers.test_context import DAY, HOUR, MINUTE, steady


@pytest.mark.parametrize(("days", "period_ns"), [(2, DAY), (5, DAY), (7, DAY), (14, 7 * DAY), (30, DAY), (28, 7 * DAY)])
def test_a_fold_does_not_hold_back_the_same_hour_of_all_days(days: int, period_ns: int) -> None:
    begin_ns = steady(days * 24 * 6, 10 * MINUTE)
    blocks = Blocks(begin_ns, [period_ns])
    assert 50 <= len(np.unique(blocks.number)) < 100
    hours = begin_ns % period_ns // HOUR
    for fold in range(FOLDS):
        assert set(hours[blocks.trained_on(fold)]) == set(hours)
