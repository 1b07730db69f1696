"""InfluxDB 1.x over HTTP: chunked answers, line by line, in bounded memory.

This client is written on requests, as the library `influxdb` keeps all chunks of an answer in memory and makes a
dictionary of each row.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from anomaly.login import basic_login

_CHUNK_ROWS = 10_000
_CONNECT_SECONDS = 10
_READ_SECONDS = 300


class InfluxClientError(Exception):
    """InfluxDB could not be asked, or refused; the message names the address, the query and the fix."""


@dataclass(frozen=True, slots=True)
class SeriesChunk:
    """Some rows of one series, as one chunk of an answer holds them.

    Attributes:
        name: the measurement.
        tags: the tags that the query groups by.
        columns: the names of the columns; the first is the time.
        rows: a value for each column; times in nanoseconds.
    """

    name: str
    tags: dict[str, str]
    columns: list[str]
    rows: list[list[Any]]


class InfluxClient:
    """A connection to one server as one user."""

    def __init__(
        self,
        url: str,
        username: str | None,
        password: str | None,
        ca_file: str | None = None,
        *,
        read_seconds: float = _READ_SECONDS,
    ) -> None:
        """Prepare the connection; nothing is sent yet.

        Args:
            url: the server's address, without a user.
            username: the user; None: an unnamed user.
            password: the user's password.
            ca_file: a CA bundle for https; None: the system's.
            read_seconds: how long to wait for each part of an answer.

        Raises:
            InfluxClientError: the address is not an address, or has a user in it.
        """
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise InfluxClientError(
                f"--influxdb-url: {url!r} is not an address: write one such as http://127.0.0.1:8086"
            )
        if split.username or split.password:
            raise InfluxClientError(
                "--influxdb-url: has a user or a password in it, which would end in logs: use --username and "
                "--password-file"
            )
        self._url = url.rstrip("/")
        self._user = username
        self._timeout = (_CONNECT_SECONDS, read_seconds)
        self._session = requests.Session()
        # Credentials come from the arguments only, never from a .netrc; proxies are not for databases.
        self._session.trust_env = False
        if ca_file is not None:
            self._session.verify = ca_file
        if username is not None:
            self._session.auth = basic_login(username, password or "")

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        """Send a query.

        Args:
            text: the query in InfluxQL.
            database: the database that the query is about; empty where it names its own.

        Yields:
            The chunks of the answer as they arrive, with times in nanoseconds.

        Raises:
            InfluxClientError: the server cannot be reached, or refused.
        """
        parameters: dict[str, str | int] = {"db": database, "epoch": "ns", "chunked": "true", "chunk_size": _CHUNK_ROWS}
        try:
            with self._session.post(
                f"{self._url}/query",
                params=parameters,
                data={"q": text},
                stream=True,
                timeout=self._timeout,
            ) as response:
                if response.status_code != 200:
                    raise self._refused(response, text, database)
                for line in response.iter_lines(chunk_size=1 << 16):
                    if line:
                        yield from self._read(line, text, database)
        except OSError as error:
            # Those of requests, and of a connection that breaks while the answer is read.
            raise self._unreachable(error) from error

    def write(self, lines: Sequence[str], database: str) -> None:
        """Write points into the default retention policy.

        Args:
            lines: the points in line protocol, with times in nanoseconds.
            database: the database to write into.

        Raises:
            InfluxClientError: the server cannot be reached, or refused.
        """
        try:
            response = self._session.post(
                f"{self._url}/write",
                params={"db": database, "precision": "ns"},
                data="\n".join(lines).encode(),
                timeout=self._timeout,
            )
        except requests.exceptions.RequestException as error:
            raise self._unreachable(error) from error
        if response.status_code != 204:
            raise self._refused(response, f"a write of {len(lines)} points", database)

    def databases(self) -> list[str]:
        """Return the names of the databases that this user can see.

        Raises:
            InfluxClientError: the server cannot be reached, or refused.
        """
        return [str(row[0]) for chunk in self.query("SHOW DATABASES", "") for row in chunk.rows]

    def clock(self) -> datetime | None:
        """Return what the server's clock says, to the second; None where the answer does not tell it.

        Raises:
            InfluxClientError: the server cannot be reached.
        """
        try:
            response = self._session.get(f"{self._url}/ping", timeout=self._timeout)
        except requests.exceptions.RequestException as error:
            raise self._unreachable(error) from error
        try:
            return parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return None

    def _read(self, line: bytes, text: str, database: str) -> list[SeriesChunk]:
        """Return the chunks of one line of an answer to a query."""
        try:
            answer = json.loads(line)
            results = [answer, *answer.get("results", [])]
            error = next((result["error"] for result in results if "error" in result), None)
            chunks = [_chunk(series) for result in results for series in result.get("series", [])]
        except (AttributeError, LookupError, TypeError, ValueError) as other:
            raise InfluxClientError(
                f"InfluxDB at {self._url} answered something else than its JSON to {text!r}: check --influxdb-url"
            ) from other
        if error is not None:
            raise self._failed(str(error), text, database)
        return chunks

    def _unreachable(self, error: OSError) -> InfluxClientError:
        if isinstance(error, requests.exceptions.SSLError):
            return InfluxClientError(
                f"InfluxDB at {self._url}: TLS failed ({_root(error)}): give its CA with --ca-file"
            )
        return InfluxClientError(
            f"InfluxDB at {self._url} is not reachable ({_root(error)}): check --influxdb-url, and that it is running"
        )

    def _refused(self, response: requests.Response, text: str, database: str) -> InfluxClientError:
        try:
            reason = str(response.json()["error"])
        except (ValueError, KeyError, TypeError):
            reason = response.text[:200].strip() or str(response.reason)
        if response.status_code == 401:
            who = f"user {self._user!r}" if self._user is not None else "an unnamed user"
            return InfluxClientError(
                f"InfluxDB at {self._url} does not let in {who} ({reason}): check --username and --password-file"
            )
        if response.status_code == 403:
            return InfluxClientError(
                f"InfluxDB at {self._url}: user {self._user!r} lacks a right on database {database!r} ({reason}): "
                "GRANT READ, and WRITE for what writes, to it"
            )
        return self._failed(f"{response.status_code} {reason}", text, database)

    def _failed(self, reason: str, text: str, database: str) -> InfluxClientError:
        if "database not found" in reason:
            return InfluxClientError(
                f"InfluxDB at {self._url} has no database {database!r}: check the pipeline's `database`"
            )
        if "retention policy not found" in reason:
            return InfluxClientError(
                f"InfluxDB at {self._url}: {reason} in database {database!r}: check the pipeline's `retention_policy`"
            )
        return InfluxClientError(f"InfluxDB at {self._url} could not answer {text!r}: {reason}")


def _chunk(series: Mapping[str, Any]) -> SeriesChunk:
    """Return a series of an answer. Raises LookupError, TypeError or ValueError for anything else."""
    columns, rows = list(series["columns"]), list(series.get("values", []))
    if any(len(row) != len(columns) for row in rows) or not columns:
        raise ValueError("the rows do not fit the columns")
    return SeriesChunk(str(series.get("name", "")), dict(series.get("tags") or {}), columns, rows)


def _root(error: BaseException) -> str:
    """Return the innermost reason of requests' nested exceptions, without the address of an object."""
    reason: BaseException = error
    while True:
        inner = getattr(reason, "reason", None)
        if not isinstance(inner, BaseException):
            among = (argument for argument in reason.args if isinstance(argument, BaseException))
            inner = next(among, reason.__cause__)
        if inner is None:
            return (
                f"{type(reason).__name__}: {reason}"
                if not isinstance(reason, OSError)
                else (reason.strerror or str(reason))
            )
        reason = inner
