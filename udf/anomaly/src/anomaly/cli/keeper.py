"""`anomaly keeper`: watches detection, repairs it, trains what is due and tells when it is down, until it is ended."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from prometheus_client import start_http_server

from anomaly.cli import codes
from anomaly.cli.common import UsageError, connect, read_password, say
from anomaly.cli.specification import FollowedSpecification
from anomaly.influxdb.retention import LEAST_DAYS
from anomaly.keeper.certificates import Certificates, TlsServer
from anomaly.keeper.kapacitor import KapacitorClient
from anomaly.keeper.last_backup import LastBackup
from anomaly.keeper.messengers import MessengerError, read_messengers
from anomaly.keeper.run import Keeper, KeeperRequest
from anomaly.pipeline import SizeError, parse_size
from anomaly.pipeline.links import Addresses

# The keeper asks for little; an InfluxDB that does not answer that within this time is away.
_READ_SECONDS = 20.0


def keeper(options: argparse.Namespace) -> int:
    """Run the keeper until SIGTERM or SIGINT.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification is not valid.
        UsageError: a file cannot be read, an option is not one, or the metrics' port is taken.
        InfluxClientError: the address of InfluxDB is not an address.
    """
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        messengers = (
            {} if options.messengers is None else read_messengers(Path(options.messengers), options.messengers_ca_file)
        )
    except MessengerError as error:
        raise UsageError(f"--messengers: {error}") from None
    if 0 < options.score_days < LEAST_DAYS or options.score_days < 0:
        raise UsageError(
            f"--score-days: {options.score_days} is neither 0 nor {LEAST_DAYS} or more: write one of these"
        )
    request = KeeperRequest(
        pipelines=FollowedSpecification(options.spec, "the keeper"),
        models=options.models,
        results_database=options.results_database,
        train_command=_command("train", options),
        catch_up_command=(
            *_command("catch-up", options),
            *(() if options.hand_over is None else ("--hand-over", options.hand_over)),
        ),
        expire_command=(
            (*_command("expire", options, has_models=False), "--days", str(options.score_days))
            if options.score_days
            else ()
        ),
        messengers=messengers,
        state=None if options.state is None else Path(options.state),
        heartbeat=None if options.heartbeat is None else Path(options.heartbeat),
        restart_file=None if options.restart_file is None else Path(options.restart_file),
        influxdb_restart_file=None if options.influxdb_restart_file is None else Path(options.influxdb_restart_file),
        udf_state=None if options.udf_state is None else Path(options.udf_state),
        disks=dict(_disk(text) for text in options.disks),
        least_free=_size(options.least_free),
        certificates=Certificates(
            (
                TlsServer("InfluxDB", options.influxdb_url, options.ca_file),
                TlsServer("Kapacitor", options.kapacitor_url, options.kapacitor_ca_file),
            ),
            options.certificate_days,
        ),
        last_backup=_last_backup(options),
        poll_seconds=options.poll,
        training_seconds=options.training_poll,
        keep=options.keep,
        patience_seconds=options.tell_after,
        calm_seconds=options.tell_back_after,
        incident_topic=options.incident_topic,
        stack_name=options.stack_name,
        addresses=Addresses(options.grafana_url, options.console_url),
    )
    password = read_password(options.kapacitor_password_file, "--kapacitor-password-file")
    kapacitor = KapacitorClient(options.kapacitor_url, options.kapacitor_username, password, options.kapacitor_ca_file)
    watching = Keeper(request, connect(options, _READ_SECONDS), kapacitor, say)
    if options.metrics_port is not None:
        try:
            start_http_server(
                options.metrics_port,
                options.metrics_address,
                watching.metrics.registry,
                certfile=options.metrics_certificate,
                keyfile=options.metrics_key,
            )
        except OSError as error:
            raise UsageError(
                f"--metrics-port: {options.metrics_port} cannot be used: {error.strerror or error}"
            ) from None
    watching.run(ended)
    say("keeper ends")
    return codes.DONE


def _last_backup(options: argparse.Namespace) -> LastBackup | None:
    if options.backup_record is None:
        return None
    if options.backup_days <= 0:
        raise UsageError(f"--backup-days: {options.backup_days:g} is not more than 0: write such as 7")
    return LastBackup(Path(options.backup_record), options.backup_days)


def _disk(text: str) -> tuple[str, Path]:
    name, is_pair, folder = text.partition("=")
    if not is_pair or not name or not folder:
        raise UsageError(f"--disk: {text!r} is not NAME=FOLDER: write such as data=/disks/data")
    return name, Path(folder)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except SizeError as error:
        raise UsageError(f"--least-free: {error}") from None


def _command(name: str, options: argparse.Namespace, *, has_models: bool = True) -> tuple[str, ...]:
    """Return the command line of another command of `anomaly`, with the keeper's own options."""
    command = [sys.executable, "-m", "anomaly", name, "--spec", options.spec]
    command += ["--models", str(options.models)] if has_models else []
    command += ["--influxdb-url", options.influxdb_url]
    command += ["--results-database", options.results_database]
    for option, value in (
        ("--username", options.username),
        ("--password-file", options.password_file),
        ("--ca-file", options.ca_file),
    ):
        command += [option, value] if value is not None else []
    return tuple(command)
