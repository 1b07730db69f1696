"""`anomaly catch-up`: scores the windows that were missed, from InfluxDB, and writes their results."""

import argparse
import time
from dataclasses import asdict

from anomaly.catchup.run import CatchUpRequest
from anomaly.catchup.run import catch_up as run
from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, connect, read_pipelines, result, say
from anomaly.influxdb.times import rfc3339
from anomaly.pipeline import DurationError, Pipeline, parse_duration


def catch_up(options: argparse.Namespace) -> int:
    """Catch up with one pipeline, and print the result.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification, or a time, is not valid.
        UsageError: the options do not go together, or a file cannot be read.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the models cannot be read.
    """
    started = time.monotonic()
    pipeline = choose(read_pipelines(options.spec), options.pipeline)
    options.pipeline = pipeline.name
    request = CatchUpRequest(
        pipeline=pipeline,
        models=options.models,
        results_database=options.results_database,
        begin=options.begin,
        lag_ns=None if options.lag is None else _lag_ns(options.lag, pipeline),
        dry_run=options.dry_run,
    )
    caught_up = run(request, lambda: connect(options), say)
    result(
        {
            "status": "caught up" if caught_up.changed else "unchanged",
            "pipeline": pipeline.name,
            "from": rfc3339(caught_up.span.begin_ns),
            "to": rfc3339(caught_up.span.end_ns),
            "series": caught_up.series,
            **asdict(caught_up.repaired),
            "seconds": round(time.monotonic() - started, 1),
            "message": caught_up.message,
        }
    )
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
