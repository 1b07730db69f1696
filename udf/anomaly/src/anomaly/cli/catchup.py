"""`anomaly catch-up`: scores the windows that were missed, from InfluxDB, and writes their results.

Whatever becomes of one pipeline, the catch-up goes on with the others; each prints a line of its own on stdout when it
is done.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from anomaly.catchup.run import CatchUpRequest
from anomaly.catchup.run import catch_up as run
from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose_several, connect, read_pipelines, result
from anomaly.cli.failure import failed
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import DurationError, Pipeline, parse_duration
from anomaly.training.progress import progress


def catch_up(options: argparse.Namespace) -> int:
    """Catch up with the pipelines that the options name, one after the other.

    Returns:
        The exit code of the first pipeline that failed, in the order of the specification.

    Raises:
        SpecError: the specification is not valid.
        UsageError: the options do not go together, or a file cannot be read.
    """
    pipelines = read_pipelines(options.spec)
    # A specification of one pipeline means that pipeline, enabled or not.
    only = [pipeline.name for pipeline in pipelines] if len(pipelines) == 1 else None
    chosen = choose_several(pipelines, options.pipelines or only)
    ends = [_catch_up_one(pipeline, options, pipeline.name if len(chosen) > 1 else "") for pipeline in chosen]
    return next((code for code in ends if code != codes.DONE), codes.DONE)


def _catch_up_one(pipeline: Pipeline, options: argparse.Namespace, one_of_several: str) -> int:
    """Catch up with one pipeline, print its result, and return its exit code."""
    started = time.monotonic()
    shown = progress(one_of_several=one_of_several)
    try:
        request = CatchUpRequest(
            pipeline=pipeline,
            models=options.models,
            results_database=options.results_database,
            begin=options.begin,
            lag_ns=None if options.lag is None else _lag_ns(options.lag, pipeline),
            dry_run=options.dry_run,
            hand_over=None if options.hand_over is None else Path(options.hand_over),
        )
        caught_up = run(request, lambda: connect(options), shown.say, shown.at)
        result(
            {
                "status": "caught up" if caught_up.changed else "unchanged",
                "pipeline": pipeline.name,
                "from": rfc3339(caught_up.span.begin_ns),
                "to": rfc3339(caught_up.span.end_ns),
                "series": caught_up.series,
                **asdict(caught_up.repaired),
                "handed_over": caught_up.handed_over,
                "outdated": caught_up.is_outdated,
                "seconds": round(time.monotonic() - started, 1),
                "message": caught_up.message,
            }
        )
    except BrokenPipeError:
        raise
    except Exception as error:
        return failed(error, pipeline.name, shown.say)
    return codes.DONE


def _lag_ns(lag: str, pipeline: Pipeline) -> int:
    """Return the duration of --lag. Raises UsageError if it is not a duration, or is shorter than a window."""
    try:
        lag_ns = parse_duration(lag)
    except DurationError as error:
        raise UsageError(f"--lag: {error}") from None
    if lag_ns < pipeline.window_ns:
        raise UsageError(f"--lag: {lag} is shorter than a window ({pipeline.window}): write at least that")
    return lag_ns
