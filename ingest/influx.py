"""Writes batches to InfluxDB 1.x with bounded retries, and explains its errors."""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError

from ingest.errors import IngestError
from ingest.times import format_duration

TIMEOUT_S = 30
"""Seconds that InfluxDB may take to answer one request."""

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 15.0


@dataclass(frozen=True)
class WriteTarget:
    """Where points are written.

    Attributes:
        url: the address of InfluxDB.
        username: the user; None writes without a login.
        password: the user's password.
        database: the database.
        retention_policy: the retention policy; None: the database's default one.
        measurement: the measurement.
        ca_file: the file with the authorities that may have signed an https server's certificate; None: the usual ones.
    """

    url: str
    username: str | None
    password: str | None = field(repr=False)
    database: str
    retention_policy: str | None
    measurement: str
    ca_file: str | None = None

    def __str__(self) -> str:
        return f"database '{self.database}' at {self.url} as {self.user}"

    @property
    def user(self) -> str:
        """The user as messages name it."""
        return f"user '{self.username}'" if self.username else "nobody (no --username)"


def open_client(
    url: str, username: str | None, password: str | None, database: str | None, ca_file: str | None = None
) -> InfluxDBClient:
    """Return a client that tries each request once, and checks certificates.

    Args:
        url: the address of InfluxDB.
        username: the user; None for none.
        password: the user's password.
        database: the database; None: each request names its own.
        ca_file: the file with the authorities that may have signed an https server's certificate; None: the usual ones.

    Raises:
        IngestError: the URL is not an HTTP address, or holds a login.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or 8086
    except ValueError as error:
        raise IngestError(f"--url {url}: {error}. Fix: as in http://127.0.0.1:8086") from error
    if parts.username or parts.password:
        raise IngestError("--url holds a user or password. Fix: --username and --password-file or INFLUXDB_PASSWORD")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise IngestError(f"--url {url} is not an HTTP address. Fix: as in http://127.0.0.1:8086")
    return InfluxDBClient(
        host=f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname,
        port=port,
        path=parts.path.rstrip("/"),
        ssl=parts.scheme == "https",
        verify_ssl=ca_file or True,
        # As bytes, because requests encodes texts in Latin-1, and InfluxDB reads UTF-8.
        username=username and username.encode(),
        password=password and password.encode(),
        database=database,
        timeout=TIMEOUT_S,
        retries=1,
        headers={"Accept": "application/json"},
    )


class BatchWriter:
    """Writes line protocol, one request for each batch.

    It repeats requests after connection errors, time-outs and 5xx answers, as writing a point twice changes nothing. It
    raises all other errors at once, as only the user can mend them.

    Args:
        target: where points are written.
        precision: the unit of the timestamps, ``s``, ``ms`` or ``n``.
        patience_ms: how long after its first failure a batch is tried again, with growing pauses.
        note: gets a line for people before each pause.
        clock: returns seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        target: WriteTarget,
        precision: str,
        patience_ms: int,
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.target = target
        self._client = open_client(target.url, target.username, target.password, target.database, target.ca_file)
        self._params = {"db": target.database, "precision": precision}
        if target.retention_policy:
            self._params["rp"] = target.retention_policy
        self._patience_ms = patience_ms
        self._note = note
        self._clock = clock
        self._sleep = sleep

    def write(self, lines: Sequence[str]) -> None:
        """Write a batch.

        Raises:
            IngestError: InfluxDB refused it, or did not answer in time.
        """
        began: float | None = None
        pause = _FIRST_PAUSE_S
        while True:
            try:
                # The client keeps and changes its arguments, so it gets copies.
                self._client.write(list(lines), params=dict(self._params), protocol="line")
                return
            except InfluxDBClientError as error:
                raise IngestError(explain(self.target, error.code, server_message(error))) from error
            except InfluxDBServerError as error:
                reason = server_message(error)
                if "not found" in reason:
                    # InfluxDB answers 500 for a retention policy that does not exist, and waiting does not help.
                    raise IngestError(explain(self.target, 404, reason)) from error
                cause: Exception = error
            except requests.exceptions.SSLError as error:
                raise IngestError(
                    f"{self.target.url}: TLS failed: {connection_message(error)}. Fix: the file of the server's CA "
                    "with --ca-file, or http:// if the server has no TLS"
                ) from error
            except (requests.exceptions.RequestException, OSError) as error:
                reason, cause = connection_message(error), error
            now = self._clock()
            began = now if began is None else began
            if (now - began) * 1_000 + pause * 1_000 > self._patience_ms:
                raise IngestError(
                    f"{self.target}: gave up after {format_duration(self._patience_ms)} of trying: {reason}. "
                    "Fix: see that InfluxDB runs and that --url is its address, or wait longer with --retry-for"
                ) from cause
            self._note(f"InfluxDB at {self.target.url}: {reason}; trying again in {pause:.1f} s")
            self._sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311 (spreads out writers that fail together)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def server_message(error: InfluxDBClientError | InfluxDBServerError) -> str:
    """Return InfluxDB's message from an exception of its client, which holds JSON or text."""
    content = getattr(error, "content", None) or (error.args[0] if error.args else "")
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    try:
        document = json.loads(text)
    except ValueError:
        return text.strip() or "no reason given"
    return str(document.get("error", text)) if isinstance(document, dict) else text


def connection_message(error: Exception) -> str:
    """Return the message of an exception's innermost cause, without those of the libraries around it."""
    if isinstance(error, requests.exceptions.Timeout):
        return f"no answer within {TIMEOUT_S} s"
    innermost: BaseException = error
    while innermost.__context__ is not None:
        innermost = innermost.__context__
    if isinstance(innermost, OSError) and innermost.strerror:
        return innermost.strerror
    return str(innermost) or type(innermost).__name__


def explain(target: WriteTarget, code: int | None, reason: str) -> str:
    """Return the message about a refusal, with the fix.

    Args:
        target: where the points were to be written.
        code: the HTTP status.
        reason: InfluxDB's message.
    """
    return f"{target}: InfluxDB refused ({code}): {reason}. Fix: {_fix(target, code, reason)}"


def _fix(target: WriteTarget, code: int | None, reason: str) -> str:
    if code == 401:
        return "check --username and the password in --password-file or INFLUXDB_PASSWORD"
    if code == 403:
        return f'another user, or as an admin: GRANT WRITE ON "{target.database}" TO "{target.username}"'
    if "retention policy not found" in reason:
        return f"check --retention-policy, or create '{target.retention_policy}' on the database"
    if code == 404:
        return f'check --database and --url, or as an admin: CREATE DATABASE "{target.database}"'
    if code == 413:
        return "a smaller --batch"
    if "field type conflict" in reason:
        return (
            f"the measurement '{target.measurement}' holds a field of that name with another type: write it with that "
            "type (--integer in CSV replay), or to another --measurement"
        )
    if "outside retention policy" in reason or "beyond retention policy" in reason:  # 1.12 and 1.8
        return "a later --start, or a retention policy that keeps data for longer"
    return "see InfluxDB's reason"
