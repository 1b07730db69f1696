"""`anomaly train`: models for pipelines, several at the same time.

Whatever becomes of one pipeline, the others are trained; each prints a line of its own on stdout when it is done.
"""

import argparse
import time
from typing import TYPE_CHECKING

from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose_several, connect, read_pipelines, result
from anomaly.cli.failure import failed
from anomaly.pipeline import Pipeline
from anomaly.training.parallel import train_side_by_side
from anomaly.training.progress import progress

if TYPE_CHECKING:
    from anomaly.training.run import TrainingOutcome


def train(options: argparse.Namespace) -> int:
    """Train the pipelines that the options name.

    Returns:
        The exit code of the first pipeline that failed or was refused, in the order of the specification.

    Raises:
        SpecError: the specification is not valid.
        UsageError: the options do not go together.
    """
    if not 0 <= options.seed < 2**31:
        raise UsageError(f"--seed: {options.seed} is out of range: 0 to 2147483647")
    for name, number in (("--jobs", options.jobs), ("--at-once", options.at_once)):
        if number is not None and number < 1:
            raise UsageError(f"{name}: {number} is too few: write at least 1")
    pipelines = choose_several(read_pipelines(options.spec), options.pipelines)

    def train_one(pipeline: Pipeline, jobs: int) -> int:
        return _train_one(pipeline, options, jobs, pipeline.name if len(pipelines) > 1 else "")

    ends = train_side_by_side(pipelines, train_one, options.at_once, options.jobs)
    return next((code for code in ends if code != codes.DONE), codes.DONE)


def _train_one(pipeline: Pipeline, options: argparse.Namespace, jobs: int, one_of_several: str) -> int:
    """Train one pipeline, print its result, and return its exit code."""
    # Imported here, so that reading a specification does not wait for numpy.
    from anomaly.training import run

    started = time.monotonic()
    reporter = progress(one_of_several=one_of_several)
    try:
        request = run.TrainingRequest(
            pipeline=pipeline,
            models=options.models,
            results_database=options.results_database,
            begin=options.begin,
            end=options.end,
            seed=options.seed,
            jobs=jobs,
            if_needed=options.if_needed,
            if_outdated=options.if_outdated,
            promote=not options.no_promote,
            force=options.force,
        )
        outcome = run.train_pipeline(connect(options), request, reporter)
        _print_result(outcome, time.monotonic() - started)
    except BrokenPipeError:
        raise
    except Exception as error:
        return failed(error, pipeline.name, reporter.say)
    return codes.REFUSED if outcome.status == run.REFUSED else codes.DONE


def _print_result(outcome: "TrainingOutcome", seconds: float) -> None:
    """Print an outcome as a line for programs."""
    from anomaly.nanoseconds import rfc3339

    result(
        {
            "status": outcome.status,
            "pipeline": outcome.pipeline,
            "version": outcome.version,
            "fingerprint": outcome.fingerprint,
            "windows": outcome.windows,
            "series": outcome.series,
            "from": rfc3339(outcome.begin_ns),
            "to": rfc3339(outcome.end_ns),
            "seconds": round(seconds, 1),
            "path": None if outcome.path is None else str(outcome.path),
            "message": outcome.message,
            "notes": list(outcome.notes),
        }
    )
