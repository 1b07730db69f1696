"""`anomaly expire`: deletes old scores and figures from the results."""

import argparse
import time

from anomaly.catchup.run import reach_ns
from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, connect, read_pipelines, result
from anomaly.influxdb.retention import LEAST_DAYS, expiry_ns
from anomaly.influxdb.retention import expire as run
from anomaly.nanoseconds import DAY_NS, rfc3339


def expire(options: argparse.Namespace) -> int:
    """Delete the old scores and figures of one pipeline.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification is not valid.
        UsageError: the options do not go together, or a file cannot be read.
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    pipeline = choose(read_pipelines(options.spec), options.pipeline)
    options.pipeline = pipeline.name
    if options.days < LEAST_DAYS:
        raise UsageError(
            f"--days: {options.days} is less than {LEAST_DAYS}, which catch-ups and reports look back to: write at "
            "least that"
        )
    # Scores that a catch-up would look for stay: those of windows of a day would be scored again.
    days = max(options.days, -(-reach_ns(pipeline) // DAY_NS))
    before_ns = expiry_ns(time.time_ns(), days)
    expired = run(connect(options), options.results_database, pipeline, before_ns)
    result(
        {
            "status": "expired" if expired else "unchanged",
            "pipeline": pipeline.name,
            "before": rfc3339(before_ns),
            "measurements": expired,
        }
    )
    return codes.DONE
