"""The quality gate: what is too little, too odd or too noisy to become a model."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from anomaly.models.features import features
from anomaly.pipeline import Pipeline
from anomaly.severity.calibration import calibrate
from anomaly.severity.rarity import days
from anomaly.windows.arrays import Floats
from anomaly.windows.windows import Windows

MIN_WINDOWS = 200
# Of a field that windows may lack.
MIN_WINDOWS_OF_FIELD = 50
# A share of held-back windows beyond `periods.open` that is worth a warning: by calibration, there should be hardly
# any.
_SAID = 0.001
# A share of blocks that look like nothing in the others: history that changes so much does not say what is usual.
_ODD_BLOCKS = 0.2
# Blocks of fewer windows are put together for that: scores that sum up the last windows make or break a short block.
_LEAST_WINDOWS = 40


class Refused(Exception):
    """Training that must not become a model; the message says why and what to do."""


@dataclass(frozen=True)
class Quality:
    """expected_per_day, observed_per_day: windows of one series beyond `periods.open`, by calibration and of those held
    back. odd_blocks: the share of blocks of history that look like nothing in the others. warnings: for people."""

    expected_per_day: float
    observed_per_day: float
    odd_blocks: float
    warnings: tuple[str, ...]


def check_windows(pipeline: Pipeline, windows: Windows, whole: NDArray[np.bool_]) -> None:
    """Raises Refused when fewer than MIN_WINDOWS windows are usable, by their whole fields (k, f), or fewer than
    MIN_WINDOWS_OF_FIELD have some field; names what is missing in the others."""
    if len(whole) >= MIN_WINDOWS:
        there = whole.sum(axis=0)
        rarest = int(there.argmin())
        if there[rarest] >= MIN_WINDOWS_OF_FIELD:
            return
        raise Refused(
            f"pipeline {pipeline.name}: {there[rarest]} windows have the field {pipeline.fields[rarest]!r}, at least "
            f"{MIN_WINDOWS_OF_FIELD} are needed to know what is usual: remove it, or train on a longer range "
            "(training.from, --from)"
        )
    message = (
        f"pipeline {pipeline.name}: {len(whole)} usable windows of {pipeline.window}, at least {MIN_WINDOWS} are needed"
    )
    if len(windows) < MIN_WINDOWS:
        raise Refused(f"{message}: train on a longer range (training.from, --from), or choose a shorter window")
    missing = ~np.isfinite(windows.values)
    worst = int(missing.sum(axis=0).argmax())
    feature = features(pipeline)[worst]
    message += f": {feature.name} is missing in {missing[:, worst].mean():.0%} of {len(windows)} windows"
    if feature.aggregate == "stddev" and not missing[:, worst - worst % len(pipeline.aggregate)].any():
        raise Refused(f"{message}, as it needs two points in a window: choose a longer one, or aggregate: [mean]")
    raise Refused(
        f"{message}: remove the field {feature.field!r}, choose a longer window, or have it written more often"
    )


def check_quality(
    pipeline: Pipeline, begin_ns: NDArray[np.int64], held_back: Floats, block: NDArray[np.intp]
) -> Quality:
    """Looks at the scores (n,) of held-back windows, their begins and blocks. Raises Refused when history changes too
    much to say what is usual."""
    limit = pipeline.periods.open
    block = block // -(-_LEAST_WINDOWS * len(np.unique(block)) // len(block))
    odd = _odd_blocks(held_back, block)
    loud = _loud(held_back, np.isin(block, odd), pipeline.windows_per_day, limit)
    odd_share, loud_share = len(odd) / len(np.unique(block)), float(loud.mean())
    warnings = []
    if odd_share > _ODD_BLOCKS:
        raise Refused(
            f"pipeline {pipeline.name}: {odd_share:.0%} of the history looks like nothing in the rest of it, first at "
            f"{_time(begin_ns[np.isin(block, odd)].min())}: choose a range (training.from, training.to, --from, --to) "
            "that shows what is usual"
        )
    if loud_share > _SAID:
        warnings.append(
            f"{loud_share:.1%} of the history would be anomalous to a model of the rest of it, first at "
            f"{_time(begin_ns[loud].min())}: the model takes it as usual; if it is not, train on another range"
        )
    expected = 1.0 / days(limit)
    return Quality(expected, loud_share * pipeline.windows_per_day, odd_share, tuple(warnings))


def _odd_blocks(held_back: Floats, block: NDArray[np.intp]) -> NDArray[np.intp]:
    """Blocks of which half is rarer than a tenth of the usual block."""
    numbers = np.unique(block)
    medians, rare = np.array([np.quantile(held_back[block == number], [0.5, 0.9]) for number in numbers]).T
    return np.asarray(numbers[medians > np.median(rare)])


def _loud(held_back: Floats, odd: NDArray[np.bool_], windows_per_day: float, limit: float) -> NDArray[np.bool_]:
    """Windows beyond `limit` of a calibration without them: what is beyond is set aside, again and again, until nothing
    more is. The first calibration must not be spoilt by what it is to find, so it goes by a median."""
    loud = np.zeros_like(odd)
    calibration = calibrate(held_back[~odd], robust=True)
    for _ in range(10):
        before, loud = loud, calibration.severity(held_back, windows_per_day) >= limit
        if (before == loud).all() or (loud | odd).all():
            break
        calibration = calibrate(held_back[~(loud | odd)])
    return loud


def _time(time_ns: np.int64) -> str:
    return datetime.fromtimestamp(int(time_ns) / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
