"""Makes a model of windows; equal windows and seeds make equal models.

Calibration needs scores of windows that the forest has not seen. A split at one point in time might train on a day and
calibrate on a night. So history is cut into short blocks, each block is scored by a forest that was trained without it,
and these scores together calibrate the final forest, which is trained on everything ("cross-fitting").

The folds are fitted at the same time, by threads: numpy and scikit-learn leave the interpreter to others while they
compute, and windows need not be copied to other processes. Each fold has a seed of its own, so the model does not
depend on the number of threads.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Detector, FeatureHistory
from anomaly.detectors.declaration import FitRequest, HoldOut
from anomaly.detectors.registry import declaration
from anomaly.models.features import Scaling, features, fit_scaling
from anomaly.models.model import Model, score_windows
from anomaly.models.reference import reference
from anomaly.models.relevance import relevance
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback
from anomaly.severity.calibration import calibrate
from anomaly.training.gate import MIN_WINDOWS, Quality, check_quality, check_windows
from anomaly.training.plan import TrainingPlan, plan
from anomaly.training.progress import Progress, SilentProgress
from anomaly.windows.arrays import Floats
from anomaly.windows.blocks import FOLDS, Blocks
from anomaly.windows.completeness import scorable_windows
from anomaly.windows.windows import Windows

# Scoring costs some 10 us a window or more, and calibration gains little from more windows than this. In longer
# histories only the begin of each block is scored.
_MOST_CALIBRATED = 200_000


@dataclass(frozen=True)
class CalibrationSet:
    """The windows and scores that calibrated a model.

    Attributes:
        windows: the n windows that the model was trained on.
        scored: which windows were scored by a detector of another fold, shape (n,).
        scores: the scores of these k windows, shape (k,).
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
    """

    model: Model
    estimator: object
    calibration_set: CalibrationSet
    left_out: int
    quality: Quality
    plan: TrainingPlan

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
        Refused: the windows are too few, incomplete or too odd.
    """
    # Imported here, as joblib is not part of serving.
    from joblib import Parallel, delayed

    progress = progress or SilentProgress()
    usable = _usable(pipeline, windows)
    left_out = len(windows) - len(usable)
    progress.say(
        f"{len(usable)} windows of {len(windows.keys)} series" + (f", {left_out} left out" if left_out else "")
    )
    planned = plan(pipeline, usable)
    for line in planned.lines():
        progress.say(line)
    blocks = Blocks(usable.begin_ns, planned.periods_ns)
    confirmed_usual = (feedback or Feedback(pipeline)).confirmed_usual(usable)
    scored = _calibrating(usable, blocks.begins(_MOST_CALIBRATED / len(usable)), confirmed_usual)
    detector_declaration = declaration(pipeline.detector)
    parts = np.empty((len(usable), len(detector_declaration.parts)))

    def calibrated(fold: int) -> tuple[NDArray[np.bool_], Floats]:
        others = blocks.trained_on(fold)
        scaling, fitted, _ = _fit(pipeline, planned, usable.where(others), confirmed_usual[others], seed + 1 + fold)
        held_out = blocks.held_back(fold) & scored
        led_in = usable.with_lead_in(held_out)
        windows, kept = usable.where(led_in), held_out[led_in]
        return held_out, np.stack([score_windows(scaling, detector, windows)[kept] for detector in fitted], axis=1)

    steps = FOLDS + 1
    folds = Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered")(
        delayed(calibrated)(fold) for fold in range(FOLDS)
    )
    for done, (held_out, scores) in enumerate(folds, 1):
        parts[held_out] = scores
        progress.at(done / steps, "of the forests fitted, those for the calibration first")
    scaling, fitted, estimator = _fit(pipeline, planned, usable, confirmed_usual, seed, keep=True, jobs=jobs)
    hold_out = HoldOut(parts[scored], pipeline.windows_per_day, planned.long)
    detector, held_back = detector_declaration.combine(fitted, hold_out)
    quality = check_quality(pipeline, usable.begin_ns[scored], held_back, blocks.number[scored])
    progress.at(1.0, "of the forests fitted")
    x = scaling.transform(usable.values[scored], usable.series[scored] + 1)
    model = Model(version, pipeline, scaling, detector, calibrate(held_back), reference(x))
    return TrainedModel(model, estimator, CalibrationSet(usable, scored, held_back), left_out, quality, planned)


def _fit(
    pipeline: Pipeline,
    planned: TrainingPlan,
    windows: Windows,
    confirmed_usual: NDArray[np.bool_],
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
        relevance(pipeline.watched, pipeline.aggregate),
    )
    x = scaling.transform(windows.values, windows.series + 1)
    history = FeatureHistory(
        x,
        windows.series,
        len(windows.keys),
        windows.begin_ns,
        pipeline.window_ns,
        planned.long,
        confirmed_usual=confirmed_usual if confirmed_usual.any() else None,
        sides=None if scaling.relevance is None else scaling.relevance.sides,
        season_ns=pipeline.season_ns,
        per_series=planned.own,
    )
    request = FitRequest(history, planned.parameters, seed, keep_estimator=keep, jobs=jobs)
    fitted = [part.fit(request) for part in declaration(pipeline.detector).parts]
    estimators = (each.estimator for each in fitted if each.estimator is not None)
    return scaling, [each.detector for each in fitted], next(estimators, None)


def _calibrating(usable: Windows, scored: NDArray[np.bool_], confirmed_usual: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which windows calibrate the model, shape (n,).

    Windows of false alarms, and those right after them, are left out: their high scores would raise the tail, and hide
    anomalies everywhere. Where too few windows are left, all scored windows calibrate.
    """
    kept = scored & ~usable.with_lead_out(confirmed_usual) if confirmed_usual.any() else scored
    return kept if kept.sum() >= MIN_WINDOWS else scored


def _usable(pipeline: Pipeline, windows: Windows) -> Windows:
    """Return the windows that can be scored, NaN in incomplete fields. Raises Refused where too few are left."""
    present = scorable_windows(pipeline, windows)
    check_windows(pipeline, windows, present.complete)
    kept = present.windows
    scaling = fit_scaling(features(pipeline), kept.keys, kept.series, kept.values, kept.counts)
    scorable = scorable_windows(pipeline, kept, scaling.usual[kept.series + 1])
    check_windows(pipeline, windows, scorable.complete)
    return scorable.windows
