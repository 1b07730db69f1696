# SPDX-License-Identifier: MIT
"""The part of InfluxDB 1.x's HTTP API that the modules of this project use.

The influxdb modules of community.general need two Python libraries on every managed host, cannot name a certificate
authority, and cannot read without a change to make. This client needs the standard library and Ansible's
``module_utils`` only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from .http_api import ApiError, HttpApi

# InfluxDB without users gives this answer to everything but the creation of an admin.
NO_ADMIN_YET = "create admin user first"

_FORM = "application/x-www-form-urlencoded"


class InfluxApiError(ApiError):
    """A request or a statement that failed."""


class InfluxApi(HttpApi):
    """A client of one InfluxDB 1.x, whose ``url`` may have a path."""

    product = "InfluxDB"
    error = InfluxApiError

    def version(self) -> str:
        """Return InfluxDB's version from its answer to a ping, which is "unknown" for some builds."""
        headers, _ = self._send("GET", "/ping", None, _FORM)
        return headers.get("X-Influxdb-Version", "")

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Run one or more InfluxQL statements, and return one result for each.

        Raises:
            InfluxApiError: the request or one of the statements failed.
        """
        _, text = self._send("POST", "/query", urlencode({"q": statement}).encode(), _FORM)
        try:
            results = _checked(json.loads(text))
        except ValueError as error:
            raise InfluxApiError(
                f"{self.url}/query: the answer is not JSON of InfluxDB, so this is another server: {text[:200]!r}"
            ) from error
        for result in results:
            if "error" in result:
                raise InfluxApiError(f"InfluxDB refuses a statement: {result['error']}")
        return results

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Run one statement, and return its rows as mappings, with the series' name as ``__series``."""
        rows: list[dict[str, Any]] = []
        for result in self.query(statement)[:1]:
            for series in result.get("series", []):
                for values in series.get("values", []):
                    row = _Row(zip(series["columns"], values))  # noqa: B905 - equally long, and Python 3.9 has no strict
                    row["__series"] = series.get("name", "")
                    rows.append(row)
        return rows

    def accepts(self) -> bool:
        """Return whether InfluxDB lets the client's user in.

        Raises:
            InfluxApiError: the request failed for another reason.
        """
        try:
            self.query("SHOW DATABASES")
        except InfluxApiError as error:
            if error.status == 401:
                return False
            raise
        return True


class _Row(dict[str, Any]):
    """A row by its columns, which names a column that InfluxDB did not send."""

    def __missing__(self, column: str) -> Any:
        raise InfluxApiError(f"InfluxDB's answer has no column {column}, only {', '.join(map(str, self))}.")


def _checked(answer: Any) -> list[dict[str, Any]]:
    """Return the results of an answer.

    Raises:
        ValueError: it does not have the form of InfluxDB's answers.
    """
    results: Any = answer.get("results", []) if isinstance(answer, dict) else None
    if not _are(dict, results):
        raise ValueError("no list of results")
    for result in results:
        if not _are(dict, result.get("series", [])):
            raise ValueError("a result without a list of series")
        for series in result.get("series", []):
            columns, rows = series.get("columns"), series.get("values", [])
            if not _are(str, columns) or not _are(list, rows) or any(len(row) != len(columns) for row in rows):
                raise ValueError("a series whose rows do not fit its columns")
    return list(results)


def _are(kind: type, values: Any) -> bool:
    """Return whether something is a list of values of one type."""
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def identifier(name: str) -> str:
    r"""Quote a name for InfluxQL.

    >>> identifier('a "b"')
    '"a \\"b\\""'
    """
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def string(value: str) -> str:
    """Quote a string for InfluxQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


_UNITS = {"ns": 1, "u": 10**3, "µ": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_UNITS |= {"d": 24 * _UNITS["h"], "w": 7 * 24 * _UNITS["h"]}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|u|µ|ms|s|m|h|d|w)")


def duration_ns(text: str) -> int:
    """Return a duration in nanoseconds, 0 for ``INF``.

    Args:
        text: duration in InfluxQL's form (``1d``) or Go's form (``24h0m0s``).

    Raises:
        ValueError: the text is neither.
    """
    if text.upper() == "INF":
        return 0
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration. Write digits and a unit, for example 30d, 12h, or INF.")
    return sum(round(float(number) * _UNITS[unit]) for number, unit in parts)


def privileges(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return ``READ``, ``WRITE`` or ``ALL`` by database from the rows of SHOW GRANTS, without revoked privileges."""
    by_database = {}
    for row in rows:
        privilege = str(row["privilege"])
        if privilege != "NO PRIVILEGES":
            by_database[str(row["database"])] = privilege.removesuffix(" PRIVILEGES")
    return by_database
