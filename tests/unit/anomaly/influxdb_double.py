"""A stand-in for InfluxDB's API: answers from a table of windows, in chunks, with users and databases; keeps writes."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from anomaly.windows.windows import Windows
from tests.serving import serving


class InfluxDB:
    """What it knows, and what it was asked. `rows_a_chunk` may be small, so that series come in pieces."""

    def __init__(self, windows: Windows, fields: dict[str, str], rows_a_chunk: int = 1000) -> None:
        self.windows = windows
        self.fields = fields
        self.rows_a_chunk = rows_a_chunk
        self.tags = ["printer"]
        self.databases = ["printer"]
        self.users = {"reader": "secret"}
        self.queries: list[str] = []
        self.refused = 0
        # What UDFs wrote of themselves: time, uptime_s, points_in and model.
        self.beats: list[list[float | str | None]] = []
        # The chunks with the periods of all series.
        self.periods: list[dict[str, Any]] = []
        # What was written: measurement, tags and time, then the fields.
        self.points: dict[tuple[str, tuple[tuple[str, str], ...], int], dict[str, Any]] = {}
        self.url = ""

    def answer(self, query: str, database: str) -> tuple[int, list[dict[str, Any]]]:
        """Status and chunks."""
        self.queries.append(query)
        if query == "SHOW DATABASES":
            return 200, [series("databases", ["name"], [[name] for name in self.databases])]
        if database not in self.databases:
            return 200, [{"results": [{"error": f"database not found: {database}"}]}]
        if query.startswith("SHOW FIELD KEYS"):
            return 200, [series("temperature", ["fieldKey", "fieldType"], [list(item) for item in self.fields.items()])]
        if query.startswith("SHOW TAG KEYS"):
            return 200, [series("temperature", ["tagKey"], [[tag] for tag in self.tags])]
        if query.startswith('SELECT "ok" FROM "health"'):
            (time,) = re.findall(r"time = (\d+)", query)
            kept = [list(point) for point in self.points if point[0] == "health" and point[2] == int(time)]
            return 200, [series("health", ["time", "ok"], [[int(time), 1]])] if kept else [{"results": [{}]}]
        if 'FROM "period" WHERE time' in query:
            return 200, self.periods or [{"results": [{"statement_id": 0}]}]
        if 'FROM "udf"' in query:
            return 200, [series("udf", ["time", "uptime_s", "points_in", "model"], self.beats, {"task": "printer"})]
        if "ORDER BY time" in query:
            end = re.search(r"time < (\d+)", query)
            times = self.windows.begin_ns[self.windows.begin_ns < int(end[1])] if end else self.windows.begin_ns
            at = (times.max() if "DESC" in query else times.min()) if len(times) else None
            return 200, [series("temperature", ["time", "x"], [[int(at), 1.0]])] if at is not None else [
                {"results": [{}]}
            ]
        written = re.search(r'FROM "(\w+)" WHERE "pipeline"', query)
        if written:
            return 200, list(self._written(written[1], query)) or [{"results": [{"statement_id": 0}]}]
        bounds = re.search(r"time >= (\d+) AND time < (\d+)", query)
        assert bounds, query
        return 200, list(self._chunks(int(bounds[1]), int(bounds[2]))) or [{"results": [{"statement_id": 0}]}]

    def write(self, body: str) -> None:
        """Line protocol without escapes."""
        for line in body.splitlines():
            head, _, rest = line.partition(" ")
            fields, _, time = rest.rpartition(" ")
            if "text=" in fields:
                # A sentence for people may hold anything.
                fields = fields.partition(",text=")[0]
            measurement, *tags = re.split(r"(?<!\\),", head)
            pairs = tuple(sorted((name, value) for name, _, value in (tag.partition("=") for tag in tags)))
            self.points[measurement, pairs, int(time)] = {
                name: json.loads(value.removesuffix("i"))
                for name, value in re.findall(r'([^,=]+)=("[^"]*"|[^,]*)', fields)
            }

    def _written(self, measurement: str, query: str) -> Iterator[dict[str, Any]]:
        wanted = re.findall(r'"(\w+)"', query.partition(" FROM ")[0])
        query, asks, marked = query.partition(' AND ("label" = 1 OR "feedback" = ')
        marked, _, rest = marked.partition(")")
        query += rest
        conditions = dict(re.findall(r"\"(\w+)\" = '([^']*)'", query))
        after = max([-1, *(int(bound) for bound in re.findall(r"time >=? (\d+)", query))])
        before = min([2**63, *(int(bound) for bound in re.findall(r"time < (\d+)", query))])
        for (name, tags, time), fields in self.points.items():
            if name != measurement or not conditions.items() <= dict(tags).items() or not after < time < before:
                continue
            if not asks or fields["label"] == 1 or f"'{fields.get('feedback')}'" == marked:
                yield series(name, ["time", *wanted], [[time, *(fields.get(field) for field in wanted)]], dict(tags))

    def _chunks(self, begin: int, end: int) -> Iterator[dict[str, Any]]:
        inside = (self.windows.begin_ns >= begin) & (self.windows.begin_ns < end)
        columns = ["time", *(f"a{n}" for n in range(self.windows.values.shape[1])), "c0", "c1", "c2"]
        for number, key in enumerate(self.windows.keys):
            mine = np.flatnonzero(inside & (self.windows.series == number))
            rows = [
                [int(self.windows.begin_ns[i]), *map(cell, self.windows.values[i]), *map(int, self.windows.counts[i])]
                for i in mine
            ]
            for start in range(0, len(rows), self.rows_a_chunk):
                yield series("temperature", columns, rows[start : start + self.rows_a_chunk], {"printer": key[0]})


def cell(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def series(
    name: str, columns: list[str], values: list[list[Any]], tags: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "results": [{"statement_id": 0, "series": [{"name": name, "tags": tags, "columns": columns, "values": values}]}]
    }


@contextmanager
def serve(database: InfluxDB) -> Iterator[InfluxDB]:
    """Serves on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(204, [])

        def do_POST(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if urlsplit(self.path).path == "/write":
                database.write(body)
                return self._send(204, [])
            form = parse_qs(body)
            assert asked["chunked"] == ["true"]
            if not self._let_in():
                database.refused += 1
                return self._send(401, [{"error": "authorization failed"}])
            return self._send(*database.answer(form["q"][0], asked.get("db", [""])[0]))

        def _let_in(self) -> bool:
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            user, _, password = base64.b64decode(token).decode().partition(":")
            return scheme == "Basic" and database.users.get(user) == password

        def _send(self, status: int, chunks: list[dict[str, Any]]) -> None:
            body = b"".join(json.dumps(chunk).encode() + b"\n" for chunk in chunks)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        database.url = f"http://127.0.0.1:{server.server_port}"
        yield database
