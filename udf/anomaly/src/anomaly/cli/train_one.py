"""The training of one pipeline's model, for `anomaly train`: read, fit, pass the gate, store, promote."""

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly.cli import codes
from anomaly.cli.common import connect, result
from anomaly.influxdb.client import Influx
from anomaly.influxdb.times import Range, resolve, rfc3339, trained_on
from anomaly.models.features import enough_windows
from anomaly.models.libraries import installed
from anomaly.models.store import Store, StoreError
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback, Mark
from anomaly.serving.feedback_file import feedback_path, read_marks, write_marks
from anomaly.training.gate import Refused
from anomaly.training.progress import Progress
from anomaly.windows.completeness import scorable, whole_fields
from anomaly.windows.windows import Windows

if TYPE_CHECKING:
    from anomaly.training.challenge import Challenge
    from anomaly.training.fit import Trained


def train_one(pipeline: Pipeline, options: argparse.Namespace, jobs: int, progress: Progress) -> int:
    """Prints the result, and returns the exit code. jobs: how many threads.

    Raises SpecError, UsageError, InfluxError, StoreError.
    """
    started = time.monotonic()
    now_ns = time.time_ns()
    asked = resolve(pipeline, options.start, options.stop, now_ns)
    store = Store(options.models, pipeline.name)
    influx = connect(options)
    marks = _marks(influx, options, pipeline)
    if options.if_needed:
        fitting = _fitting(store, pipeline, asked, options.seed, marks, progress)
        if fitting is not None:
            progress.say(f"model {pipeline.name}/{fitting['version']} is what would be trained: nothing to do")
            result(_answer("unchanged", store, fitting, started))
            return codes.DONE
    # Only now: reading a specification must not wait for scikit-learn.
    from anomaly.influxdb.marks import learned
    from anomaly.training.fit import train as fit
    from anomaly.training.read import read

    try:
        history = read(influx, pipeline, asked, progress)
        feedback = Feedback(pipeline, marks)
        marked = feedback.left_out(history.windows)
        if marked.any():
            progress.say(
                f"{int(marked.sum())} windows are left out: they are marked as maintenance or as true anomalies"
            )
        windows = history.windows.where(~marked)
        trained = fit(pipeline, windows, _version(store, pipeline, now_ns), options.seed, progress, jobs, feedback)
    except Refused as error:
        progress.say(f"anomaly: {error}")
        result({**_nothing("refused", pipeline, asked, started), "message": str(error)})
        return codes.REFUSED
    for warning in trained.quality.warnings:
        progress.say(f"warning: {warning}")
    challenged = _challenged(store, pipeline, trained, history.windows, marks, progress)
    if challenged is not None and challenged.worse:
        message = f"{' and '.join(challenged.worse)}: {challenged}"
        if not (options.force or options.no_promote):
            message = (
                f"pipeline {pipeline.name}: the new model does worse than the current one, {challenged.current}, which "
                f"stays: {message}: train on another range (training.from, training.to, --from, --to), or insist with "
                "--force (train_force)"
            )
            progress.say(f"anomaly: {message}")
            result({**_nothing("refused", pipeline, asked, started), "message": message})
            return codes.REFUSED
        progress.say(f"warning: the new model does worse than the current one: {message}")
    elif challenged is not None:
        progress.say(f"beside the current model, {challenged.current}, {challenged}")
    manifest = {
        "created": rfc3339(now_ns),
        "parent": store.current(),
        "window": pipeline.window,
        "range": {"from": rfc3339(asked.begin_ns), "to": rfc3339(asked.end_ns), "asked": list(asked.asked)},
        "counts": {
            "read": history.read,
            "windows": trained.windows,
            "left_out": trained.left_out,
            "series": len(windows.keys),
            "points": history.points,
        },
        "pooled": _pooled(pipeline, windows),
        **trained.plan.described(),
        "feedback": {
            "marks": [mark.id for mark in marks],
            "left_out": int(marked.sum()),
            "learned": learned(trained.model, windows, marks),
        },
        "seed": options.seed,
        "libraries": installed(),
        "calibration": {
            "scores": trained.model.calibration.count,
            "tail": trained.model.calibration.tail,
            "excess": trained.model.calibration.excess,
            "threshold": trained.model.threshold(pipeline.periods.open),
        },
        "quality": asdict(trained.quality),
        "challenge": None if challenged is None else asdict(challenged),
    }
    path = store.write(trained.model, manifest, trained.estimator)
    if not options.no_promote:
        store.promote(trained.model.version)
    current = "" if options.no_promote else " and current"
    progress.say(f"model {pipeline.name}/{trained.model.version} is stored in {path}{current}")
    result(_answer("trained", store, store.manifest(trained.model.version), started))
    return codes.DONE


