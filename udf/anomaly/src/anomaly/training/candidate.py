"""Compares a candidate, a model that was just trained, with the current model of its pipeline.

Not every window has a label, so the comparison checks three things that both models can be asked about:

- *Calm.* How many windows of the hold-out would open a period? The windows are held out from the candidate, and from
  the current model too where there are enough of such windows. Time is cut into stretches, and each stretch counts for
  the calmer model: a fault that lasts makes one or two stretches loud, but a thousand windows. A sign test decides
  whether the difference may be chance.
- *Watchful.* Offsets of known sizes, in units of the new history's spread, are planted into single windows. How many
  of them does each model find? A model of too little history finds few offsets of any kind. A model of a history with
  a fault does not find offsets like the fault, in its field and direction. So the comparison counts all offsets
  together, and those of each field and direction separately. McNemar's test (Psychometrika 12, 1947) and margins
  decide, as two models of equal histories differ, too.
- *Corrected.* The candidate must find each confirmed period that the current model finds, and must not raise a false
  alarm that the current model does not raise. Each mark is a fact, so this needs no test.

After a drift the current model is loud, and loud models find every offset. So the share of windows that are loud
without an offset is subtracted from what the current model finds, and the candidate is also compared with what the
current model found in its own hold-out when it was trained. Where the candidate has learned a false alarm, only a big
loss counts against it. Where the current model is loud most of the time, confirmed periods do not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, product
from math import comb

import numpy as np
from numpy.typing import NDArray

from anomaly.models.features import features
from anomaly.models.model import Model
from anomaly.pipeline.specification import SHAPES
from anomaly.scoring.feedback import FALSE_ALARM, TRUE, Feedback, Mark
from anomaly.training.feedback import opens_period
from anomaly.training.fit import TrainedModel
from anomaly.training.gate import MIN_WINDOWS
from anomaly.windows.arrays import Floats
from anomaly.windows.windows import DETECTOR_LEAD_IN_WINDOWS, Windows

# A difference is beyond chance if equal models show it at most once in a hundred comparisons.
_CHANCE = 0.01
_STRETCHES = 50
# How many offsets are planted into one field, and at most into all fields; sizes are in scales of the series.
_OF_A_FIELD, _PLANTED = 80, 400
_SIZES = (6.0, 9.0, 13.0, 19.0)
# The directions of offsets: name, sign, and the `direction` of the fields for which such offsets do not count.
_WAYS = (("upwards", 1.0, "low"), ("downwards", -1.0, "high"))
# The shares of offsets that a candidate may lose: of all, of those of one field and direction, and of all if excused.
# Simulated printers lose at most 0.16 and 0.30 between models of 5 hours, and 0.22 and 0.43 with 2 hours after 5; they
# lose 0.28 or more of all with 50 minutes, and 0.78 or more of a field with an unnoticed offset in 3 % of the history.
_MARGIN, _MARGIN_OF_ONE, _MARGIN_OF_EXCUSED = 0.25, 0.5, 0.5


@dataclass(frozen=True, slots=True)
class FigurePair:
    """One figure of both models.

    Attributes:
        current: the figure of the current model.
        candidate: the figure of the candidate.
    """

    current: float
    candidate: float


@dataclass(frozen=True, slots=True)
class CandidateComparison:
    """The figures of a candidate and of the current version.

    Attributes:
        current: the current version.
        windows: how many windows were held out from the candidate.
        unseen: whether they were held out from the current version, too.
        loud_per_day: windows of one series a day beyond `periods.open`.
        planted: how many offsets were planted.
        found: the share of offsets that are beyond `periods.open`.
        missed: ids of confirmed periods that only the current version finds.
        raised: ids of false alarms that only the candidate raises.
        calmer: whether the candidate is calmer beyond chance.
        worse: sentences for people on why the candidate is refused; empty when it is not.
    """

    current: str
    windows: int
    unseen: bool
    loud_per_day: FigurePair
    planted: int
    found: FigurePair
    missed: tuple[str, ...]
    raised: tuple[str, ...]
    calmer: bool
    worse: tuple[str, ...]

    def __str__(self) -> str:
        """Return the figures for people."""
        loud, found = self.loud_per_day, self.found
        return (
            f"on {self.windows} windows, "
            + ("which neither has been trained on" if self.unseen else "some of which the current one was trained on")
            + f": {loud.candidate:.3g} a day and series would open a period, of the current one {loud.current:.3g}; of "
            f"{self.planted} planted offsets it finds {found.candidate:.0%}, the current one {found.current:.0%}"
        )


def found_offsets(trained: TrainedModel) -> float | None:
    """Return which share of offsets a new model finds, planted into its own hold-out; None where none is planted."""
    calibration_set = trained.calibration_set
    planted = _plant(trained.model, calibration_set.windows, np.flatnonzero(calibration_set.scored))
    return float(np.mean([_finds(trained.model, one) for one in planted])) if planted else None


def compare_candidate(
    current: Model,
    seen: tuple[int, int],
    candidate: TrainedModel,
    history: Windows,
    marks: Sequence[Mark],
    found_before: float | None = None,
) -> CandidateComparison:
    """Compare a candidate with the current model of its pipeline.

    Args:
        current: the current model.
        seen: begin and end of the range that the current model was trained on, in nanoseconds.
        candidate: the new model.
        history: all windows that were read, also the windows that marks of feedback exclude from training.
        marks: all marks of the pipeline.
        found_before: the share of planted offsets that the current model found when it was trained; None if unknown.
    """
    calibration_set, pipeline = candidate.calibration_set, current.pipeline
    begin_ns = calibration_set.windows.begin_ns
    compared = calibration_set.scored & ((begin_ns < seen[0]) | (begin_ns >= seen[1]))
    unseen = int(compared.sum()) >= MIN_WINDOWS
    if not unseen:
        compared = calibration_set.scored
    loud = _severities(current, candidate, compared) >= pipeline.periods.open
    current_loud, candidate_loud = _stretches(begin_ns[compared], loud)
    calmer = _beyond_chance((current_loud > candidate_loud).sum(), (candidate_loud > current_loud).sum())
    louder = _beyond_chance((candidate_loud > current_loud).sum(), (current_loud > candidate_loud).sum())
    planted = _plant(candidate.model, calibration_set.windows, np.flatnonzero(compared))
    is_found = np.array(
        [[_finds(model, one) for one in planted] for model in (current, candidate.model)], dtype=np.bool_
    )
    shares = is_found.mean(axis=1) if planted else np.zeros(2)
    marked = _MarkComparison(current, candidate.model, history, marks)
    missed = marked.wrong_alone(TRUE, right=True) if (current_loud > 0).mean() <= 0.5 else ()
    raised = marked.wrong_alone(FALSE_ALARM, right=False)
    # A candidate that has learned a false alarm does not find offsets like it any more.
    learned = marked.right_alone(FALSE_ALARM, right=False)
    blinder = why_blinder(planted, is_found, float(loud[0].mean()), excused=bool(learned))
    if not blinder and not learned:
        blinder = _why_blinder_than_before(shares[1], len(planted), found_before)
    worse = (
        (louder, "it would open more periods in usual data"),
        (blinder, blinder),
        (missed, f"it no longer finds what was marked as true: {', '.join(missed)}"),
        (raised, f"it raises again what was marked as a false alarm: {', '.join(raised)}"),
    )
    return CandidateComparison(
        current=current.version,
        windows=int(compared.sum()),
        unseen=unseen,
        loud_per_day=FigurePair(*(loud.mean(axis=1) * pipeline.windows_per_day).tolist()),
        planted=len(planted),
        found=FigurePair(*shares.tolist()),
        missed=missed,
        raised=raised,
        calmer=calmer,
        worse=tuple(reason for holds, reason in worse if holds),
    )


def _severities(current: Model, candidate: TrainedModel, compared: NDArray[np.bool_]) -> Floats:
    """Return both models' severities, shape (2, k), of the k compared windows; compared: shape (n,)."""
    calibration_set = candidate.calibration_set
    led_in = calibration_set.windows.with_lead_in(compared)
    scores = current.scores(calibration_set.windows.where(led_in))[compared[led_in]]
    candidate_scores = calibration_set.scores[compared[calibration_set.scored]]
    return np.stack([current.severities(scores), candidate.model.severities(candidate_scores)])


