"""`anomaly trainer`: trains pipelines again when they are due, and hands feedback on, until it is ended."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from anomaly.cli import codes
from anomaly.cli.common import connect, read_pipelines, say
from anomaly.training.trainer import TrainerRequest, run_trainer


def trainer(options: argparse.Namespace) -> int:
    """Run the trainer until SIGTERM or SIGINT.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification is not valid.
        UsageError: the specification or the password's file cannot be read.
        InfluxClientError: the address of InfluxDB is not an address.
    """
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    request = TrainerRequest(
        pipelines=tuple(pipeline for pipeline in read_pipelines(options.spec) if pipeline.enabled),
        models=options.models,
        results_database=options.results_database,
        train_command=_train_command(options),
        poll_seconds=options.poll,
        heartbeat=None if options.heartbeat is None else Path(options.heartbeat),
        keep=options.keep,
    )
    run_trainer(request, lambda: connect(options), ended, say)
    return codes.DONE


def _train_command(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the command line of `anomaly train`, with the trainer's own options."""
    command = [sys.executable, "-m", "anomaly", "train", "--spec", options.spec]
    command += ["--models", options.models, "--influxdb-url", options.influxdb_url]
    command += ["--results-database", options.results_database]
    for name, value in (
        ("--username", options.username),
        ("--password-file", options.password_file),
        ("--ca-file", options.ca_file),
    ):
        command += [name, value] if value is not None else []
    return tuple(command)