def _challenged(
    store: Store, pipeline: Pipeline, trained: "Trained", history: Windows, marks: list[Mark], progress: Progress
) -> "Challenge | None":
    """The new model beside the current one; None where there is none that can be asked."""
    from anomaly.training.challenge import challenge

    version = store.current()
    if version is None:
        return None
    try:
        current = store.load(version, pipeline)
    except StoreError as error:
        progress.say(f"the new model is not compared with the current one: {error}")
        return None
    return challenge(current, trained_on(store.manifest(version)), trained, history, marks)


def _pooled(pipeline: Pipeline, windows: Windows) -> list[list[str]]:
    """The series that have too little history for scales of their own, and get those of all."""
    kept = scorable(pipeline, whole_fields(windows.values, len(pipeline.fields)))
    lengths = np.bincount(windows.series[kept], minlength=len(windows.keys))
    return [list(key) for key, enough in zip(windows.keys, enough_windows(lengths), strict=True) if not enough]


def _marks(influx: Influx, options: argparse.Namespace, pipeline: Pipeline) -> list[Mark]:
    """What people said of periods, which running UDFs are told, too; without a results database, as was said before."""
    from anomaly.influxdb.marks import read_feedback

    path = feedback_path(options.models, pipeline.name)
    if options.results_database not in influx.databases():
        return read_marks(path)
    marks = read_feedback(influx, options.results_database, pipeline)
    if marks or path.exists():
        write_marks(path, marks)
    return marks


def _fitting(
    store: Store, pipeline: Pipeline, asked: Range, seed: int, marks: list[Mark], progress: Progress
) -> dict[str, Any] | None:
    """The current model's manifest, if training would make the same: what was asked for counts, as `24h` before now is
    another range each time."""
    from anomaly.influxdb.marks import unheeded

    try:
        version = store.current()
        if version is None:
            return None
        store.load(version, pipeline)
        manifest = store.manifest(version)
    except StoreError as error:
        progress.say(f"training again: {error}")
        return None
    if manifest.get("range", {}).get("asked") != list(asked.asked):
        progress.say(
            f"training again: the current model was asked for {manifest.get('range', {}).get('asked')}, now "
            f"{list(asked.asked)} is"
        )
        return None
    if manifest.get("seed") != seed:
        progress.say(f"training again: the current model has seed {manifest.get('seed')}, now {seed} is asked for")
        return None
    new = unheeded(manifest, marks, asked)
    if new:
        named = ", ".join(f"{mark.kind} {mark.id} from {rfc3339(mark.begin_ns)}" for mark in new)
        progress.say(f"training again: marks of feedback are newer than the current model: {named}")
        return None
    return manifest


def _version(store: Store, pipeline: Pipeline, now_ns: int) -> str:
    stamp = rfc3339(now_ns).replace("-", "").replace(":", "")
    name = f"{stamp}-{pipeline.fingerprint[:6]}"
    taken = {version.name for version in store.versions()}
    return next(
        candidate for candidate in (name, *(f"{name}-{number}" for number in range(2, 1000))) if candidate not in taken
    )


def _answer(status: str, store: Store, manifest: dict[str, Any], started: float) -> dict[str, Any]:
    return {
        "status": status,
        "pipeline": store.pipeline,
        "version": manifest["version"],
        "fingerprint": manifest["fingerprint"],
        "windows": manifest["counts"]["windows"],
        "series": manifest["counts"]["series"],
        "from": manifest["range"]["from"],
        "to": manifest["range"]["to"],
        "seconds": round(time.monotonic() - started, 1),
        "path": str(store.path / manifest["version"]),
        "message": "",
    }


def _nothing(status: str, pipeline: Pipeline, asked: Range, started: float) -> dict[str, Any]:
    return {
        "status": status,
        "pipeline": pipeline.name,
        "version": None,
        "fingerprint": pipeline.fingerprint,
        "windows": 0,
        "series": 0,
        "from": rfc3339(asked.begin_ns),
        "to": rfc3339(asked.end_ns),
        "seconds": round(time.monotonic() - started, 1),
        "path": None,
    }
