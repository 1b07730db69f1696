"""The queries for the windows of a range."""

from collections.abc import Callable

import pytest

from anomaly.influxdb.window_queries import columns, counts_query, training_query
from anomaly.nanoseconds import HOUR_NS, SECOND_NS
from anomaly.pipeline import Pipeline, normalize
from anomaly.windows.cut import cut_of
from tests.unit.anomaly.points import SIMPLE


def test_training_query() -> None:
    assert training_query(SIMPLE, 0, 180_000_000_000) == (
        'SELECT mean("a") AS "a0", max("a") AS "a1", mean("b") AS "a2", max("b") AS "a3", '
        'count("a") AS "c0", count("b") AS "c1" '
        'FROM "d"."rp"."m" WHERE time >= 0 AND time < 180000000000 GROUP BY time(90s), "t", "u" fill(none)'
    )


def test_counts_query_asks_for_the_numbers_of_points_alone() -> None:
    assert counts_query(SIMPLE, 0, 180_000_000_000, ("x", "")) == (
        'SELECT count("a") AS "c0", count("b") AS "c1" FROM "d"."rp"."m" WHERE time >= 0 AND time < 180000000000'
        ' AND "t" = \'x\' AND "u" = \'\' GROUP BY time(90s), "t", "u" fill(none)'
    )
    with pytest.raises(ValueError, match="end 7 is not an edge"):
        counts_query(SIMPLE, 0, 7)


def test_bounds_are_window_edges() -> None:
    with pytest.raises(ValueError, match="begin 1 is not an edge of a 90s window"):
        training_query(SIMPLE, 1, 180_000_000_000)
    with pytest.raises(ValueError, match="end 100 is not an edge"):
        training_query(SIMPLE, 0, 100)


@pytest.mark.parametrize("query", [training_query, counts_query])
def test_windows_of_several_lengths_are_not_asked_for_at_once(query: Callable[[Pipeline, int, int], str]) -> None:
    plain = {"name": "p", "database": "d", "measurement": "m", "fields": ["a"]}
    (daily,) = normalize([{**plain, "window": "1d", "timezone": "Europe/Berlin"}])
    cut = cut_of(daily)
    # The clock changes on 2024-03-31, whose day has 23 h.
    odd_ns = cut.begin(1_711_850_000 * SECOND_NS)
    before_ns, after_ns = cut.step(odd_ns, -1), cut.step(odd_ns, 1)

    with pytest.raises(ValueError, match=f"^{before_ns} to {after_ns}: the windows of the range have several lengths$"):
        query(daily, before_ns, after_ns)
    with pytest.raises(ValueError, match=f"^{odd_ns} to {odd_ns}: the range has no window$"):
        query(daily, odd_ns, odd_ns)

    assert f"GROUP BY time({23 * HOUR_NS}ns," in query(daily, odd_ns, after_ns)


def test_columns_come_in_the_features_order_then_counts() -> None:
    assert [(column.field, column.aggregate) for column in columns(SIMPLE)] == [
        ("a", "mean"),
        ("a", "max"),
        ("b", "mean"),
        ("b", "max"),
        ("a", "count"),
        ("b", "count"),
    ]
