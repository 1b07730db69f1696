"""The training query."""

import pytest

from anomaly.influxdb.influxql import columns, field_keys_query, identifier, results_query, training_query
from anomaly.pipeline import normalize
from tests.unit.anomaly.points import PIPELINE

SIMPLE = normalize(
    [
        {
            "name": "p",
            "database": "d",
            "retention_policy": "rp",
            "measurement": "m",
            "fields": ["a", "b"],
            "group_by": ["t", "u"],
            "window": "90s",
            "aggregate": ["mean", "max"],
        }
    ]
)[0]


def test_training_query() -> None:
    assert training_query(SIMPLE, 0, 180_000_000_000) == (
        'SELECT mean("a") AS "a0", max("a") AS "a1", mean("b") AS "a2", max("b") AS "a3", '
        'count("a") AS "c0", count("b") AS "c1" '
        'FROM "d"."rp"."m" WHERE time >= 0 AND time < 180000000000 GROUP BY time(90s), "t", "u" fill(none)'
    )


def test_bounds_are_window_edges() -> None:
    with pytest.raises(ValueError, match="begin 1 is not an edge of a 90s window"):
        training_query(SIMPLE, 1, 180_000_000_000)
    with pytest.raises(ValueError, match="end 100 is not an edge"):
        training_query(SIMPLE, 0, 100)


def test_columns_come_in_the_features_order_then_counts() -> None:
    assert [(column.field, column.aggregate) for column in columns(SIMPLE)] == [
        ("a", "mean"),
        ("a", "max"),
        ("b", "mean"),
        ("b", "max"),
        ("a", "count"),
        ("b", "count"),
    ]


def test_names_are_quoted() -> None:
    assert identifier('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'
    query = training_query(PIPELINE, 0, 10_000_000_000)
    assert 'FROM "it\'s \\"odd\\" ünï"."autogen"."температура, a=b"' in query
    assert 'mean("say \\"hi\\"") AS "a10"' in query


def test_field_keys_query() -> None:
    assert field_keys_query(SIMPLE) == 'SHOW FIELD KEYS ON "d" FROM "rp"."m"'


def test_results_are_asked_for_by_pipeline_and_model() -> None:
    query = results_query("score", ["severity", "label"], "it's", 5, 9, "v1")
    assert query == (
        'SELECT "severity", "label" FROM "score" WHERE "pipeline" = \'it\\\'s\' AND time >= 5 AND time < 9'
        " AND \"model\" = 'v1' GROUP BY *"
    )
    assert '"model"' not in results_query("score", ["severity"], "p", 5, 9)
