"""Windows of single points: values that are invalid are left out, and counted."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from anomaly.influxdb import point_source
from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.point_source import InvalidValues
from anomaly.influxdb.source import read_series_windows
from anomaly.pipeline import normalize

SECOND = 1_000_000_000
(PIPELINE,) = normalize(
    [
        {
            "name": "p",
            "database": "d",
            "measurement": "m",
            "fields": [{"name": "temperature", "valid": [-40, 125]}, "power"],
            "group_by": ["room"],
            "window": "10s",
            "aggregate": ["mean", "max"],
        }
    ]
)


class Answers:
    """A client that has one chunk for each source."""

    def __init__(self, *sources: tuple[dict[str, str], list[list[Any]]]) -> None:
        self._sources = sources
        self.asked: list[str] = []

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        self.asked.append(text)
        for tags, rows in self._sources:
            yield SeriesChunk(tags.get("measurement", "m"), tags, ["time", "temperature", "power"], rows)


def test_booleans_are_read_as_points_that_are_zero_and_one() -> None:
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "fields": ["temperature", "power"]}])
    pipeline = replace(pipeline, booleans=frozenset({"power"}))
    influx = Answers(({"room": "hall"}, [[0, 20.0, True], [SECOND, 30.0, False], [10 * SECOND, 8.5, None]]))

    (windows,) = read_series_windows(cast(InfluxClient, influx), pipeline, 0, 20 * SECOND)

    np.testing.assert_array_equal(windows.values, [[25.0, 30.0, 0.5, 1.0], [8.5, 8.5, np.nan, np.nan]])
    np.testing.assert_array_equal(windows.counts, [[2, 2], [1, 0]])
    assert "GROUP BY *" in influx.asked[0]


def test_each_of_several_measurements_has_series_of_its_own() -> None:
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "measurement": ["°C", "K"]}])
    rows = [[0, 20.0, 5]]
    influx = Answers(*(({"measurement": name, "room": "hall"}, rows) for name in ("K", "°C")))

    read = read_series_windows(cast(InfluxClient, influx), pipeline, 0, 20 * SECOND)

    assert [windows.key for windows in read] == [("K", "hall"), ("°C", "hall")]


def test_values_that_are_no_measurements_are_left_out_and_counted() -> None:
    influx = Answers(
        ({"room": "hall", "sensor": "1"}, [[0, 20.0, 5], [SECOND, -127.0, 7], [10 * SECOND, 850.0, 9]]),
        ({"room": "hall", "sensor": "2"}, [[2 * SECOND, 30.0, None]]),
    )
    invalid = InvalidValues()

    (windows,) = read_series_windows(cast(InfluxClient, influx), PIPELINE, 0, 20 * SECOND, invalid=invalid)

    assert windows.key == ("hall",)
    assert windows.begin_ns.tolist() == [0, 10 * SECOND]
    np.testing.assert_array_equal(windows.values, [[25.0, 30.0, 6.0, 7.0], [np.nan, np.nan, 9.0, 9.0]])
    np.testing.assert_array_equal(windows.counts, [[2, 2], [0, 1]])
    assert invalid == {(("hall",), "temperature"): 2}
    assert "GROUP BY *" in influx.asked[0]


def test_points_that_begin_all_at_once_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_source, "_POINTS_AT_ONCE", 100)
    read: list[int] = []

    class BeginsLate:
        """Nothing for 5,000 windows, then ten points in each, one of them invalid."""

        def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
            bounds = re.search(r"time >= (\d+) AND time < (\d+)", text)
            assert bounds
            begin, end = (int(bound) // SECOND for bound in bounds.groups())
            read.append(0)
            for first in range(max(begin, 50_000), end, 50):
                seconds = range(first, min(first + 50, end))
                rows = [[at * SECOND, -127.0 if at % 10 == 0 else 20.0, 1] for at in seconds]
                read[-1] += len(rows)
                yield SeriesChunk("m", {"room": "hall"}, ["time", "temperature", "power"], rows)

    invalid, end = InvalidValues(), 100_000 * SECOND
    parts = list(read_series_windows(cast(InfluxClient, BeginsLate()), PIPELINE, 0, end, invalid=invalid))

    begins = np.concatenate([part.begin_ns for part in parts]).tolist()
    assert begins == list(range(50_000 * SECOND, end, 10 * SECOND))
    np.testing.assert_array_equal(np.concatenate([part.counts for part in parts]), [[9, 10]] * 5_000)
    assert invalid == {(("hall",), "temperature"): 5_000}
    assert max(read) <= 8 * 100 + 50
