"""The use case "train a model" of one pipeline, from a typed request to a typed outcome.

The order is: read the history, leave out what marks of feedback exclude and what lies in known periods, fit and
calibrate, pass the quality gate, compare the candidate with the current version, store it, and promote it. Whoever asks
(the command line, a test) builds a `TrainingRequest`, and prints or maps the `TrainingOutcome`; this module does not
print or know exit codes.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING

import numpy as np

from anomaly.counted import counted
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.source import read_source_keys, resolved_to
from anomaly.influxdb.times import resolve_range, trained_on
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
from anomaly.models.store import CurrentChanged, ModelMismatch, ModelOutdated, Store, StoreError, exclusive
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.pipeline.resolve import left_out, meant
from anomaly.pipeline.state import described, fits
from anomaly.refusal import Refused
from anomaly.scoring.feedback import Feedback, Mark
from anomaly.scoring.feedback_file import feedback_path, read_marks, write_marks
from anomaly.training.constants import constant_notes
from anomaly.training.counters import counter_warnings
from anomaly.training.progress import KeptNotes, Progress
from anomaly.windows.arrays import Key
from anomaly.windows.completeness import scorable_windows
from anomaly.windows.cut import cut_of
from anomaly.windows.unscored import advice, listed, named, unscored_series
from anomaly.windows.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anomaly.training.candidate import CandidateComparison
    from anomaly.training.fit import TrainedModel
    from anomaly.training.history import ReadHistory
    from anomaly.training.known_periods import KnownPeriods
    from anomaly.windows.unscored import UnscoredSeries

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
        if_outdated: whether to do nothing unless another release made the current model; the new one then has the range
            and the seed of that one.
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
    if_outdated: bool = False
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
        notes: what people should know of the history and the pipeline, sentences.
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
    notes: tuple[str, ...] = ()


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
    kept = KeptNotes(progress)
    try:
        pipeline = _resolved(influx, request.pipeline, kept)
    except Refused as error:
        return _Training(influx, request, kept).refused(error)
    outcome = _Training(influx, replace(request, pipeline=pipeline), kept).run()
    return replace(outcome, notes=tuple(kept.notes))


def _resolved(influx: InfluxClient, pipeline: Pipeline, progress: Progress) -> Pipeline:
    """Resolve a pipeline's patterns, and say what they mean and what they leave out. Raises Refused likewise."""
    if not pipeline.patterns:
        return pipeline
    keys = read_source_keys(influx, pipeline)
    found = resolved_to(keys, pipeline)
    progress.say(meant(found))
    for line in left_out(pipeline, keys):
        progress.note(line)
    return found


