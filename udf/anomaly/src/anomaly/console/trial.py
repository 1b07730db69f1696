"""The use case "what if": what a changed pipeline would have found on history, next to what it finds now.

History is scored by the core that serves, with the current model and with the changed pipeline. Where the change
touches features or scores, a model is trained for it first, on the range that the current model was trained on, in a
folder that is removed again. What was judged of each window stays in memory, so that other severities for the opening
and closing of periods are tried within a moment and by the code that opens them in earnest.

Nothing of the stack is changed: neither models, nor results, nor the pipeline.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomaly.backtest import report
from anomaly.backtest.evaluate import FoundPeriod, evaluate
from anomaly.backtest.labels import Truth, of_marks
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.marks import read_feedback
from anomaly.influxdb.source import check_source, read_series_windows, resolved, split_range
from anomaly.influxdb.times import RequestedRange, resolve_range, trained_on
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.nanoseconds import MS_NS, rfc3339
from anomaly.pipeline import Pipeline, SpecError, normalize
from anomaly.refusal import Refused
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import MAINTENANCE, Feedback, Mark
from anomaly.scoring.periods import Tracker, rules
from anomaly.scoring.scorer import Judgement, Scorer, judgement
from anomaly.training.progress import Progress
from anomaly.training.run import REFUSED, TrainingRequest, train_pipeline
from anomaly.windows.arrays import Key
from anomaly.windows.cut import Cut, cut_of

# The windows of all series that a trial may score; their judgements take some 300 bytes each.
MOST_WINDOWS = 200_000
# The series whose severity is shown, the worst first, and the steps of each.
_MOST_SHOWN = 6
_MOST_STEPS = 600
# Without these a pipeline is none.
_REQUIRED = ("name", "database", "measurement", "fields", "window")


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """A request to try a changed pipeline on history.

    Attributes:
        pipeline: the pipeline as it is.
        changed: the pipeline as it would be, of the same name.
        models: the directory of all models.
        results_database: the database that holds marks of feedback, which count as the truth.
        begin: where the range begins that is scored, as a duration before now or an RFC 3339 time.
        end: where it ends, likewise.
    """

    pipeline: Pipeline
    changed: Pipeline
    models: Path
    results_database: str
    begin: str = "24h"
    end: str = "0s"


class Trial:
    """A trial, whose severities can be moved after it has run."""

    def __init__(self, request: TrialRequest, connect: Callable[[], InfluxClient], progress: Progress) -> None:
        """Prepare the trial; nothing is read yet.

        Args:
            request: the two pipelines and the range.
            connect: makes the client of the server that holds the history and the marks.
            progress: is told how far the trial is.
        """
        self._request = request
        self._connect = connect
        self._progress = progress
        self._then: _Side | None = None

    def run(self) -> dict[str, Any]:
        """Score the range twice, and return what each of the two pipelines finds.

        Returns:
            `pipeline`, `from`, `to`, `trained` (whether a model was trained for the change), `seen` (whether a model
            was trained on a part of the range, so that it looks better than it is), `now` and `then`, each a report of
            a backtest with `severities` beside it, `without_model` (why there is no `now`; empty if there is one),
            `notes` (what the training for the change warned of), and `specification`, the changed pipeline without what
            is the default anyway.

        Raises:
            SpecError: a time is not a time, or no whole window lies between the two.
            InfluxClientError: InfluxDB cannot be asked, or refused.
            StoreError: the models cannot be read.
            Refused: the change cannot be trained, a field is missing, no window could be scored, or the range has more
                than MOST_WINDOWS windows.
        """
        request, influx = self._request, self._connect()
        pipeline, changed = (
            check_source(influx, resolved(lambda: influx, each)) for each in (request.pipeline, request.changed)
        )
        asked = resolve_range(changed, request.begin, request.end, time.time_ns())
        marks = read_feedback(influx, request.results_database, changed)
        store = Store(request.models, pipeline.name)
        current = store.current()
        manifest = None if current is None else store.manifest(current)
        fits = manifest is not None and manifest.misfit(changed) is None
        learnt = None if manifest is None else trained_on(manifest)
        notes: tuple[str, ...] = ()
        with tempfile.TemporaryDirectory(prefix="what-if-") as folder:
            if fits and current is not None:
                model = store.load(current, changed)
            else:
                model, learnt, notes = self._trained(influx, changed, Path(folder), learnt)
        self._then = _Side(changed, model, asked, marks, request.results_database)
        self._then.score(influx, self._progress, "with the change")
        now, why = None, ""
        if current is None:
            why = f"pipeline {pipeline.name} has no current model"
        elif manifest is not None and (misfit := manifest.misfit(pipeline)) is not None:
            why = f"the current model does not fit the pipeline: {misfit}"
        else:
            now = _Side(pipeline, store.load(current, pipeline), _fitted(asked, pipeline), marks, "")
            now.score(influx, self._progress, "as it is")
        return {
            "pipeline": pipeline.name,
            "from": rfc3339(asked.begin_ns),
            "to": rfc3339(asked.end_ns),
            "trained": not fits,
            "seen": learnt is not None and learnt[0] < asked.end_ns and asked.begin_ns < learnt[1],
            "now": None if now is None else now.document(pipeline.periods.open, pipeline.periods.close),
            "then": self._then.document(changed.periods.open, changed.periods.close),
            "without_model": why,
            "notes": list(notes),
            "specification": short_specification(request.changed),
        }

    def moved(self, opening: float, closing: float) -> dict[str, Any]:
        """Return what the changed pipeline finds with other severities.

        Args:
            opening: the severity that opens a period.
            closing: the severity below which one closes.

        Raises:
            SpecError: the two do not go together, or the trial has not run.
        """
        if self._then is None:
            raise SpecError(["open: the trial has not run yet: wait for its result"])
        if not 0 <= closing < opening <= 100:
            raise SpecError(
                [f"open ({opening:g}) and close ({closing:g}): write 0 or more for close, and 100 or less for open"]
            )
        return self._then.document(opening, closing, with_severities=False)

    def _trained(
        self, influx: InfluxClient, changed: Pipeline, folder: Path, learnt: tuple[int, int] | None
    ) -> tuple[Model, tuple[int, int], tuple[str, ...]]:
        """Train a model in a folder. Raises Refused.

        Returns:
            The model, the range that it was trained on, and what the training warned of.
        """
        begin, end = (None, None) if learnt is None else (rfc3339(learnt[0]), rfc3339(learnt[1]))
        request = TrainingRequest(changed, folder, self._request.results_database, begin, end, force=True)
        outcome = train_pipeline(influx, request, self._progress)
        if outcome.status == REFUSED or outcome.version is None:
            raise Refused(outcome.message)
        model = Store(folder, changed.name).load(outcome.version, changed)
        return model, (outcome.begin_ns, outcome.end_ns), outcome.notes


class _Side:
    """One of the two pipelines, and how it judged each window."""

    def __init__(
        self, pipeline: Pipeline, model: Model, asked: RequestedRange, marks: Sequence[Mark], results_database: str
    ) -> None:
        self._pipeline = pipeline
        self._model = model
        self._asked = asked
        self._results_database = results_database
        self._truth: Truth = of_marks(list(marks), pipeline).within(asked.begin_ns, asked.end_ns)
        # False alarms are not suppressed, as the trial shows whether they are raised again.
        self._feedback = Feedback(pipeline, [mark for mark in marks if mark.kind == MAINTENANCE])
        self._events = EventCounter(f"pipeline {pipeline.name}", lambda message: None)
        self._judged: dict[Key, list[tuple[int, Judgement]]] = defaultdict(list)
        self._left_out = 0
        self._windows = 0

    def score(self, influx: InfluxClient, progress: Progress, what: str) -> None:
        """Score the range. Raises Refused."""
        asked, scorer = self._asked, Scorer(self._pipeline, self._events)
        whole_ns = asked.end_ns - asked.begin_ns
        for begin_ns, end_ns in split_range(asked.begin_ns, asked.end_ns, cut_of(self._pipeline)):
            for windows in read_series_windows(influx, self._pipeline, begin_ns, end_ns):
                for scored in scorer.feed(self._model, windows, self._feedback):
                    self._left_out += scored.suppressed is not None
                    self._judged[windows.key].append((scored.begin_ns, judgement(scored.verdict, scored.suppressed)))
                    self._windows += 1
                if self._windows > MOST_WINDOWS:
                    raise Refused(
                        f"pipeline {self._pipeline.name}: the range has more than {MOST_WINDOWS:,} windows of all "
                        "series: choose a shorter range, a longer window, or fewer series (where)"
                    )
            progress.at((end_ns - asked.begin_ns) / whole_ns, f"scoring {what}")
        if not self._windows:
            raise Refused(
                f"pipeline {self._pipeline.name}: no window from {rfc3339(asked.begin_ns)} to "
                f"{rfc3339(asked.end_ns)} could be scored {what}: choose a range that has whole windows"
            )

    def document(self, opening: float, closing: float, *, with_severities: bool = True) -> dict[str, Any]:
        """Return the report of a backtest at two severities."""
        pipeline = replace(self._pipeline, periods=replace(self._pipeline.periods, open=opening, close=closing))
        evaluation = evaluate(
            self._truth,
            self._periods(pipeline),
            self._windows - self._left_out,
            group_by=pipeline.group_by,
            window_ns=pipeline.window_ns,
        )
        content = report.document(
            pipeline,
            self._model,
            self._asked,
            len(self._judged),
            (),
            self._events.counts,
            {opening: evaluation},
            self._results_database,
        )
        content["close"] = closing
        return content | ({"severities": self._severities()} if with_severities else {})

    def _periods(self, pipeline: Pipeline) -> list[FoundPeriod]:
        periods: dict[tuple[Key, int], FoundPeriod] = {}
        for key, windows in self._judged.items():
            tracker = Tracker(rules(pipeline), pipeline.fields)
            for begin_ns, judged in windows:
                known_ns = cut_of(pipeline).after(begin_ns)
                for period in self._feedback.countable(key, tracker.feed(begin_ns, *judged).periods):
                    before = periods.get((key, period.begin_ns))
                    periods[key, period.begin_ns] = FoundPeriod(
                        key, period, known_ns if before is None else before.known_ns
                    )
        return list(periods.values())

    def _severities(self) -> list[dict[str, Any]]:
        """Return the highest severity in each step of the worst series."""
        cut = cut_of(self._pipeline)
        each = max(-(-cut.windows(self._asked.begin_ns, self._asked.end_ns) // _MOST_STEPS), 1)
        worst = {key: max(judged[1] for _, judged in windows) for key, windows in self._judged.items()}
        shown = sorted(worst, key=lambda key: (-worst[key], key))[:_MOST_SHOWN]
        return [
            {
                "series": dict(zip(self._pipeline.result_tags, key, strict=True)),
                "steps": [
                    [begin_ns // MS_NS, severity]
                    for begin_ns, severity in highest_of_steps(self._judged[key], cut, self._asked.begin_ns, each)
                ],
            }
            for key in shown
        ]


def highest_of_steps(
    windows: Iterable[tuple[int, Judgement]], cut: Cut, begin_ns: int, each: int
) -> list[tuple[int, float]]:
    """Return the begin of each step of `each` windows since `begin_ns`, and the highest severity in it."""
    steps: dict[int, float] = {}
    for at_ns, judged in windows:
        step = cut.step(begin_ns, cut.windows(begin_ns, at_ns) // each * each)
        steps[step] = max(steps.get(step, 0.0), judged[1])
    return [(step, round(severity, 1)) for step, severity in steps.items()]


def _fitted(asked: RequestedRange, pipeline: Pipeline) -> RequestedRange:
    """Return a range whose edges are those of another pipeline's windows. Raises Refused if none is left."""
    cut = cut_of(pipeline)
    begin_ns, end_ns = cut.first(asked.begin_ns), cut.begin(asked.end_ns)
    if begin_ns >= end_ns:
        raise Refused(f"pipeline {pipeline.name}: no whole {pipeline.window} window lies in the range: choose a longer")
    return RequestedRange(begin_ns, end_ns, asked.asked)