class _MarkComparison:
    """Tells which marks only one of both models gets right."""

    def __init__(self, current: Model, candidate: Model, history: Windows, marks: Sequence[Mark]) -> None:
        feedback = Feedback(current.pipeline, marks)
        self._found = [
            (mark, opens_period(current, history, feedback, mark), opens_period(candidate, history, feedback, mark))
            for mark in marks
            if mark.kind in (TRUE, FALSE_ALARM)
        ]

    def wrong_alone(self, kind: str, *, right: bool) -> tuple[str, ...]:
        """Return ids of marks that only the candidate gets wrong; right: whether there should be a period."""
        return self._ids(kind, right, not right)

    def right_alone(self, kind: str, *, right: bool) -> tuple[str, ...]:
        """Return ids of marks that only the candidate gets right; right: whether there should be a period."""
        return self._ids(kind, not right, right)

    def _ids(self, kind: str, current: bool, candidate: bool) -> tuple[str, ...]:
        return tuple(mark.id for mark, *finders in self._found if mark.kind == kind and finders == [current, candidate])


@dataclass(frozen=True, slots=True)
class PlantedOffset:
    """Windows of one series, of which the last has an offset.

    Attributes:
        way: the field and the direction of the offset.
        key: the series.
        begin_ns: the begins of the windows, shape (n,).
        values: their aggregates, shape (n, d).
    """

    way: tuple[str, str]
    key: tuple[str, ...]
    begin_ns: NDArray[np.int64]
    values: Floats


