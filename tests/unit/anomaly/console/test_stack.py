"""How pages reach InfluxDB and pipelines: a client for each thread, and patterns that are resolved for a while."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from anomaly.console.stack import Stack
from anomaly.influxdb.client import SeriesChunk
from anomaly.pipeline import normalize
from tests.unit.anomaly.console.made import Answer, InfluxDouble, nothing, rows

WHOLE, BY_PATTERN = normalize(
    [
        {"name": "whole", "database": "db", "measurement": "m", "fields": ["a"], "window": "10s"},
        {"name": "pattern", "database": "db", "measurement": "m", "fields": ["*"], "group_by": ["*"], "window": "10s"},
    ]
)


class Desk:
    def __init__(self, folder: Path, answer: Answer) -> None:
        self.made: list[InfluxDouble] = []
        self._answer = answer
        self.stack = Stack(lambda: (WHOLE, BY_PATTERN), self._connect, "anomaly", folder)

    def _connect(self) -> InfluxDouble:
        self.made.append(InfluxDouble(self._answer))
        return self.made[-1]


def source(query: str) -> Sequence[SeriesChunk]:
    """Answer with the names that the source has."""
    if query.startswith("SHOW FIELD KEYS"):
        return [SeriesChunk("m", {}, ["fieldKey", "fieldType"], [["b", "float"], ["a", "float"]])]
    if query.startswith("SHOW TAG KEYS"):
        return [SeriesChunk("m", {}, ["tagKey"], [["room"]])]
    return [rows(["last"], [0, 1.0])]


def test_each_thread_has_a_client_of_its_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path, nothing)

    own = desk.stack.influx
    thread = threading.Thread(target=lambda: desk.stack.influx)
    thread.start()
    thread.join()

    assert desk.stack.influx is own
    assert len(desk.made) == 2


def test_patterns_are_resolved_once_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, source)

    first = desk.stack.resolved(BY_PATTERN)
    asked = len(desk.made[0].queries)
    again = desk.stack.resolved(BY_PATTERN)

    assert (sorted(first.fields), first.result_tags) == (["a", "b"], ("room",))
    assert again is first
    assert len(desk.made[0].queries) == asked > 0
    assert desk.stack.resolved(WHOLE) is WHOLE
    monkeypatch.setattr("anomaly.console.stack._RESOLVED_SECONDS", -1.0)
    assert desk.stack.resolved(BY_PATTERN) is not first


def test_a_pipeline_without_a_source_is_left_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path, nothing)

    assert desk.stack.resolved_pipelines() == [WHOLE]
