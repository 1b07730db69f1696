"""InfluxQL as text: names, conditions and queries."""

from hypothesis import given
from hypothesis import strategies as st

from anomaly.influxdb.influxql import (
    extent_query,
    field_keys_query,
    identifier,
    literal,
    points_query,
    results_query,
    watched,
)
from anomaly.influxdb.window_queries import training_query
from anomaly.pipeline import normalize
from tests.unit.anomaly.points import PIPELINE, SIMPLE


def test_points_query() -> None:
    assert points_query(SIMPLE, 0, 180_000_000_000, ("x", "")) == (
        'SELECT "a", "b" FROM "d"."rp"."m" WHERE time >= 0 AND time < 180000000000 AND "t" = \'x\' AND "u" = \'\''
        " GROUP BY *"
    )


SEVERAL = normalize([{**SIMPLE.as_dict(), "measurement": ["m", "°C"], "group_by": ["t"]}])[0]


def test_several_measurements_are_asked_for_together_or_by_series() -> None:
    together, one = training_query(SEVERAL, 0, 90_000_000_000), training_query(SEVERAL, 0, 90_000_000_000, ("°C", "x"))
    assert 'FROM "d"."rp"."m", "d"."rp"."°C" WHERE time >= 0 AND time < 90000000000 GROUP BY' in together
    assert together.endswith('GROUP BY time(90s), "t" fill(none)')
    assert 'FROM "d"."rp"."°C" WHERE time >= 0 AND time < 90000000000 AND "t" = \'x\' GROUP BY' in one
    assert points_query(SEVERAL, 0, 1, ("m", "x")) == (
        'SELECT "a", "b" FROM "d"."rp"."m" WHERE time >= 0 AND time < 1 AND "t" = \'x\' GROUP BY *'
    )
    assert field_keys_query(SEVERAL) == 'SHOW FIELD KEYS ON "d" FROM "rp"./.*/'


def test_a_pattern_of_measurements_is_shown_in_the_query() -> None:
    (pipeline,) = normalize([{**SIMPLE.as_dict(), "measurement": "/^a/b$/"}])
    assert r'FROM "d"."rp"./^a\x2Fb$/ WHERE' in training_query(pipeline, 0, 90_000_000_000)


def test_conditions_on_tags_are_in_the_query_for_points() -> None:
    (pipeline,) = normalize([{**SIMPLE.as_dict(), "where": {"host": {"not": "a"}}}])
    assert points_query(pipeline, 0, 180_000_000_000) == (
        'SELECT "a", "b" FROM "d"."rp"."m" WHERE time >= 0 AND time < 180000000000 AND "host"::tag != \'a\' GROUP BY *'
    )


def test_names_are_quoted() -> None:
    assert identifier('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'
    query = training_query(PIPELINE, 0, 10_000_000_000)
    assert 'FROM "it\'s \\"odd\\" ünï"."autogen"."температура, a=b"' in query
    assert 'mean("say \\"hi\\"") AS "a10"' in query


def test_conditions_on_tags_are_in_the_query() -> None:
    where = {"room": ["a", "b"], "host": {"matches": "^a/b", "not": "a/bc"}, "rack": {"present": True}}
    (pipeline,) = normalize([{**SIMPLE.as_dict(), "where": where}])
    conditions = (
        '"host"::tag != \'a/bc\' AND "host"::tag =~ /^a\\x2Fb/ AND "rack"::tag != \'\''
        " AND (\"room\"::tag = 'a' OR \"room\"::tag = 'b')"
    )
    assert watched(pipeline) == f" AND {conditions}"
    assert f" AND time < 180000000000 AND {conditions} GROUP BY" in training_query(pipeline, 0, 180_000_000_000)
    assert f'FROM "d"."rp"."m" WHERE {conditions} ORDER BY' in extent_query(pipeline, ["a"], newest=True)
    assert "WHERE" not in extent_query(SIMPLE, ["a"], newest=True)


def read_back(quoted: str) -> str:
    """What InfluxQL reads (influxql scanner.go, ScanDelimited with the escapes of ScanString)."""
    assert quoted[0] == quoted[-1] == "'"
    escapes = {"n": "\n", "\\": "\\", "'": "'"}
    found, characters = "", iter(quoted[1:-1])
    for character in characters:
        assert character not in "'\n"
        found += escapes[next(characters)] if character == "\\" else character
    return found


@given(st.text(alphabet="ab'\\\n/\"$ü", max_size=12))
def test_a_text_arrives_whole_whatever_is_in_it(text: str) -> None:
    assert read_back(literal(text)) == text


def test_field_keys_query() -> None:
    assert field_keys_query(SIMPLE) == 'SHOW FIELD KEYS ON "d" FROM "rp"."m"'


def test_results_are_asked_for_by_pipeline_and_model() -> None:
    query = results_query("score", ["severity", "label"], "it's", 5, 9, "v1")
    assert query == (
        'SELECT "severity", "label" FROM "score" WHERE "pipeline" = \'it\\\'s\' AND time >= 5 AND time < 9'
        " AND \"model\" = 'v1' GROUP BY *"
    )
    assert '"model"' not in results_query("score", ["severity"], "p", 5, 9)
