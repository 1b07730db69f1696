"""What the demonstration asks of InfluxDB and removes from it. Each function is one statement."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import requests
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError
from influxdb.line_protocol import quote_ident, quote_literal

from demo.errors import DemoError
from demo.stack import Login, Pipeline, Stack
from demo.verdict import Period
from ingest.influx import connection_message, open_client, server_message
from ingest.printer import FIELD_NAMES


class Totals(NamedTuple):
    """Counts and sums of a printer's fields, in the order of ``FIELD_NAMES``."""

    counts: tuple[int, ...]
    sums: tuple[float, ...]


class Bucket(NamedTuple):
    """Lowest and highest value of each field within ``[begin_ms, ...)``; None where there is no point."""

    begin_ms: int
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


class Database:
    """A connection as one user."""

    def __init__(self, stack: Stack, login: Login) -> None:
        self._url = stack.influxdb_url
        self._login = login
        self._stack = stack
        self._client: InfluxDBClient = open_client(stack.influxdb_url, login.username, login.password, None)

    def subscriptions(self, pipeline: Pipeline) -> int:
        """How many subscriptions the pipeline's source has; needs an admin."""
        with self._explained():
            result = self._client.query("SHOW SUBSCRIPTIONS")
        points = result.get_points(measurement=pipeline.database)
        return sum(1 for row in points if row["retention_policy"] == pipeline.retention_policy)

    def totals(self, pipeline: Pipeline, printer: str, begin_ms: int, end_ms: int) -> Totals:
        """Counts and sums of a printer's source points in ``[begin_ms, end_ms)``."""
        columns = ", ".join(f"count({quote_ident(f)}) AS c_{f}, sum({quote_ident(f)}) AS s_{f}" for f in FIELD_NAMES)
        which = f"{_between(begin_ms, end_ms)} AND {_is('printer', printer)}"
        rows = self._select(f"SELECT {columns} FROM {_source(pipeline)} WHERE {which}", pipeline.database)
        row: dict[str, Any] = rows[0] if rows else {}
        return Totals(
            tuple(int(row.get(f"c_{f}") or 0) for f in FIELD_NAMES),
            tuple(float(row.get(f"s_{f}") or 0.0) for f in FIELD_NAMES),
        )

    def envelope(self, pipeline: Pipeline, printer: str, begin_ms: int, end_ms: int, bucket_ms: int) -> list[Bucket]:
        """Lowest and highest source values in buckets, for a chart."""
        columns = ", ".join(f"min({quote_ident(f)}) AS lo_{f}, max({quote_ident(f)}) AS hi_{f}" for f in FIELD_NAMES)
        which = f"{_between(begin_ms, end_ms)} AND {_is('printer', printer)}"
        rows = self._select(
            f"SELECT {columns} FROM {_source(pipeline)} WHERE {which} GROUP BY time({bucket_ms}ms)", pipeline.database
        )
        return [
            Bucket(
                int(row["time"]),
                tuple(row[f"lo_{f}"] for f in FIELD_NAMES),
                tuple(row[f"hi_{f}"] for f in FIELD_NAMES),
            )
            for row in rows
        ]

    def severities(
        self, pipeline: Pipeline, printer: str, begin_ms: int, end_ms: int, bucket_ms: int
    ) -> list[tuple[int, float | None]]:
        """The highest severity in buckets, for a chart."""
        rows = self._select(
            f"SELECT max(severity) AS severity FROM score WHERE {_between(begin_ms, end_ms)} "
            f"AND {_is('pipeline', pipeline.name)} AND {_is('printer', printer)} GROUP BY time({bucket_ms}ms)",
            self._stack.results_database,
        )
        return [(int(row["time"]), row["severity"]) for row in rows]

    def latest_scores(self, pipeline: Pipeline, begin_ms: int, end_ms: int) -> dict[str, int]:
        """For each printer that has any the begin of its last scored window in ``[begin_ms, end_ms)``."""
        with self._explained():
            result = self._client.query(
                f"SELECT last(severity) FROM score WHERE {_between(begin_ms, end_ms)} "
                f"AND {_is('pipeline', pipeline.name)} GROUP BY printer",
                database=self._stack.results_database,
                epoch="ms",
            )
        return {tags["printer"]: int(next(rows)["time"]) for (_, tags), rows in result.items() if tags}

    def count_scores(self, pipeline: Pipeline, printer: str, begin_ms: int, end_ms: int) -> int:
        """How many windows of a printer are scored in ``[begin_ms, end_ms)``."""
        rows = self._select(
            f"SELECT count(severity) AS n FROM score WHERE {_between(begin_ms, end_ms)} "
            f"AND {_is('pipeline', pipeline.name)} AND {_is('printer', printer)}",
            self._stack.results_database,
        )
        return int(rows[0]["n"]) if rows else 0

    def periods(self, pipeline: Pipeline, printers: Sequence[str], begin_ms: int, end_ms: int) -> list[Period]:
        """The periods of these printers that begin in ``[begin_ms, end_ms)``."""
        rows = self._select(
            f"SELECT * FROM period WHERE {_between(begin_ms, end_ms)} AND {_is('pipeline', pipeline.name)}",
            self._stack.results_database,
        )
        return [
            Period(
                printer=row["printer"],
                begin_ms=int(row["begin_ms"]),
                end_ms=int(row["end_ms"]),
                state=row["state"],
                peak_severity=float(row["peak_severity"]),
                peak_score=float(row["peak_score"]),
                windows=int(row["points"]),
                reason=row["reason"],
            )
            for row in rows
            if row["printer"] in printers
        ]

    def delete_points(self, pipeline: Pipeline, printer: str, begin_ms: int, end_ms: int) -> None:
        """Remove a printer's source points in ``[begin_ms, end_ms)``."""
        self._delete(pipeline.database, pipeline.measurement, begin_ms, end_ms, _is("printer", printer))

    def delete_results(self, pipeline: Pipeline, printer: str, begin_ms: int, end_ms: int) -> None:
        """Remove a printer's scores, periods and drift in ``[begin_ms, end_ms)``."""
        which = f"{_is('pipeline', pipeline.name)} AND {_is('printer', printer)}"
        for measurement in ("score", "period", "drift"):
            self._delete(self._stack.results_database, measurement, begin_ms, end_ms, which)

    def _delete(self, database: str, measurement: str, begin_ms: int, end_ms: int, which: str) -> None:
        statement = f"DELETE FROM {quote_ident(measurement)} WHERE {_between(begin_ms, end_ms)} AND {which}"
        with self._explained():
            self._client.query(statement, database=database, method="POST")

    def _select(self, statement: str, database: str) -> list[dict[str, Any]]:
        with self._explained():
            result = self._client.query(statement, database=database, epoch="ms")
        return list(result.get_points())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        who = f"InfluxDB at {self._url} as '{self._login.username}'"
        try:
            yield
        except (InfluxDBClientError, InfluxDBServerError) as error:
            raise DemoError(
                f"{who}: {server_message(error)}. Fix: deploy again, which mends users and grants"
            ) from error
        except requests.exceptions.RequestException as error:
            raise DemoError(
                f"{who}: {connection_message(error)}. Fix: see docker ps whether it runs; deploy again"
            ) from error


def _source(pipeline: Pipeline) -> str:
    return f"{quote_ident(pipeline.retention_policy)}.{quote_ident(pipeline.measurement)}"


def _between(begin_ms: int, end_ms: int) -> str:
    return f"time >= {begin_ms}ms AND time < {end_ms}ms"


def _is(tag: str, value: str) -> str:
    return f"{quote_ident(tag)} = {quote_literal(value)}"
