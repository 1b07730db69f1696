"""Asks a real InfluxDB for the windows of `points.py`, and writes them to influxql_answers.json.

By hand, after a change of `points.py` or for another version:

    python -m tests.unit.anomaly.make_influxql_answers http://127.0.0.1:8086 [USER PASSWORD]
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import requests

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import identifier
from anomaly.influxdb.window_queries import columns, training_query
from tests.unit.anomaly.points import BEGIN_NS, PIPELINE, WINDOW_NS, Written, points

ANSWERS = Path(__file__).with_name("windows") / "influxql_answers.json"


def escape(text: str, characters: str) -> str:
    """Line protocol: a backslash before each of `characters`."""
    for character in characters:
        text = text.replace(character, "\\" + character)
    return text


def line(point: Written) -> str:
    """A point in line protocol."""
    tags = "".join(f",{escape(k, ',= ')}={escape(v, ',= ')}" for k, v in sorted(point.tags.items()))
    values = {
        key: f"{value}i" if isinstance(value, int) else json.dumps(value) if isinstance(value, str) else repr(value)
        for key, value in point.fields.items()
    }
    fields = ",".join(f"{escape(key, ',= ')}={value}" for key, value in values.items())
    return f"{escape(PIPELINE.measurement, ', ')}{tags} {fields} {point.time}"


def main(url: str, *login: str) -> None:
    """Writes, asks, and keeps the answer."""
    auth = (login[0], login[1]) if login else None

    def statement(text: str) -> None:
        requests.post(f"{url}/query", data={"q": text}, auth=auth, timeout=60).raise_for_status()

    statement(f"DROP DATABASE {identifier(PIPELINE.database)}")
    statement(f"CREATE DATABASE {identifier(PIPELINE.database)}")
    for point in points():
        answer = requests.post(
            f"{url}/write", params={"db": PIPELINE.database}, data=line(point).encode(), auth=auth, timeout=60
        )
        answer.raise_for_status()
    version = requests.get(f"{url}/ping", timeout=60).headers["X-Influxdb-Version"]
    numbers = tuple(field for field in PIPELINE.watched if field.name != "text")
    asked = replace(PIPELINE, watched=numbers)
    influx = InfluxClient(url, *(auth or (None, None)))
    rows = []
    end = BEGIN_NS + 8 * WINDOW_NS
    for part in influx.query(training_query(asked, BEGIN_NS // WINDOW_NS * WINDOW_NS, end), PIPELINE.database):
        for row in part.rows:
            cells = {
                f"{column.aggregate}({column.field})": cell
                for column, cell in zip(columns(asked), row[1:], strict=True)
                if column.alias.startswith("a")
            }
            rows.append({"tags": part.tags, "begin_ns": row[0], "values": cells})
    ANSWERS.write_text(
        json.dumps({"influxdb": version, "rows": rows}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    statement(f"DROP DATABASE {identifier(PIPELINE.database)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
