"""Watched fields that are made of single points: each means what its rule says, in whichever batch it is computed."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.pipeline import Pipeline, normalize
from anomaly.windows import derivation as derivations
from anomaly.windows.aggregates import Aggregated, aggregate_windows
from anomaly.windows.arrays import Floats
from anomaly.windows.derivation import derivation_of

SECOND = 1_000_000_000
# (window, second, source, value): few of each, so that sources write at one moment, and a point is written again.
COUNTER = st.none() | st.integers(0, 20).map(float)
POINT = st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 2), COUNTER)
Arrived = list[tuple[int, int, int, float | None]]


def pipeline(*fields: Any, **more: Any) -> Pipeline:
    mapping = {"name": "p", "database": "d", "measurement": "m", "fields": list(fields), "window": "10s", **more}
    return normalize([mapping])[0]


COUNTING = pipeline({"name": "bytes", "rate": "1s"}, aggregate=["mean", "stddev", "max", "count"])


def aggregated(wanted: Pipeline, arrived: Arrived) -> Aggregated:
    windows = sorted({window for window, *_ in arrived})
    return aggregate_windows(
        np.array([windows.index(window) for window, *_ in arrived], dtype=np.intp),
        np.array([(10 * window + second) * SECOND for window, second, *_ in arrived], dtype=np.int64),
        np.array([source for _, _, source, _ in arrived], dtype=np.uint64),
        np.array([[np.nan if value is None else value for *_, value in arrived]]),
        wanted.aggregate,
        derivation_of(wanted),
    )


def reference(points: Arrived) -> list[tuple[float, float]]:
    """The rates of one window's points, with the seconds that each stands for."""
    known: dict[tuple[int, int], float] = {}
    for _, second, source, value in points:
        if value is not None:
            known[source, second] = value
    sources: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for (source, second), value in sorted(known.items()):
        sources[source].append((second, value))
    steps = {
        source: [
            (after, (now - then) / (after - before) if now >= then else math.nan)
            for (before, then), (after, now) in pairwise(points)
        ]
        for source, points in sources.items()
        if len(points) > 1
    }
    moments = sorted({second for found in steps.values() for second, _ in found})
    begun = min((second for _, second in known), default=0)
    rates = []
    for moment in moments:
        total = sum(next((rate for end, rate in found if end >= moment), found[-1][1]) for found in steps.values())
        rates.append((total, moment - begun))
        begun = moment
    return [(rate, seconds) for rate, seconds in rates if not math.isnan(rate)]


@settings(max_examples=300)
@given(st.lists(POINT, min_size=1, max_size=40))
def test_a_rate_is_that_of_the_reference(arrived: Arrived) -> None:
    result = aggregated(COUNTING, arrived)

    for row, window in enumerate(sorted({window for window, *_ in arrived})):
        rates = reference([point for point in arrived if point[0] == window])
        assert result.counts[row].tolist() == [len(rates)]
        if not rates:
            assert np.isnan(result.values[row]).all()
            continue
        values = [rate for rate, _ in rates]
        mean = sum(rate * seconds for rate, seconds in rates) / sum(seconds for _, seconds in rates)
        stddev = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        expected = [mean, stddev, max(values), len(values)]
        np.testing.assert_allclose(result.values[row], expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=100)
@given(st.lists(POINT, min_size=1, max_size=40))
def test_a_window_is_the_same_alone_and_among_others(arrived: Arrived) -> None:
    together = aggregated(COUNTING, arrived)

    for row, window in enumerate(sorted({window for window, *_ in arrived})):
        alone = aggregated(COUNTING, [point for point in arrived if point[0] == window])
        np.testing.assert_array_equal(together.values[row], alone.values[0])