def changed_pipeline(pipeline: Pipeline, changes: Mapping[str, Any]) -> Pipeline:
    """Return a pipeline with changes.

    Args:
        pipeline: the pipeline as it is.
        changes: new values by key, and None for a key that goes back to its default; within `periods`, `training`,
            `drift` and `alerts` only those that change. Another detector has its own defaults for `parameters`.

    Raises:
        SpecError: the changes do not make a valid pipeline, or change its name.
    """
    before = short_specification(pipeline)
    after = {**before, **changes}
    for key, value in changes.items():
        if key != "parameters" and isinstance(value, Mapping) and isinstance(before.get(key), Mapping):
            after[key] = {**before[key], **value}
    if changes.get("detector", pipeline.detector) != pipeline.detector:
        after["parameters"] = changes.get("parameters")
    (changed,) = normalize([{key: value for key, value in after.items() if value is not None}])
    if changed.name != pipeline.name:
        raise SpecError([f"name: {changed.name!r} is another pipeline: leave the name {pipeline.name!r}"])
    return changed


def short_specification(pipeline: Pipeline) -> dict[str, Any]:
    """Return a pipeline as people write it in an inventory: without keys whose value is the default anyway.

    The result is the same pipeline: where leaving a key out would change another, all keys are there.
    """
    whole = pipeline.as_dict()
    needed = {key: whole[key] for key in _REQUIRED}
    (plain,) = normalize([needed])
    short = {**needed, **_differences(whole, plain.as_dict(), needed)}
    # The defaults of parameters are those of the detector, and not of the default one.
    shorter = {key: value for key, value in short.items() if key != "parameters"}
    return next((each for each in (shorter, short) if normalize([each])[0] == pipeline), whole)


def _differences(whole: Mapping[str, Any], plain: Mapping[str, Any], needed: Iterable[str] = ()) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key, value in whole.items():
        if key in needed or (key in plain and value == plain[key]):
            continue
        default = plain.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping) and key != "parameters":
            changed[key] = _differences(value, default)
        else:
            changed[key] = value
    return changed
