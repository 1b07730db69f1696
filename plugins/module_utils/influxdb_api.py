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
from urllib.parse import urlencode

from .http_api import ApiError, HttpApi

# What InfluxDB answers to everything but the creation of an admin while it has no users.
NO_ADMIN_YET = "create admin user first"

_FORM = "application/x-www-form-urlencoded"


class InfluxApiError(ApiError):
    """A request or a statement that failed."""


class InfluxApi(HttpApi):
    """A client for one InfluxDB 1.x. ``url`` may have a path."""

    product = "InfluxDB"
    error = InfluxApiError

    def version(self) -> str:
        """Return the version that InfluxDB gives itself in the answer to a ping; "unknown" for some builds."""
        headers, _ = self._send("GET", "/ping", None, _FORM)
        return headers.get("X-Influxdb-Version", "")

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Run one or more InfluxQL statements and return one result for each.

        Raises InfluxApiError when the request or any of the statements failed.
        """
        _, text = self._send("POST", "/query", urlencode({"q": statement}).encode(), _FORM)
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise InfluxApiError(
                f"{self.url}/query: the answer is not JSON, so this is not InfluxDB: {text[:200]!r}"
            ) from error
        for result in answer.get("results", []):
            if "error" in result:
                raise InfluxApiError(f"InfluxDB refuses a statement: {result['error']}")
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
        """Whether InfluxDB lets the client's user in. Raises InfluxApiError for anything but a yes or a no."""
        try:
            self.query("SHOW DATABASES")
        except InfluxApiError as error:
            if error.status == 401:
                return False
            raise
        return True


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
