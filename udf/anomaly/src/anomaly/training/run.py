"""The use case "train a model" of one pipeline, from a typed request to a typed outcome.

The order is: read the history, leave out what marks of feedback exclude, fit and calibrate, pass the quality gate,
compare the candidate with the current version, store it, and promote it. Whoever asks (the command line, a test)
builds a `TrainingRequest`, and prints or maps the `TrainingOutcome`; this module does not print or know exit codes.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING

import numpy as np

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.times import resolve_range, rfc3339, trained_on
from anomaly.models.features import enough_windows
from anomaly.models.libraries import installed
from anomaly.models.manifest import (
    CalibrationRecord,
    CountsRecord,
    FeedbackRecord,
    Manifest,
    RangeRecord,
    TrainingRecord,
)
from anomaly.models.store import Store, StoreError
from anomaly.pipeline import Pipeline
from anomaly.pipeline.state import described
from anomaly.refusal import Refused
from anomaly.scoring.feedback import Feedback, Mark
from anomaly.scoring.feedback_file import feedback_path, read_marks, write_marks
from anomaly.training.progress import Progress
from anomaly.windows.arrays import Key
from anomaly.windows.completeness import scorable_windows
from anomaly.windows.windows import Windows

if TYPE_CHECKING:
    from anomaly.training.candidate import CandidateComparison
    from anomaly.training.fit import TrainedModel
    from anomaly.training.history import ReadHistory

TRAINED = "trained"
UNCHANGED = "unchanged"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """A request to train one pipeline's model.

    Attributes:
        pipeline: the pipeline whose model is trained.
        models: the directory of all models.
        results_database: the database that holds marks of feedback.
        begin: where the history begins, as a duration before now or an RFC 3339 time; None: as the pipeline says.
        end: where the history ends, likewise.
        seed: the seed of everything random.
        jobs: how many threads the training may use.
        if_needed: whether to do nothing where training would make the current model again.
        promote: whether to make the new version current.
        force: whether to promote it even if it does worse than the current one.
    """

    pipeline: Pipeline
    models: Path | str
    results_database: str
    begin: str | None = None
    end: str | None = None
    seed: int = 0
    jobs: int = 1
    if_needed: bool = False
    promote: bool = True
    force: bool = False


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """The result of one training.

    Attributes:
        status: TRAINED, UNCHANGED (training would make the current model again) or REFUSED.
        pipeline: the pipeline's name.
        fingerprint: the fingerprint of the pipeline that the model fits.
        begin_ns: where the model's history begins; where it would have begun, if the training was refused.
        end_ns: where it ends, likewise.
        version: the version that was made or kept; None if the training was refused.
        windows: how many windows the version was trained on.
        series: how many series it knows.
        path: the version's directory; None if the training was refused.
        message: why the training was refused; empty otherwise.
    """

    status: str
    pipeline: str
    fingerprint: str
    begin_ns: int
    end_ns: int
    version: str | None = None
    windows: int = 0
    series: int = 0
    path: Path | None = None
    message: str = ""


def train_pipeline(influx: InfluxClient, request: TrainingRequest, progress: Progress) -> TrainingOutcome:
    """Train one pipeline's model, and store and promote it as the request says.

    Args:
        influx: the server that holds the history and the marks of feedback.
        request: the pipeline, the range and the options.
        progress: gets messages on how far the training is, and everything else that people should know.

    Returns:
        The outcome; a training that the gate or the comparison refused is an outcome, not an exception.

    Raises:
        SpecError: a time of the request is not a time, or no whole window lies in its range.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the models cannot be read or written.
    """
    return _Training(influx, request, progress).run()


class _Training:
    """One training, from request to outcome."""

    def __init__(self, influx: InfluxClient, request: TrainingRequest, progress: Progress) -> None:
        self._influx = influx
        self._request = request
        self._progress = progress
        self._pipeline = request.pipeline
        self._now_ns = time_ns()
        self._range = resolve_range(request.pipeline, request.begin, request.end, self._now_ns)
        self._store = Store(request.models, request.pipeline.name)

    def run(self) -> TrainingOutcome:
        """Train if that is asked for or needed; a refusal becomes an outcome."""
        marks = self._marks()
        if self._request.if_needed:
            manifest = self._manifest_if_unchanged(marks)
            if manifest is not None:
                self._progress.say(
                    f"model {self._pipeline.name}/{manifest.version} is what would be trained: nothing to do"
                )
                return self._outcome(UNCHANGED, manifest)
        try:
            return self._train(marks)
        except Refused as error:
            self._progress.say(f"anomaly: {error}")
            return TrainingOutcome(
                REFUSED,
                self._pipeline.name,
                self._pipeline.fingerprint,
                self._range.begin_ns,
                self._range.end_ns,
                message=str(error),
            )

    def _train(self, marks: list[Mark]) -> TrainingOutcome:
        """Read, fit, pass the gate, compare, store and promote. Raises Refused."""
        # Imported here, so that a training that is not needed does not wait for scikit-learn.
        from anomaly.training.fit import train
        from anomaly.training.history import read_history

        history = read_history(self._influx, self._pipeline, self._range, self._progress)
        feedback = Feedback(self._pipeline, marks)
        excluded = feedback.excluded(history.windows)
        if excluded.any():
            self._progress.say(
                f"{int(excluded.sum())} windows are left out: they are marked as maintenance or as true anomalies"
            )
        windows = history.windows.where(~excluded)
        self._progress.say(described(self._pipeline, len(windows.keys)))
        trained = train(
            self._pipeline,
            windows,
            self._new_version(),
            self._request.seed,
            self._progress,
            self._request.jobs,
            feedback,
        )
        for warning in trained.quality.warnings:
            self._progress.say(f"warning: {warning}")
        comparison = self._compare(trained, history.windows, marks)
        if comparison is not None:
            self._judge(comparison)
        record = self._record(history, windows, trained, marks, int(excluded.sum()), comparison)
        path = self._store.write(trained.model, record, trained.estimator)
        if self._request.promote:
            self._store.promote(trained.model.version)
        current = " and current" if self._request.promote else ""
        self._progress.say(f"model {self._pipeline.name}/{trained.model.version} is stored in {path}{current}")
        return self._outcome(TRAINED, self._store.manifest(trained.model.version))

    def _marks(self) -> list[Mark]:
        """Read the marks of feedback, and hand them to running UDFs.

        Without a results database, the marks that were handed on before count.
        """
        from anomaly.influxdb.marks import read_feedback

        path = feedback_path(self._request.models, self._pipeline.name)
        if self._request.results_database not in self._influx.databases():
            return read_marks(path)
        marks = read_feedback(self._influx, self._request.results_database, self._pipeline)
        if marks or path.exists():
            write_marks(path, marks)
        return marks

    def _manifest_if_unchanged(self, marks: list[Mark]) -> Manifest | None:
        """Return the current model's manifest if training would make the same model; None otherwise.

        It compares the texts of the range, as `24h` before now is another range each time.
        """
        from anomaly.training.feedback import unheeded_marks

        seed = self._request.seed
        try:
            version = self._store.current()
            if version is None:
                return None
            self._store.load(version, self._pipeline)
            manifest = self._store.manifest(version)
        except StoreError as error:
            self._progress.say(f"training again: {error}")
            return None
        if manifest.range.asked != self._range.asked:
            self._progress.say(
                f"training again: the current model was asked for {_listed(manifest.range.asked)}, now "
                f"{_listed(self._range.asked)} is"
            )
            return None
        if manifest.seed != seed:
            self._progress.say(f"training again: the current model has seed {manifest.seed}, now {seed} is asked for")
            return None
        new = unheeded_marks(manifest, marks, self._range)
        if new:
            named = ", ".join(f"{mark.kind} {mark.id} from {rfc3339(mark.begin_ns)}" for mark in new)
            self._progress.say(f"training again: marks of feedback are newer than the current model: {named}")
            return None
        return manifest

    def _new_version(self) -> str:
        """Return a name that no version has yet: the time, and the begin of the pipeline's fingerprint."""
        stamp = rfc3339(self._now_ns).replace("-", "").replace(":", "")
        name = f"{stamp}-{self._pipeline.fingerprint[:6]}"
        taken = {version.name for version in self._store.versions()}
        names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
        return next(candidate for candidate in names if candidate not in taken)

    def _compare(self, trained: "TrainedModel", history: Windows, marks: list[Mark]) -> "CandidateComparison | None":
        """Compare the new model with the current one; None where no current one can be used."""
        from anomaly.training.candidate import compare_candidate

        version = self._store.current()
        if version is None:
            return None
        try:
            current = self._store.load(version, self._pipeline)
        except StoreError as error:
            self._progress.say(f"the new model is not compared with the current one: {error}")
            return None
        return compare_candidate(current, trained_on(self._store.manifest(version)), trained, history, marks)

    def _judge(self, comparison: "CandidateComparison") -> None:
        """Say the result of the comparison. Raises Refused if a worse model would replace the current one."""
        if not comparison.worse:
            self._progress.say(f"beside the current model, {comparison.current}, {comparison}")
            return
        message = f"{' and '.join(comparison.worse)}: {comparison}"
        if self._request.promote and not self._request.force:
            raise Refused(
                f"pipeline {self._pipeline.name}: the new model does worse than the current one, {comparison.current}, "
                f"which stays: {message}: train on another range (training.from, training.to, --from, --to), or insist "
                "with --force (train_force)"
            )
        self._progress.say(f"warning: the new model does worse than the current one: {message}")

    def _record(
        self,
        history: "ReadHistory",
        windows: Windows,
        trained: "TrainedModel",
        marks: list[Mark],
        excluded: int,
        comparison: "CandidateComparison | None",
    ) -> TrainingRecord:
        """Return the training's figures for the manifest."""
        from anomaly.training.feedback import learned_false_alarms

        model = trained.model
        return TrainingRecord(
            created=rfc3339(self._now_ns),
            parent=self._store.current(),
            window=self._pipeline.window,
            range=RangeRecord(rfc3339(self._range.begin_ns), rfc3339(self._range.end_ns), self._range.asked),
            counts=CountsRecord(
                read=history.read,
                windows=trained.windows,
                left_out=trained.left_out,
                series=len(windows.keys),
                points=history.points,
            ),
            pooled=_series_without_own_scale(self._pipeline, windows),
            context=trained.plan.context_record(),
            models=trained.plan.series_models_record(),
            feedback=FeedbackRecord(
                marks=tuple(mark.id for mark in marks),
                left_out=excluded,
                learned=tuple(learned_false_alarms(model, windows, marks)),
            ),
            seed=self._request.seed,
            libraries=installed(),
            calibration=CalibrationRecord(
                scores=model.calibration.count,
                tail=model.calibration.tail,
                excess=model.calibration.excess,
                threshold=model.threshold(self._pipeline.periods.open),
            ),
            quality=asdict(trained.quality),
            challenge=None if comparison is None else asdict(comparison),
        )

    def _outcome(self, status: str, manifest: Manifest) -> TrainingOutcome:
        begin_ns, end_ns = trained_on(manifest)
        return TrainingOutcome(
            status,
            self._pipeline.name,
            str(manifest.fingerprint),
            begin_ns,
            end_ns,
            manifest.version,
            manifest.counts.windows or 0,
            manifest.counts.series or 0,
            self._store.path / str(manifest.version),
        )


def _listed(asked: tuple[str, ...] | None) -> list[str] | None:
    """Return the texts of a range as messages show them."""
    return None if asked is None else list(asked)


def _series_without_own_scale(pipeline: Pipeline, windows: Windows) -> list[Key]:
    """Return the series with too little history for scales of their own; they get the scales of all series."""
    kept = scorable_windows(pipeline, windows).mask
    lengths = np.bincount(windows.series[kept], minlength=len(windows.keys))
    return [key for key, enough in zip(windows.keys, enough_windows(lengths), strict=True) if not enough]