class _Training:
    """One training, from request to outcome."""

    def __init__(self, influx: InfluxClient, request: TrainingRequest, progress: Progress) -> None:
        self._influx = influx
        self._request = request
        self._progress = progress
        self._pipeline = request.pipeline
        self._now_ns = time_ns()
        self._store = Store(request.models, request.pipeline.name)
        self._outdated = self._outdated_manifest() if request.if_outdated else None
        begin, end = request.begin, request.end
        if self._outdated is not None:
            asked = self._outdated.range.asked
            begin, end = asked if asked is not None and len(asked) == 2 else (begin, end)
            self._request = replace(request, seed=int(self._outdated.seed or 0))
        self._range = resolve_range(request.pipeline, begin, end, self._now_ns)

    def run(self) -> TrainingOutcome:
        """Train if that is asked for or needed; a refusal becomes an outcome."""
        if self._request.if_outdated and self._outdated is None:
            self._progress.say(f"pipeline {self._pipeline.name}: its model is not of another release: nothing to do")
            return self._unchanged()
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
            return self.refused(error)

    def _outdated_manifest(self) -> Manifest | None:
        """Return the current model's manifest if another release made the model; None otherwise."""
        version = self._store.current()
        if version is None:
            return None
        try:
            self._store.check(version, self._pipeline)
        except ModelOutdated as error:
            self._progress.say(f"training again: {error}")
            return self._store.manifest(version)
        except ModelMismatch:
            return None
        return None

    def _unchanged(self) -> TrainingOutcome:
        """Return the outcome of a training that has nothing to do."""
        asked = self._range
        return TrainingOutcome(UNCHANGED, self._pipeline.name, self._pipeline.fingerprint, asked.begin_ns, asked.end_ns)

    def refused(self, error: Refused) -> TrainingOutcome:
        """Tell people why the training is refused, and return the outcome."""
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
        from anomaly.training.candidate import found_offsets
        from anomaly.training.fit import train
        from anomaly.training.history import read_history

        # Somebody may make another version current meanwhile.
        parent = self._store.current()
        history = read_history(self._influx, self._pipeline, self._range, self._progress)
        feedback = Feedback(self._pipeline, marks)
        excluded = feedback.excluded(history.windows)
        if excluded.any():
            self._progress.say(
                f"left out: {counted(int(excluded.sum()), 'window')} in times of maintenance, or marked as true "
                "anomalies"
            )
        known = self._known_periods(history.windows.where(~excluded), feedback)
        for line in known.lines():
            self._progress.note(line)
        windows = history.windows.where(~excluded).where(~known.excluded)
        tell = self._progress.say if fits(self._pipeline, len(windows.keys)) else self._progress.note
        tell(described(self._pipeline, len(windows.keys)))
        for warning in (*counter_warnings(self._pipeline, windows), *constant_notes(self._pipeline, windows)):
            self._progress.note(warning)
        trained = train(
            self._pipeline,
            windows,
            self._new_version(),
            self._request.seed,
            self._progress,
            self._request.jobs,
            feedback,
        )
        untrained = unscored_series(self._pipeline, windows, trained.calibration_set.windows)
        if untrained:
            self._progress.note(
                f"{len(untrained)} of {len(windows.keys)} series have no window to train on, so they have no "
                f"baseline of their own: {named(untrained)}: {advice(self._pipeline)}"
            )
        for warning in (*trained.quality.done, *trained.quality.warnings):
            self._progress.note(warning)
        for line in trained.promise.lines(self._pipeline.periods.open):
            self._progress.note(line)
        found_share = found_offsets(trained)
        comparison = self._compare(parent, trained, history.windows, marks)
        if comparison is not None:
            self._judge(comparison)
        record = self._record(
            parent, history, windows, trained, marks, int(excluded.sum()), known, found_share, comparison, untrained
        )
        path = self._store.write(trained.model, record, trained.estimator)
        if self._request.promote:
            self._promote(trained.model.version, parent)
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
        # A training that is refused leaves no folder.
        if not path.parent.exists() and not read_feedback(self._influx, self._request.results_database, self._pipeline):
            return []
        with exclusive(path.parent):
            marks = read_feedback(self._influx, self._request.results_database, self._pipeline)
            if marks or path.exists():
                write_marks(path, marks)
        return marks

    def _known_periods(self, windows: Windows, feedback: Feedback) -> "KnownPeriods":
        """Find the windows that lie in periods of the results; none without a results database."""
        from anomaly.influxdb.known_periods import known_periods
        from anomaly.training.known_periods import in_known_periods

        database, pipeline = self._request.results_database, self._pipeline
        has_results = database in self._influx.databases()
        periods = known_periods(self._influx, database, pipeline, self._range) if has_results else ()
        return in_known_periods(windows, cut_of(pipeline), periods, feedback.confirmed_usual(windows))

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

    def _promote(self, version: str, parent: str | None) -> None:
        """Make the new version current. Raises Refused if another one became current while it was trained."""
        try:
            self._store.promote(version, replaced=parent)
        except CurrentChanged as error:
            raise Refused(
                f"pipeline {self._pipeline.name}: model {version} is stored, and was not made current: {error}: "
                f"`anomaly models promote` makes it current"
            ) from None

    def _compare(
        self, version: str | None, trained: "TrainedModel", history: Windows, marks: list[Mark]
    ) -> "CandidateComparison | None":
        """Compare the new model with the current one; None where no current one can be used."""
        from anomaly.training.candidate import compare_candidate

        if version is None:
            return None
        try:
            current = self._store.load(version, self._pipeline)
        except StoreError as error:
            self._progress.say(f"the new model is not compared with the current one: {error}")
            return None
        manifest = self._store.manifest(version)
        return compare_candidate(current, trained_on(manifest), trained, history, marks, manifest.found)

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
        self._progress.note(f"the new model does worse than the current one: {message}")

    def _record(
        self,
        parent: str | None,
        history: "ReadHistory",
        windows: Windows,
        trained: "TrainedModel",
        marks: list[Mark],
        excluded: int,
        known: "KnownPeriods",
        found_share: float | None,
        comparison: "CandidateComparison | None",
        untrained: "Sequence[UnscoredSeries]",
    ) -> TrainingRecord:
        """Return the training's figures for the manifest."""
        from anomaly.training.feedback import learned_false_alarms

        model = trained.model
        return TrainingRecord(
            created=rfc3339(self._now_ns),
            parent=parent,
            window=self._pipeline.window,
            range=RangeRecord(rfc3339(self._range.begin_ns), rfc3339(self._range.end_ns), self._range.asked),
            counts=CountsRecord(
                read=history.read,
                windows=trained.windows,
                left_out=trained.left_out,
                series=len(windows.keys),
                points=history.points,
            ),
            untrained=listed(untrained) if untrained else None,
            pooled=_series_without_own_scale(self._pipeline, windows),
            context=trained.plan.context_record(),
            trends=trained.plan.trends_record(),
            models=trained.plan.series_models_record(),
            warm_up=None if model.newcomers is None else model.newcomers.length,
            feedback=FeedbackRecord(
                marks=tuple(mark.id for mark in marks),
                left_out=excluded,
                learned=tuple(learned_false_alarms(model, windows, marks)),
            ),
            known_periods=known.record,
            seed=self._request.seed,
            libraries=installed(),
            calibration=CalibrationRecord(
                scores=model.calibration.count,
                tail=model.calibration.tail,
                excess=model.calibration.excess,
                promise=trained.promise.record,
                threshold=model.threshold(self._pipeline.periods.open),
            ),
            quality=asdict(trained.quality) | ({} if found_share is None else {"found": found_share}),
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
