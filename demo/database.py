"""Reads source data and results of the demonstration from InfluxDB, and removes those of an earlier one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import requests
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError
from influxdb.line_protocol import quote_ident, quote_literal

from anomaly.backtest.evaluate import FoundPeriod
from anomaly.scoring.periods import NO_DATA, Period
from demo.errors import DemoError
from demo.stack import DemoPipeline, DeployedStack, Login
from ingest.influx import connection_message, open_client, server_message

_NS_PER_MS = 1_000_000


class Totals(NamedTuple):
    """Totals of a device's points.

    Attributes:
        counts: how many values each field has, in the order of the process's fields.
        sums: the sums of these values, likewise.
    """

    counts: tuple[int, ...]
    sums: tuple[float, ...]


class DemoDatabase:
    """A connection to the stack's InfluxDB as one user; times are milliseconds since 1970."""

    def __init__(self, stack: DeployedStack, login: Login) -> None:
        self._url = stack.influxdb_url
        self._login = login
        self._stack = stack
        self._client: InfluxDBClient = open_client(
            stack.influxdb_url, login.username, login.password, None, stack.ca_file
        )

    def subscriptions(self, pipeline: DemoPipeline) -> int:
        """Return how many subscriptions the pipeline's source has; only an admin may ask."""
        with self._explained():
            result = self._client.query("SHOW SUBSCRIPTIONS")
        points = result.get_points(measurement=pipeline.database)
        return sum(1 for row in points if row["retention_policy"] == pipeline.retention_policy)

    def totals(self, pipeline: DemoPipeline, device: str, begin_ms: int, end_ms: int) -> Totals:
        """Return the totals of a device's source points in ``[begin_ms, end_ms)``."""
        fields = pipeline.process.fields
        columns = ", ".join(f"count({quote_ident(f)}) AS c_{f}, sum({quote_ident(f)}) AS s_{f}" for f in fields)
        which = f"{_between(begin_ms, end_ms)} AND {_is(pipeline.process.name, device)}"
        rows = self._select(f"SELECT {columns} FROM {_source(pipeline)} WHERE {which}", pipeline.database)
        row: dict[str, Any] = rows[0] if rows else {}
        return Totals(
            tuple(int(row.get(f"c_{f}") or 0) for f in fields),
            tuple(float(row.get(f"s_{f}") or 0.0) for f in fields),
        )

    def latest_scores(self, pipeline: DemoPipeline, begin_ms: int, end_ms: int) -> dict[str, int]:
        """Return the begin of the last scored window in ``[begin_ms, end_ms)``, by device; others are left out."""
        with self._explained():
            result = self._client.query(
                f"SELECT last(severity) FROM score WHERE {_between(begin_ms, end_ms)} "
                f"AND {_is('pipeline', pipeline.name)} GROUP BY {quote_ident(pipeline.process.name)}",
                database=self._stack.results_database,
                epoch="ms",
            )
        tag = pipeline.process.name
        return {tags[tag]: int(next(rows)["time"]) for (_, tags), rows in result.items() if tags}

    def count_scores(self, pipeline: DemoPipeline, device: str, begin_ms: int, end_ms: int) -> int:
        """Return how many windows of a device have a score in ``[begin_ms, end_ms)``."""
        rows = self._select(
            f"SELECT count(severity) AS n FROM score WHERE {_between(begin_ms, end_ms)} "
            f"AND {_is('pipeline', pipeline.name)} AND {_is(pipeline.process.name, device)}",
            self._stack.results_database,
        )
        return int(rows[0]["n"]) if rows else 0

    def periods(self, pipeline: DemoPipeline, devices: Sequence[str], begin_ms: int, end_ms: int) -> list[FoundPeriod]:
        """Return the periods of these devices that begin in ``[begin_ms, end_ms)``.

        The results show a period from the end of its first window. They show a period without data of a replay only
        at its end, when data return: the demonstration streams a day that is over, so its series are not live.
        """
        rows = self._select(
            f"SELECT * FROM period WHERE {_between(begin_ms, end_ms)} AND {_is('pipeline', pipeline.name)}",
            self._stack.results_database,
        )
        periods, tag = [], pipeline.process.name
        for row in rows:
            if row[tag] not in devices:
                continue
            period = Period(
                begin_ns=int(row["begin_ms"]) * _NS_PER_MS,
                end_ns=int(row["end_ms"]) * _NS_PER_MS,
                state=row["state"],
                peak_score=float(row["peak_score"]),
                peak_severity=float(row["peak_severity"]),
                points=int(row["points"]),
                reason=row["reason"],
            )
            first_window_end_ns = period.begin_ns + pipeline.window_ms * _NS_PER_MS
            known_ns = period.end_ns if period.reason == NO_DATA else first_window_end_ns
            periods.append(FoundPeriod((row[tag],), period, known_ns))
        return periods

    def silence_state(self, pipeline: DemoPipeline, device: str, since_ms: int) -> str | None:
        """Return the state of a device's last period without data that begins at `since_ms` or later; None for none."""
        rows = self._select(
            f"SELECT state FROM period WHERE time >= {since_ms}ms AND {_is('pipeline', pipeline.name)} "
            f"AND {_is(pipeline.process.name, device)} AND reason = {quote_literal(NO_DATA)} "
            "ORDER BY time DESC LIMIT 1",
            self._stack.results_database,
        )
        return str(rows[0]["state"]) if rows else None

    def delete_points(self, pipeline: DemoPipeline, device: str, begin_ms: int, end_ms: int) -> None:
        """Remove a device's source points in ``[begin_ms, end_ms)``."""
        self._delete(pipeline.database, pipeline.measurement, begin_ms, end_ms, _is(pipeline.process.name, device))

    def delete_results(self, pipeline: DemoPipeline, device: str, begin_ms: int, end_ms: int) -> None:
        """Remove a device's scores, periods and drift in ``[begin_ms, end_ms)``."""
        which = f"{_is('pipeline', pipeline.name)} AND {_is(pipeline.process.name, device)}"
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
        """Turn errors of the client into a DemoError that says what to do."""
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


def _source(pipeline: DemoPipeline) -> str:
    return f"{quote_ident(pipeline.retention_policy)}.{quote_ident(pipeline.measurement)}"


def _between(begin_ms: int, end_ms: int) -> str:
    return f"time >= {begin_ms}ms AND time < {end_ms}ms"


def _is(tag: str, value: str) -> str:
    return f"{quote_ident(tag)} = {quote_literal(value)}"
