"""A history of any length in bounded memory."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np

from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.times import RequestedRange
from anomaly.training.history import read_history
from anomaly.training.sample import Sample
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from tests.unit.anomaly.printers import FIELDS, PIPELINE, WINDOW_NS

# The bytes of a window: its begin, six aggregates and three counts.
BYTES = 8 * 10


def sample(count: int, most_bytes: int, series: int = 2, part: int = 100) -> Windows:
    """Windows whose numbers are their place in the history, handed over in parts, all series in turn."""
    kept = Sample(0, count * WINDOW_NS, WINDOW_NS, most_bytes)
    for start in range(0, count, part):
        place = np.arange(start, min(start + part, count))
        numbers = np.repeat(place[:, None].astype(np.float64), 6, axis=1)
        for index in range(series):
            kept.add(
                SeriesWindows((f"z{series - 1 - index}",), place * WINDOW_NS, numbers + index / 10, numbers[:, :3])
            )
    return kept.windows()


def test_what_fits_is_kept_in_order_whole() -> None:
    windows = sample(1_000, 10**9)
    assert windows.keys == (("z0",), ("z1",))
    np.testing.assert_array_equal(windows.series, np.repeat([0, 1], 1_000))
    np.testing.assert_array_equal(windows.begin_ns, np.tile(np.arange(1_000) * WINDOW_NS, 2))
    # Keys are sorted: the series that came first is the second now.
    np.testing.assert_array_equal(windows.values[:, 0], np.concatenate([np.arange(1_000) + 0.1, np.arange(1_000)]))
    assert windows.counts.shape == (2_000, 3)


def test_what_does_not_fit_is_thinned_evenly_in_stretches() -> None:
    count = 200_000
    windows = sample(count, 20_000 * BYTES, part=10_000)
    assert 10_000 < len(windows) <= 20_000
    place = windows.begin_ns[windows.series == 0] // WINDOW_NS
    # All series keep equal stretches, each of twenty windows or several of these.
    np.testing.assert_array_equal(place, windows.begin_ns[windows.series == 1] // WINDOW_NS)
    begins = place[np.flatnonzero(np.diff(place, prepend=-2) > 1)]
    assert (begins % 20 == 0).all()
    # Every fiftieth of the history has nearly its share, and no hour of the day is left out.
    share = np.bincount(place // (count // 50)) / len(place)
    np.testing.assert_allclose(share, 1 / 50, atol=0.01)
    hours = np.bincount(place % 8640 // 360, minlength=24) / len(place)
    assert hours.min() > 0.5 / 24


def test_thinning_depends_on_time_only() -> None:
    """However the answer was cut into parts, the same windows are kept."""
    one, other = (sample(20_000, 5_000 * BYTES, part=part) for part in (100, 3_000))
    np.testing.assert_array_equal(one.begin_ns, other.begin_ns)
    np.testing.assert_array_equal(one.values, other.values)


class Endless(InfluxClient):
    """Answers any range with windows of three fields, in chunks of a thousand."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", None, None)

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        if text == "SHOW DATABASES":
            yield SeriesChunk("databases", {}, ["name"], [["printer"]])
        elif text.startswith("SHOW FIELD KEYS"):
            yield SeriesChunk("temperature", {}, ["fieldKey", "fieldType"], [[field, "float"] for field in FIELDS])
        elif text.startswith("SHOW TAG KEYS"):
            yield SeriesChunk("temperature", {}, ["tagKey"], [["printer"]])
        else:
            begin, end = (int(word) for word in text.split() if word.isdecimal())
            for start in range(begin, end, 1_000 * WINDOW_NS):
                times = range(start, min(start + 1_000 * WINDOW_NS, end), WINDOW_NS)
                yield SeriesChunk("temperature", {"printer": "a"}, ["time"] * 10, [row(time) for time in times])


def row(time: int) -> list[Any]:
    return [time, *(1.5 + number for number in range(6)), 10, 10, 10]


def peak(windows: int) -> int:
    """Return the most bytes that reading this many windows takes."""
    tracemalloc.start()
    try:
        history = read_history(Endless(), PIPELINE, RequestedRange(0, windows * WINDOW_NS, ("", "")), most_bytes=2**19)
        assert history.read == windows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_history() -> None:
    assert peak(80_000) < 1.2 * peak(20_000)
