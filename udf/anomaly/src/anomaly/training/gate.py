"""The quality gate: refuses history that is too short or too incomplete, and tells how much of it looks like no rest.

A block of the history is odd where a model of the rest takes most of it for anomalous, and more so than the noise of
the rest explains. Where more than a fifth of the blocks are odd, `anomaly.training.fit` looks for a part of the
history that is not, and says what it did.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.models.features import features
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.refusal import Refused
from anomaly.severity.calibration import calibrate
from anomaly.severity.rarity import days
from anomaly.training.naming import first_of
from anomaly.windows.arrays import Floats, Key
from anomaly.windows.cut import cut_of
from anomaly.windows.windows import Windows

MIN_WINDOWS = 200
# A field that some windows lack must be in at least this many of them.
MIN_WINDOWS_OF_FIELD = 50
# The share of held-out windows beyond `periods.open` that is worth a warning; calibration expects hardly any.
_WARN_LOUD = 0.001
# Fewer odd windows than this may be chance.
_LEAST_LOUD = 3
# This many of the oddest blocks are left out, each with the two beside it, to see whether they are odder than the rest.
_ODDEST = (1, 2)
# History with this share of blocks that do not resemble the others holds no baseline.
_ODD_BLOCKS = 0.2
# This many odd stretches are named.
_MOST_NAMED = 5
# Shorter blocks are joined before they are compared, as scores that sum up the last windows decide on a short block.
_LEAST_WINDOWS = 40


@dataclass(frozen=True)
class Quality:
    """The figures of the quality gate.

    Attributes:
        expected_per_day: windows of one series a day beyond `periods.open`, as calibration expects them.
        observed_per_day: windows of one series a day beyond `periods.open`, in the hold-out.
        odd_blocks: the share of blocks of history that do not resemble the others.
        warnings: sentences for people.
        done: what training did about a history that looks like no rest, sentences for people.
    """

    expected_per_day: float
    observed_per_day: float
    odd_blocks: float
    warnings: tuple[str, ...]
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OddStretch:
    """A stretch of history that would open a period, to a model of the rest.

    Attributes:
        key: the series.
        begin_ns: the begin of its first window.
        last_ns: the begin of its last window.
    """

    key: Key
    begin_ns: int
    last_ns: int


class OddHistory(Refused):
    """A history of which too many blocks look like nothing in the rest.

    Attributes:
        what: how much of it, and since when, for people.
        quality: the figures all the same.
    """

    def __init__(self, pipeline: Pipeline, what: str, quality: Quality) -> None:
        super().__init__(
            f"pipeline {pipeline.name}: {what}: choose a range (training.from, training.to, --from, --to) that shows "
            "what is usual"
        )
        self.what = what
        self.quality = quality


def check_windows(pipeline: Pipeline, windows: Windows, whole: NDArray[np.bool_]) -> None:
    """Check that enough windows are usable.

    Args:
        pipeline: the pipeline.
        windows: all windows that were read.
        whole: the complete fields of the k usable windows, shape (k, f).

    Raises:
        Refused: fewer than MIN_WINDOWS windows are usable, or fewer than MIN_WINDOWS_OF_FIELD of them have some field.
    """
    if len(whole) >= MIN_WINDOWS:
        present = whole.sum(axis=0)
        rarest = int(present.argmin())
        if present[rarest] >= MIN_WINDOWS_OF_FIELD:
            return
        raise Refused(
            f"pipeline {pipeline.name}: {present[rarest]} windows have the field {pipeline.fields[rarest]!r}, at least "
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
    """Judge a model by the scores of held-out windows.

    Args:
        pipeline: the pipeline.
        begin_ns: the begins of the windows, shape (n,).
        held_back: their scores, shape (n,).
        block: the block of each window, shape (n,).

    Raises:
        OddHistory: history changes too much to hold a baseline.
    """
    limit = pipeline.periods.open
    block = block // -(-_LEAST_WINDOWS * len(np.unique(block)) // len(block))
    odd = _odd_blocks(held_back, block, pipeline.windows_per_day, limit)
    loud = _loud(held_back, np.isin(block, odd), pipeline.windows_per_day, limit)
    if loud.mean() <= _WARN_LOUD:
        loud |= _oddest(held_back, np.isin(block, odd), block, pipeline.windows_per_day, limit)
    odd_share, loud_share = len(odd) / len(np.unique(block)), float(loud.mean())
    warnings = []
    if loud_share > _WARN_LOUD:
        warnings.append(
            f"{loud_share:.1%} of the history would be anomalous to a model of the rest of it, first at "
            f"{rfc3339(int(begin_ns[loud].min()))}: the model takes it as usual; if it is not, train on another range"
        )
    expected = 1.0 / days(limit)
    quality = Quality(expected, loud_share * pipeline.windows_per_day, odd_share, tuple(warnings))
    if odd_share > _ODD_BLOCKS:
        what = (
            f"{odd_share:.0%} of the history looks like nothing in the rest of it, first at "
            f"{rfc3339(int(begin_ns[np.isin(block, odd)].min()))}"
        )
        raise OddHistory(pipeline, what, quality)
    return quality


def odd_stretches(pipeline: Pipeline, stretches: Sequence[OddStretch]) -> str:
    """Return a warning that stretches of history look like faults, with their times.

    The model is trained on all of them, and where they resemble each other, it knows the like of each.
    """

    def named(stretch: OddStretch) -> str:
        of_series = f" of {' '.join(stretch.key)}" if stretch.key else ""
        return f"{rfc3339(stretch.begin_ns)} to {rfc3339(cut_of(pipeline).after(stretch.last_ns))}{of_series}"

    ordered = sorted(stretches, key=lambda stretch: stretch.begin_ns)
    return (
        f"{len(ordered)} stretches of the history look like faults: {first_of(ordered, _MOST_NAMED, named)}: the model "
        "takes them as usual, and finds little of what is like them; if they are not usual, train on another range "
        "(training.from, training.to, --from, --to), or mark them as true (`anomaly feedback add --kind true`) and "
        "train again"
    )


def _odd_blocks(held_back: Floats, block: NDArray[np.intp], windows_per_day: float, limit: float) -> NDArray[np.intp]:
    """Return the odd blocks.

    Their median score is above the 90th percentile of a typical block, and would open a period by a calibration of the
    others. The first alone holds for the busy hours of every series whose other hours are silent.
    """
    numbers = np.unique(block)
    medians, rare = np.array([np.quantile(held_back[block == number], [0.5, 0.9]) for number in numbers]).T
    higher = medians > np.median(rare)
    if not higher.any():
        return np.asarray(numbers[:0])
    calm = calibrate(held_back[~np.isin(block, numbers[higher])])
    return np.asarray(numbers[higher & (medians >= calm.score_at(limit, windows_per_day))])


def _loud(held_back: Floats, odd: NDArray[np.bool_], windows_per_day: float, limit: float) -> NDArray[np.bool_]:
    """Return which windows are beyond a severity, by a calibration that leaves them out, shape (n,).

    Each round calibrates without the windows beyond the severity, until a round finds the windows of the one before.
    The first calibration uses a median, so that the windows that it must find do not distort it.
    """
    loud = np.zeros_like(odd)
    calibration = calibrate(held_back[~odd], robust=True)
    for _ in range(10):
        before, loud = loud, calibration.severity(held_back, windows_per_day) >= limit
        if (before == loud).all() or (loud | odd).all():
            break
        calibration = calibrate(held_back[~(loud | odd)])
    return loud


def _oddest(
    held_back: Floats, odd: NDArray[np.bool_], block: NDArray[np.intp], windows_per_day: float, limit: float
) -> NDArray[np.bool_]:
    """Return which windows of the oddest blocks are beyond a severity, by a calibration of the others, shape (n,).

    A calibration is made of the highest scores, which are some fifty for a history of few days. A fault of forty
    windows is most of them, so it hides from their median, and it hides what is as odd from the model.
    """
    numbers = np.unique(block)
    highest = np.array([held_back[block == number].max() for number in numbers])
    ranked = numbers[np.argsort(-highest, kind="stable")]
    for count in _ODDEST:
        near = np.abs(block[:, None] - ranked[:count]).min(axis=1) <= 1
        if (near | odd).all():
            break
        severity = calibrate(held_back[~(near | odd)]).severity(held_back, windows_per_day)
        beyond = near & ~odd & (severity >= limit)
        if beyond.sum() >= _LEAST_LOUD and beyond.mean() > _WARN_LOUD:
            return np.asarray(beyond)
    return np.zeros_like(odd)
