"""`anomaly console`: serves the console's pages until it is ended."""

import argparse
import sys
from pathlib import Path

import uvicorn

from anomaly.cli import codes
from anomaly.cli.common import UsageError, connect, parse_document, say
from anomaly.cli.specification import FollowedSpecification
from anomaly.console.app import create_app
from anomaly.console.settings import ConsoleSettings, SettingsError, parse_settings
from anomaly.console.stack import Stack

# Nobody waits longer for a page.
_READ_SECONDS = 30.0
_END_SECONDS = 5


def console(options: argparse.Namespace) -> int:
    """Serve the console.

    Returns:
        The exit code.

    Raises:
        UsageError: the settings or the specification cannot be read, or the port is taken.
        SpecError: the specification is not valid.
        InfluxClientError: the address of InfluxDB is not an address.
    """
    settings = read_settings(options.settings)
    connect(options, _READ_SECONDS)
    stack = Stack(
        FollowedSpecification(options.spec, "the console"),
        lambda: connect(options, _READ_SECONDS),
        options.results_database,
        Path(options.models),
        _trial_command(options),
    )
    config = uvicorn.Config(
        create_app(stack, settings),
        host=settings.address,
        port=settings.port,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        log_level="warning",
        access_log=False,
        # Requests are told apart by where they come from, so nobody else may say where that is.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_END_SECONDS,
    )
    server = _Server(config, settings)
    try:
        server.run()
    except SystemExit:
        # uvicorn has said why it cannot open the port.
        where = f"{settings.address}:{settings.port}"
        raise UsageError(f"--settings: {where} cannot be listened on: choose another address or port") from None
    return codes.DONE if server.started else codes.BUG


def _trial_command(options: argparse.Namespace) -> list[str]:
    """Return the command of a trial, which reaches what the console reaches; a password's variable is inherited."""
    given = {
        "--spec": options.spec,
        "--models": options.models,
        "--influxdb-url": options.influxdb_url,
        "--username": options.username,
        "--password-file": options.password_file,
        "--ca-file": options.ca_file,
        "--results-database": options.results_database,
    }
    pairs = [each for option, value in given.items() if value is not None for each in (option, str(value))]
    return [sys.executable, "-m", "anomaly", "what-if", "--serve", *pairs]


class _Server(uvicorn.Server):
    """Says where it serves, once it does."""

    def __init__(self, config: uvicorn.Config, settings: ConsoleSettings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Open the port, and say so."""
        await super().startup()
        if not self.started:
            return
        port = self.servers[0].sockets[0].getsockname()[1]
        scheme = "https" if self._settings.is_secure else "http"
        say(f"anomaly: the console serves {scheme}://{self._settings.address}:{port}")


def read_settings(name: str) -> ConsoleSettings:
    """Read the settings. Raises UsageError if they cannot be read or do not fit."""
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--settings: {name} cannot be read: {reason}") from error
    try:
        return parse_settings(parse_document(name, text), name)
    except SettingsError as error:
        raise UsageError(str(error)) from error