def windows_of(counter: Floats, *, every: int = 1) -> Arrived:
    """A counter of one source, read at each second, or at each n-th of them."""
    return [(second // 10, second % 10, 0, float(counter[second])) for second in range(0, len(counter), every)]


def test_a_steady_counter_has_a_steady_rate() -> None:
    result = aggregated(COUNTING, windows_of(np.arange(30.0) * 7))
    np.testing.assert_allclose(result.values, [[7.0, 0.0, 7.0, 9.0]] * 3)


def test_a_reset_is_unknown_and_not_anomalous() -> None:
    counter = np.r_[np.arange(15.0) * 7 + 5000, np.arange(15.0) * 7]
    result = aggregated(COUNTING, windows_of(counter))
    np.testing.assert_allclose(result.values, [[7.0, 0.0, 7.0, 9.0], [7.0, 0.0, 7.0, 8.0], [7.0, 0.0, 7.0, 9.0]])


def test_the_sources_of_a_series_are_added_up() -> None:
    # The second source writes 2 s after the first one, and half as often.
    first = [(0, second, 0, 3.0 * second) for second in range(0, 8, 2)]
    second = [(0, second, 1, 100 + 5.0 * second) for second in range(2, 10, 4)]
    result = aggregated(COUNTING, [*first, *second])
    np.testing.assert_allclose(result.values[0], [8.0, 0.0, 8.0, 3.0])


def test_the_mean_is_the_increase_however_irregularly_points_come() -> None:
    # 1 in the first second, 8 in the other eight: 9 in 9 seconds.
    result = aggregated(COUNTING, [(0, 0, 0, 0.0), (0, 1, 0, 1.0), (0, 9, 0, 9.0)])
    faster = aggregated(COUNTING, [(0, 0, 0, 0.0), (0, 1, 0, 8.0), (0, 9, 0, 9.0)])
    assert result.values[0, 0] == pytest.approx(1.0)
    assert faster.values[0, 0] == pytest.approx(1.0)


def test_a_window_of_one_point_has_no_rate() -> None:
    result = aggregated(COUNTING, [(0, 3, 0, 5.0)])
    assert np.isnan(result.values).all()
    assert result.counts.tolist() == [[0.0]]


def test_a_rate_counts_in_its_unit() -> None:
    a_minute = pipeline({"name": "bytes", "rate": "1m"}, aggregate=["mean"])
    assert aggregated(a_minute, windows_of(np.arange(10.0))).values[0, 0] == pytest.approx(60.0)


def test_a_window_of_many_sources_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    steps = rng.integers(1, 9, (20, 90))
    arrived = [
        (0, 0, source, float(value), place * 20 + source)
        for source, counter in enumerate(np.cumsum(steps, axis=1))
        for place, value in enumerate(counter)
    ]

    def made() -> Aggregated:
        return aggregate_windows(
            np.zeros(len(arrived), dtype=np.intp),
            np.array([point[4] for point in arrived], dtype=np.int64) * 5_000_000,
            np.array([point[2] for point in arrived], dtype=np.uint64),
            np.array([[point[3] for point in arrived]]),
            COUNTING.aggregate,
            derivation_of(COUNTING),
        )

    whole = made()
    monkeypatch.setattr(derivations, "_MOST_PAIRS", 4_000)
    thinned = made()
    assert whole.counts[0, 0] == 20 * 89
    assert 100 <= thinned.counts[0, 0] <= 200
    assert thinned.values[0, 0] == pytest.approx(whole.values[0, 0], rel=0.02)


SHARE = {"name": "errors_share", "expression": "errors / requests"}


def of_two(wanted: Pipeline, rows: Sequence[tuple[int, float | None, float | None]]) -> Aggregated:
    """The window of points (second, errors, requests) of one source."""
    return aggregate_windows(
        np.zeros(len(rows), dtype=np.intp),
        np.array([second for second, *_ in rows], dtype=np.int64) * SECOND,
        np.zeros(len(rows), dtype=np.uint64),
        np.array([[np.nan if value is None else value for value in row[1:]] for row in rows]).T,
        wanted.aggregate,
        derivation_of(wanted),
    )


def test_an_expression_is_computed_at_each_point() -> None:
    wanted = pipeline(SHARE, "requests", aggregate=["mean", "max"])
    assert wanted.sources == ("errors", "requests")
    result = of_two(wanted, [(0, 1.0, 4.0), (1, 3.0, 4.0), (2, 8.0, 0.0), (3, None, 5.0), (4, 0.0, 0.0)])
    np.testing.assert_array_equal(result.values, [[0.5, 0.75, 13 / 5, 5.0]])
    np.testing.assert_array_equal(result.counts, [[2.0, 5.0]])


def test_with_a_rate_an_expression_is_one_of_the_rates() -> None:
    wanted = pipeline({**SHARE, "rate": "1s"}, aggregate=["mean", "min"])
    # 10 errors of 100 requests in the first two seconds, 3 of 10 in the third; then both counters are reset.
    rows = [(0, 500.0, 9000.0), (2, 510.0, 9100.0), (3, 513.0, 9110.0), (4, 1.0, 2.0), (5, 1.0, 4.0)]
    result = of_two(wanted, rows)
    np.testing.assert_allclose(result.values, [[(2 * 0.1 + 0.3 + 0.0) / 4, 0.0]])
    np.testing.assert_array_equal(result.counts, [[3.0]])
