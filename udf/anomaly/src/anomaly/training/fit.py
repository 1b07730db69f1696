"""Makes a model of windows; equal windows and seeds make equal models.

Calibration needs scores of windows that the forest has not seen. A split at one point in time might train on a day and
calibrate on a night. So history is cut into short blocks, each block is scored by a forest that was trained without it,
and these scores together calibrate the final forest, which is trained on everything ("cross-fitting").

The folds are fitted at the same time, by threads: numpy and scikit-learn leave the interpreter to others while they
compute, and windows need not be copied to other processes. Each fold has a seed of its own, so the model does not
depend on the number of threads.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import LONG_WINDOWS, Detector, FeatureHistory
from anomaly.detectors.declaration import FitRequest, HoldOut
from anomaly.detectors.registry import declaration
from anomaly.models.features import Scaling, features, fit_scaling
from anomaly.models.model import Model, score_windows
from anomaly.models.newcomers import fit_newcomers
from anomaly.models.reference import reference
from anomaly.models.relevance import relevance_of
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.periods import opening
from anomaly.severity import evidence
from anomaly.severity.calibration import calibrate
from anomaly.training.changes import level_changes, near
from anomaly.training.gate import (
    MIN_WINDOWS,
    OddHistory,
    OddStretch,
    Quality,
    check_quality,
    check_windows,
    odd_stretches,
)
from anomaly.training.left_out import LeftOut
from anomaly.training.plan import TrainingPlan, plan
from anomaly.training.progress import Progress, SilentProgress
from anomaly.training.promise import Promise, added_up, promise
from anomaly.windows.arrays import Bools, Floats, groups
from anomaly.windows.blocks import FOLDS, Blocks
from anomaly.windows.civil import CivilTime, civil_time
from anomaly.windows.completeness import scorable_windows
from anomaly.windows.windows import Windows

# Scoring costs some 10 us a window or more, and calibration gains little from more windows than this. In longer
# histories only the begin of each block is scored.
_MOST_CALIBRATED = 200_000
# These newest shares of a history that looks like no rest are tried one after the other.
_NEWEST_PARTS = (0.5, 0.25)


@dataclass(frozen=True)
class CalibrationSet:
    """The windows and scores that calibrated a model.

    Attributes:
        windows: the n windows that the model was trained on.
        scored: which windows were scored by a detector of another fold, shape (n,).
        scores: the scores of these k windows as they are judged, shape (k,).
    """

    windows: Windows
    scored: NDArray[np.bool_]
    scores: Floats


@dataclass(frozen=True)
class TrainedModel:
    """A model, and the figures of its training.

    Attributes:
        model: the model.
        estimator: the library's own object, for people; None where the detector has none.
        calibration_set: the windows that it was trained on, and the scores that calibrated it.
        left_out: how many windows could not be used.
        quality: the figures of the quality gate.
        plan: the decisions that the whole history made.
        promise: up to where severity means what it says.
    """

    model: Model
    estimator: object
    calibration_set: CalibrationSet
    left_out: int
    quality: Quality
    plan: TrainingPlan
    promise: Promise

    @property
    def windows(self) -> int:
        """How many windows the model was trained on."""
        return len(self.calibration_set.windows)


def train(
    pipeline: Pipeline,
    windows: Windows,
    version: str,
    seed: int,
    progress: Progress | None = None,
    jobs: int = 1,
    feedback: Feedback | None = None,
) -> TrainedModel:
    """Train and calibrate a model.

    Args:
        pipeline: the pipeline.
        windows: the history, without the windows that marks of feedback exclude.
        version: the model's name.
        seed: the seed of everything random.
        progress: gets messages on how far the training is.
        jobs: how many threads the training may use.
        feedback: the marks that confirm windows as usual.

    Raises:
        Refused: the windows are too few or incomplete.
    """
    progress = progress or SilentProgress()
    feedback = feedback or Feedback(pipeline)
    usable, others = _usable(pipeline, windows)
    left_out = others.total
    progress.say(f"{len(usable)} windows of {len(windows.keys)} series" + (f", left out: {others}" if left_out else ""))
    note = others.note(pipeline, len(windows))
    if note:
        progress.note(note)

    def on(part: Windows) -> tuple[TrainedModel, OddHistory | None]:
        return _train_on(pipeline, part, version, seed, progress, jobs, feedback, left_out)

    trained = _on_enough(on, usable, progress)
    # A model that was tried and not taken tells nothing of the one that was.
    for line in trained.plan.lines():
        progress.note(line)
    return trained


def _on_enough(
    on: Callable[[Windows], tuple[TrainedModel, OddHistory | None]], usable: Windows, progress: Progress
) -> TrainedModel:
    """Train on all windows, or on the newest part of them that holds a baseline where all of them hold none.

    Args:
        on: trains on windows, and returns the model, and why they hold no baseline; None if they do.
        usable: all windows.
        progress: is told which part is tried.
    """
    trained, odd = on(usable)
    if odd is None:
        return trained
    for share in _NEWEST_PARTS:
        newest = _newest(usable, share)
        if not _is_enough(newest):
            break
        progress.say(f"{odd.what}: its newest {share:.0%} is tried")
        of_newest, still_odd = on(newest)
        if still_odd is None:
            since = rfc3339(int(newest.begin_ns.min()))
            return _with(
                of_newest, f"{odd.what}, so the model was trained on the newest {share:.0%} of it, since {since}"
            )
    return _with(
        trained,
        f"{odd.what}, and so do newer parts of it: the model was trained on all of it, and finds only what is odder",
    )


def _with(trained: TrainedModel, done: str) -> TrainedModel:
    """Return a trained model that says what was done about its history."""
    return replace(trained, quality=replace(trained.quality, done=(done,)))


def _newest(windows: Windows, share: float) -> Windows:
    """Return the windows of the newest share of the time that a history covers."""
    begin_ns, end_ns = int(windows.begin_ns.min()), int(windows.begin_ns.max())
    return windows.where(windows.begin_ns >= end_ns - share * (end_ns - begin_ns))


def _is_enough(windows: Windows) -> bool:
    """Return whether a part of a history is enough for a model, and to tell how rare scores are."""
    return len(windows) >= max(MIN_WINDOWS, LONG_WINDOWS // 2 * len(np.unique(windows.series)))


def _train_on(
    pipeline: Pipeline,
    usable: Windows,
    version: str,
    seed: int,
    progress: Progress,
    jobs: int,
    feedback: Feedback,
    left_out: int,
) -> tuple[TrainedModel, OddHistory | None]:
    """Train on scorable windows, and return the model, and why its history holds no baseline; None if it does."""
    # Imported here, as joblib is not part of serving.
    from joblib import Parallel, delayed

    civil = civil_time(pipeline)
    planned = plan(pipeline, usable, civil)
    # Everything but the model itself sees the windows without their trends.
    flat = usable if planned.trend is None else planned.trend.removed(usable)
    blocks = Blocks(usable.begin_ns, planned.periods_ns)
    confirmed_usual = feedback.confirmed_usual(usable)
    changes = level_changes(flat, features(pipeline))
    telling = ~usable.with_lead_out(confirmed_usual | near(flat, changes))
    scored = _calibrating(blocks.begins(_MOST_CALIBRATED / len(usable)), telling)
    detector_declaration = declaration(pipeline.detector)
    # As windows are judged, and with the noise that a least deviation takes away, which tells how rare a score is.
    judged = np.empty((len(usable), len(detector_declaration.parts)))
    noisy = np.empty_like(judged)

    def calibrated(fold: int) -> tuple[NDArray[np.bool_], Floats, Floats]:
        others = blocks.trained_on(fold)
        known = flat.where(others)
        scaling, fitted, _ = _fit(pipeline, planned, known, confirmed_usual[others], civil, seed + 1 + fold)
        held_out = blocks.held_back(fold) & scored
        led_in = usable.with_lead_in(held_out)
        windows, kept = flat.where(led_in), held_out[led_in]

        def scores(scaling: Scaling) -> Floats:
            return np.stack([score_windows(scaling, each, windows, civil)[kept] for each in fitted], axis=1)

        of_fold = scores(scaling)
        return held_out, of_fold, of_fold if scaling.least is None else scores(scaling.with_noise)

    steps = FOLDS + 1
    folds = Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered")(
        delayed(calibrated)(fold) for fold in range(FOLDS)
    )
    for done, (held_out, *of_fold) in enumerate(folds, 1):
        judged[held_out], noisy[held_out] = of_fold
        progress.at(done / steps, "of the forests fitted, those for the calibration first")
    scaling, fitted, estimator = _fit(pipeline, planned, flat, confirmed_usual, civil, seed, keep=True, jobs=jobs)
    calibrating = np.repeat([True, False], scored.sum())
    scores = np.concatenate([noisy[scored], judged[scored]])
    hold_out = HoldOut(scores, pipeline.windows_per_day, planned.long, calibrating)
    detector, own_scores, surprises = detector_declaration.combine(fitted, hold_out)
    held_back = own_scores[~calibrating]
    odd = None
    try:
        try:
            quality = check_quality(pipeline, usable.begin_ns[scored], held_back, blocks.number[scored])
        except OddHistory:
            # Windows that are all at a usual level differ by next to nothing, so their noise has to be odd, too.
            quality = check_quality(pipeline, usable.begin_ns[scored], own_scores[calibrating], blocks.number[scored])
    except OddHistory as error:
        quality, odd = error.quality, error
    progress.at(1.0, "of the forests fitted")
    x = scaling.transform(flat.values[scored], flat.series[scored] + 1)
    newcomers = fit_newcomers(scaling, flat, pipeline.window_ns)
    progress.say(f"a series that this history does not hold will warm up for {newcomers.length}")
    calibration = calibrate(own_scores[calibrating])
    if surprises is None and not detector.adds_up:
        surprises = calibration.surprise(own_scores)
    excess: Floats | None = None
    runs: list[OddStretch] = []
    if surprises is not None:
        held_out = usable.where(scored)
        excess = evidence.excesses(surprises[~calibrating], held_out.series, len(held_out.keys))
        beyond = surprises[~calibrating] - excess[held_out.series + 1]
        begin_ns, opens = held_out.begin_ns, opening(pipeline)
        runs = [
            OddStretch(held_out.keys[held_out.series[at[0]]], *begin_ns[at[[first, last]]].tolist())
            for at in groups(held_out.series)
            for first, last in evidence.opened(beyond[at], begin_ns[at], opens)
        ]
    model = Model(
        version,
        pipeline,
        scaling,
        detector,
        calibration,
        reference(x),
        civil=civil,
        newcomers=newcomers,
        trend=planned.trend,
        evidence_excess=excess,
        history_ns=int(np.ptp(usable.begin_ns)) + pipeline.window_ns,
    )
    doubts = [] if odd is None else [odd.what]
    doubts += ["some features rise or fall steadily, and may not go on"] if planned.trend is not None else []
    too_many = [*added_up(len(runs), int(scored.sum()) / pipeline.windows_per_day, pipeline.periods.open)]
    doubts += too_many
    if too_many:
        quality = replace(quality, warnings=(*quality.warnings, odd_stretches(pipeline, runs)))
    promised = promise(flat, np.flatnonzero(scored), own_scores[calibrating], pipeline.windows_per_day, changes, doubts)
    calibration_set = CalibrationSet(usable, scored, held_back)
    return TrainedModel(model, estimator, calibration_set, left_out, quality, planned, promised), odd


def _fit(
    pipeline: Pipeline,
    planned: TrainingPlan,
    windows: Windows,
    confirmed_usual: NDArray[np.bool_],
    civil: CivilTime,
    seed: int,
    *,
    keep: bool = False,
    jobs: int = 1,
) -> tuple[Scaling, list[Detector], object]:
    """Fit the scaling and the detector's parts; return them, and the library's own object of the part that has one."""
    scaling = fit_scaling(
        features(pipeline),
        windows.keys,
        windows.series,
        windows.values,
        windows.counts,
        relevance_of(pipeline, windows.keys),
    )
    x = scaling.with_noise.transform(windows.values, windows.series + 1)
    history = FeatureHistory(
        x,
        windows.series,
        len(windows.keys),
        windows.begin_ns,
        pipeline.window_ns,
        planned.long,
        confirmed_usual=confirmed_usual if confirmed_usual.any() else None,
        sides=None if scaling.relevance is None else scaling.relevance.sides,
        seasons_ns=pipeline.seasons_ns,
        per_series=planned.own,
        civil=civil,
        field=np.repeat(np.arange(len(pipeline.fields)), len(pipeline.aggregate)),
        counted_whole=None if scaling.relevance is None else scaling.relevance.counted_whole,
    )
    request = FitRequest(history, planned.parameters, seed, keep_estimator=keep, jobs=jobs)
    fitted = [part.fit(request) for part in declaration(pipeline.detector).parts]
    estimators = (each.estimator for each in fitted if each.estimator is not None)
    return scaling, [each.detector for each in fitted], next(estimators, None)


def _calibrating(scored: Bools, telling: Bools) -> Bools:
    """Return which windows calibrate the model, shape (n,).

    Windows of false alarms and of changes of a level, and those right after them, are left out: their high scores would
    raise the tail, and hide anomalies everywhere. Where too few windows are left, all scored windows calibrate.

    Args:
        scored: which windows are scored, shape (n,).
        telling: which windows tell how rare a score is, shape (n,).
    """
    kept = scored & telling
    return kept if kept.sum() >= MIN_WINDOWS else scored


def _usable(pipeline: Pipeline, windows: Windows) -> tuple[Windows, LeftOut]:
    """Return the windows that can be scored, NaN in incomplete fields, and the others. Raises Refused for too few."""
    present = scorable_windows(pipeline, windows)
    check_windows(pipeline, windows, present.complete)
    kept = present.windows
    scaling = fit_scaling(features(pipeline), kept.keys, kept.series, kept.values, kept.counts)
    scorable = scorable_windows(pipeline, kept, scaling.usual[kept.series + 1])
    check_windows(pipeline, windows, scorable.complete)
    with_single = scorable_windows(pipeline, windows, allow_single_points=True)
    single = len(with_single.windows) - len(kept)
    return scorable.windows, LeftOut(single, len(windows) - len(kept) - single, len(kept) - len(scorable.windows))
