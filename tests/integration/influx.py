"""InfluxDB as one of its users sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from tests.integration.waiting import PATIENCE_S


class InfluxError(Exception):
    """InfluxDB answered with an error; `status` is HTTP's, 200 for an error of a statement."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Influx:
    """One user's view.

    Args:
        url: of the HTTP API.
        username: None for nobody.
        password: of the user.
        ca_file: the authorities that an https server is verified with; None: the system's.
    """

    def __init__(self, url: str, username: str | None = None, password: str = "", ca_file: Path | None = None) -> None:
        self.url = url
        self._verify = str(ca_file) if ca_file else True
        self._auth = (username, password) if username is not None else None

    def query(self, statement: str, database: str = "") -> list[dict[str, Any]]:
        """Series of the first statement: dicts with `name`, `tags`, `columns`, `values`; times are nanoseconds."""
        response = requests.post(
            f"{self.url}/query",
            auth=self._auth,
            verify=self._verify,
            timeout=PATIENCE_S,
            data={"q": statement, "db": database, "epoch": "ns"},
        )
        answer = response.json()
        error = answer.get("error") or next(
            (result["error"] for result in answer.get("results", []) if "error" in result), None
        )
        if error:
            raise InfluxError(response.status_code, error)
        series: list[dict[str, Any]] = answer["results"][0].get("series", [])
        return series

    def rows(self, statement: str, database: str = "") -> list[dict[str, Any]]:
        """Rows of all series, with the tags of `GROUP BY` among the columns."""
        return [
            dict(zip(series["columns"], row, strict=True)) | series.get("tags", {})
            for series in self.query(statement, database)
            for row in series["values"]
        ]

    def column(self, statement: str, database: str = "") -> list[Any]:
        """The first column: what SHOW statements answer with."""
        return [row[0] for series in self.query(statement, database) for row in series["values"]]

    def write(self, database: str, lines: Sequence[str]) -> None:
        """Writes line protocol, times in nanoseconds."""
        response = requests.post(
            f"{self.url}/write",
            auth=self._auth,
            verify=self._verify,
            timeout=PATIENCE_S,
            params={"db": database},
            data="\n".join(lines).encode(),
        )
        if response.status_code != 204:
            raise InfluxError(response.status_code, response.text)

    def subscriptions(self) -> dict[str, list[Mapping[str, Any]]]:
        """Database to its subscriptions (`retention_policy`, `name`, `mode`, `destinations`)."""
        return {
            series["name"]: [dict(zip(series["columns"], row, strict=True)) for row in series["values"]]
            for series in self.query("SHOW SUBSCRIPTIONS")
        }

    def beats_ns(self, since_ns: int, results_database: str = "anomaly") -> dict[str, int]:
        """Task to when its UDF last wrote its metrics, in nanoseconds; without those that wrote none since a time."""
        query = f'SELECT "uptime_s" FROM "udf" WHERE "udf" = \'anomaly\' AND time > {since_ns} GROUP BY "task"'
        if results_database not in self.column("SHOW DATABASES"):
            return {}
        found = self.query(f"{query} ORDER BY time DESC LIMIT 1", results_database)
        return {series["tags"]["task"]: series["values"][0][0] for series in found}
