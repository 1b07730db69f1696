# SPDX-License-Identifier: MIT
"""The part of InfluxDB 1.x's HTTP API that the modules of this project use.

community.general's influxdb modules need two Python libraries on every managed host, have no way to name a certificate
authority, and cannot ask without being told to change; here the standard library and Ansible's ``module_utils`` do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

CONNECTION_ARGUMENTS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 30},
}

# What InfluxDB answers to everything but the creation of an admin while it has no users.
NO_ADMIN_YET = "create admin user first"


class InfluxError(Exception):
    """A request that failed.

    ``status`` is the HTTP status code; None when no answer came or when a statement failed (which is a 200).
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Influx:
    """A client for one InfluxDB 1.x. ``url`` may have a path; ``timeout`` is in seconds and holds for each request."""

    def __init__(
        self,
        url: str,
        username: str | None = None,
        password: str | None = None,
        ca_path: str | None = None,
        validate_certs: bool = True,
        timeout: int = 30,
    ) -> None:
        self.url = url.rstrip("/")
        self.username = username
        self.password = password
        self.ca_path = ca_path
        self.validate_certs = validate_certs
        self.timeout = timeout

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Influx:
        """Make a client of a module's parameters (those of CONNECTION_ARGUMENTS)."""
        return cls(**{name: params[name] for name in CONNECTION_ARGUMENTS})

    def as_user(self, username: str, password: str) -> Influx:
        """Return the same client for another user."""
        return Influx(self.url, username, password, self.ca_path, self.validate_certs, self.timeout)

    def version(self) -> str:
        """Return the version that InfluxDB gives itself in the answer to a ping; "unknown" for some builds."""
        headers, _ = self._request("GET", "/ping", None)
        return headers.get("X-Influxdb-Version", "")

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Run one or more InfluxQL statements and return one result for each.

        Raises InfluxError when the request or any of the statements failed.
        """
        _, text = self._request("POST", "/query", urlencode({"q": statement}).encode())
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise InfluxError(
                f"{self.url}/query: the answer is not JSON, so this is not InfluxDB: {text[:200]!r}"
            ) from error
        for result in answer.get("results", []):
            if "error" in result:
                raise InfluxError(f"InfluxDB refuses a statement: {result['error']}")
        return list(answer.get("results", []))

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Run one statement and return its rows as mappings, with the series' name under ``__series``."""
        found = []
        for series in self.query(statement)[0].get("series", []):
            for values in series.get("values", []):
                row = dict(zip(series["columns"], values, strict=True))
                row["__series"] = series.get("name", "")
                found.append(row)
        return found

    def accepts(self) -> bool:
        """Whether InfluxDB lets the client's user in. Raises InfluxError for anything but a yes or a no."""
        try:
            self.query("SHOW DATABASES")
        except InfluxError as error:
            if error.status == 401:
                return False
            raise
        return True

    def _request(self, method: str, path: str, data: bytes | None) -> tuple[Mapping[str, str], str]:
        target = f"{self.url}{path}"
        try:
            with open_url(
                target,
                method=method,
                data=data,
                headers={"Content-Type": "application/x-www-form-urlencoded"} if data is not None else {},
                timeout=self.timeout,
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                url_username=self.username,
                url_password=self.password,
                force_basic_auth=bool(self.username),
                # A proxy of the managed host's environment must not see, or break, requests to the host itself.
                use_proxy=False,
            ) as response:
                return response.headers, response.read().decode()
        except HTTPError as error:
            raise self._refused(target, error) from error
        except TimeoutError as error:
            raise InfluxError(f"{target}: no answer within timeout={self.timeout} seconds.") from error
        except URLError as error:
            raise InfluxError(
                f"{target}: no connection to InfluxDB ({error.reason}). Is it running, and is url right?"
            ) from error
        except OSError as error:
            raise InfluxError(f"{target}: the connection to InfluxDB broke ({error}).") from error

    def _refused(self, target: str, error: HTTPError) -> InfluxError:
        text = error.read().decode(errors="replace")
        try:
            reason = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            reason = text.strip()[:500] or str(error.reason)
        if error.code == 401:
            who = f"user {self.username!r}" if self.username else "a request without username and password"
            reason = f"InfluxDB refuses {who} ({reason})."
        return InfluxError(f"{target}: {reason}", status=error.code)


def identifier(name: str) -> str:
    """Quote a name for InfluxQL.

    >>> identifier('a "b"')
    '"a \\\\"b\\\\""'
    """
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def string(value: str) -> str:
    """Quote a string for InfluxQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


_UNITS = {"ns": 1, "u": 10**3, "µ": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_UNITS |= {"d": 24 * _UNITS["h"], "w": 7 * 24 * _UNITS["h"]}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|u|µ|ms|s|m|h|d|w)")


def duration_ns(text: str) -> int:
    """Return a duration in nanoseconds, 0 for ``INF``; both InfluxQL's form (``1d``) and Go's (``24h0m0s``) are read.

    Raises ValueError for anything else.
    """
    if text.upper() == "INF":
        return 0
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration. Write digits and a unit, for example 30d, 12h, or INF.")
    return sum(round(float(number) * _UNITS[unit]) for number, unit in parts)


def privileges(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return database -> ``READ``, ``WRITE`` or ``ALL`` from the rows of SHOW GRANTS, without revoked ones."""
    found = {}
    for row in rows:
        privilege = str(row["privilege"])
        if privilege != "NO PRIVILEGES":
            found[str(row["database"])] = privilege.removesuffix(" PRIVILEGES")
    return found
