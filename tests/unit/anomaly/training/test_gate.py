"""The gate of training: which history is refused, with what is wrong of it."""

from dataclasses import replace

import numpy as np
import pytest

from anomaly.refusal import Refused
from anomaly.training.fit import train
from anomaly.training.gate import MIN_WINDOWS, check_quality
from tests.unit.anomaly.printers import PIPELINE
from tests.unit.anomaly.training.test_fit import SHORT


def test_too_few_windows_are_refused() -> None:
    few = SHORT.where(np.arange(len(SHORT)) < MIN_WINDOWS - 1)
    with pytest.raises(
        Refused, match="pipeline printer: 199 usable windows of 10s, at least 200 are needed: train on a longer"
    ):
        train(PIPELINE, few, "v", 0)


def test_windows_of_single_points_are_refused_with_the_reason() -> None:
    values = SHORT.values.copy()
    values[:, 1::2] = np.nan
    with pytest.raises(
        Refused,
        match=r"stddev\(hotend\) is missing in 100% of 800 windows, as it needs two points .* aggregate: \[mean\]",
    ):
        train(PIPELINE, replace(SHORT, values=values), "v", 0)


def test_a_field_that_is_mostly_missing_is_refused_by_name() -> None:
    values = SHORT.values.copy()
    values[40:, 4] = np.nan
    with pytest.raises(Refused, match=r"mean\(air\) is missing in 95% of 800 windows: remove the field 'air'"):
        train(PIPELINE, replace(SHORT, values=values), "v", 0)


@pytest.mark.parametrize(("odd", "refused"), [(0, False), (9, False), (11, True), (20, True)])
def test_a_history_that_changes_too_much_is_refused(odd: int, refused: bool) -> None:
    """Scores of a history of 50 blocks, of which the last `odd` look like nothing in the others."""
    block = np.repeat(np.arange(50), 60)
    held_back = np.random.default_rng(0).exponential(0.2, 3000) + np.where(block >= 50 - odd, 9.0, 0.4)
    begin = block * 10**12
    if refused:
        message = (
            f"pipeline printer: {odd * 2}% of the history looks like nothing in the rest of it, first at 1970-01-01T.* "
        )
        with pytest.raises(Refused, match=message + "choose a range"):
            check_quality(PIPELINE, begin, held_back, block)
    else:
        assert check_quality(PIPELINE, begin, held_back, block).odd_blocks == odd / 50


def test_busy_hours_among_silent_ones_are_not_odd() -> None:
    """A third of the blocks is above what is typical, and below what is rare."""
    block = np.repeat(np.arange(48), 60)
    noise = np.random.default_rng(0).exponential(1.0, len(block))
    held_back = np.where(block % 3 == 0, 0.5 * noise + 0.6, 0.02 * noise)
    held_back[::97] += 2.0
    assert check_quality(PIPELINE, block * 10**12, held_back, block).odd_blocks == 0.0


@pytest.mark.parametrize(("faults", "loud"), [(0, 0), (1, 40)])
def test_a_fault_that_is_most_of_the_highest_scores_is_told(faults: int, loud: int) -> None:
    """Scores of three days in windows of a minute, of which stretches of 40 windows are far odder."""
    block = np.repeat(np.arange(54), 80)
    held_back = np.random.default_rng(0).exponential(1.0, len(block))
    for fault in range(faults):
        held_back[700 + 600 * fault : 740 + 600 * fault] += 60.0

    quality = check_quality(replace(PIPELINE, window="1m"), np.arange(len(block)) * 60 * 10**9, held_back, block)

    assert quality.observed_per_day == pytest.approx(loud / 3)
    assert ["first at 1970-01-01T11:40:00Z" in warning for warning in quality.warnings] == [True] * (faults > 0)