def _plant(model: Model, windows: Windows, places: NDArray[np.intp]) -> list[PlantedOffset]:
    """Plant offsets at evenly spread places, in each field, size and direction in turn.

    Args:
        model: the model whose scales are the unit of sizes.
        windows: the n windows of a history.
        places: the windows that may get an offset, as indices, ascending.
    """
    columns_of = features(model.pipeline)
    levels: dict[str, list[int]] = {}
    for column, feature in enumerate(columns_of):
        if feature.aggregate not in SHAPES:
            levels.setdefault(feature.field, []).append(column)
    watched = {field.name: field for field in model.pipeline.watched}
    turns = [
        (way, sign, size, watched[field], columns)
        for (way, sign, other), size, (field, columns) in product(_WAYS, _SIZES, levels.items())
        if watched[field].direction != other
    ]
    most = min(_OF_A_FIELD * len(levels), _PLANTED)
    planted = []
    rows = model.scaling.rows()
    for place, (way, sign, size, field, columns) in zip(
        np.unique(places[np.linspace(0, len(places) - 1, most).astype(np.intp)]), cycle(turns), strict=False
    ):
        series = windows.series[place]
        before = slice(max(place - DETECTOR_LEAD_IN_WINDOWS, int(np.searchsorted(windows.series, series))), place + 1)
        values = windows.values[before].copy()
        if np.isnan(values[-1, columns]).any():
            # The window lacks the field.
            continue
        row, least = rows[windows.keys[series]], model.scaling.least
        scale = model.scaling.scale[row, columns]
        values[-1, columns] += sign * (size * scale + (0.0 if least is None else least[row, columns]))
        planted.append(PlantedOffset((field.name, way), windows.keys[series], windows.begin_ns[before], values))
    return planted


def _finds(model: Model, planted: PlantedOffset) -> bool:
    """Check whether the window with the offset is beyond `periods.open` to a model."""
    verdicts = model.judge(model.follow(planted.key), planted.key, planted.begin_ns, planted.values)
    return verdicts[-1].severity >= model.pipeline.periods.open


def why_blinder(planted: Sequence[PlantedOffset], is_found: NDArray[np.bool_], loud: float, *, excused: bool) -> str:
    """Return which offsets the candidate misses and the current model finds, as a sentence.

    Args:
        planted: the p offsets.
        is_found: which of them each model finds, the current one first, shape (2, p).
        loud: the share of all windows that is loud to the current model.
        excused: whether the candidate has a good reason to find less.

    Returns:
        The sentence; empty where the loss is small, or may be chance.
    """
    every = (np.ones(len(planted), dtype=np.bool_), "", _MARGIN_OF_EXCUSED if excused else _MARGIN)
    ways = sorted({one.way for one in planted})
    each = (
        []
        if excused
        else [(np.array([one.way == way for one in planted]), f" of {' '.join(way)}", _MARGIN_OF_ONE) for way in ways]
    )
    for chosen, which, margin in (every, *each):
        current, candidate = is_found[:, chosen]
        if current.sum() - candidate.sum() > (margin + loud) * len(current) and _beyond_chance(
            (current & ~candidate).sum(), (candidate & ~current).sum(), _CHANCE / len(ways)
        ):
            return (
                f"it misses offsets{which} that the current one finds ({candidate.mean():.0%} instead of "
                f"{current.mean():.0%})"
            )
    return ""


def _why_blinder_than_before(share: float, planted: int, before: float | None) -> str:
    """Return that a candidate finds fewer offsets than the current model did on its own history, as a sentence.

    A current model that is loud now finds every offset of now, so only what it found then tells how well it saw.

    Args:
        share: the share of planted offsets that the candidate finds.
        planted: how many offsets were planted.
        before: the share that the current model found when it was trained; None if unknown.

    Returns:
        The sentence; empty where the loss is small, or nothing was planted.
    """
    if before is None or not planted or share >= before - _MARGIN:
        return ""
    return f"it misses offsets such as the current one found when it was trained ({share:.0%} instead of {before:.0%})"


def _stretches(begin_ns: NDArray[np.int64], loud: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Count both models' loud windows, shape (2, n), in stretches of equally many windows; shape (2, stretches)."""
    order = np.argsort(begin_ns, kind="stable")
    return np.array([[part.sum() for part in np.array_split(row[order], _STRETCHES)] for row in loud])


def _beyond_chance(ahead: int, behind: int, chance: float = _CHANCE) -> bool:
    """Check whether fewer than a share `chance` of throws of `ahead + behind` fair coins show `ahead` heads or more."""
    total = int(ahead + behind)
    return bool(sum(comb(total, number) for number in range(int(ahead), total + 1)) < chance * 2**total)
