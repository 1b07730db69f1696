"""What a task hands its UDF of each point."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anomaly.kapacitor.points import Reading, reading
from anomaly.pipeline import normalize
from tests.unit.anomaly.kapacitor.test_variables import PLAIN


def read(**changed: Any) -> Reading:
    return reading(normalize([PLAIN | changed])[0])


def test_each_name_has_an_empty_text_before_it_is_read() -> None:
    found = read(group_by=["printer"])
    assert list(zip(found.names, found.lambdas, strict=True)) == [
        ("printer", "''"),
        ("hotend", "''"),
        ("bed", "''"),
        ("hotend", '"hotend"'),
        ("bed", '"bed"'),
        (
            "_readable",
            " AND ".join(
                [
                    "!strContainsAny(\"printer\", '\ufffd')",
                    "!strContainsAny(string(\"hotend\"), '\ufffd')",
                    "!strContainsAny(string(\"bed\"), '\ufffd')",
                ]
            ),
        ),
    ]
    assert found.kept == ("hotend", "bed", "_readable")


def test_a_pipeline_of_one_series_can_always_be_read() -> None:
    assert read(group_by=[], fields=["bed"]).lambdas[-1] == "!strContainsAny(string(\"bed\"), '\ufffd')"


def test_a_quote_in_a_name_is_escaped() -> None:
    assert read(fields=['a"b'], group_by=[]).lambdas == (
        "''",
        '"a\\"b"',
        '!strContainsAny(string("a\\"b"), \'\ufffd\')',
    )


def test_conditions_are_asked_of_tags_that_may_be_missing() -> None:
    found = read(fields=["hotend"], group_by=["printer"], where={"hall": ["a", "b"], "printer": {"matches": "^p/"}})
    assert found.names == ("printer", "hall", "hotend", "hotend", "_readable")
    assert found.lambdas[:3] == ("''", "''", "''")
    assert found.lambdas[-1] == (
        "!strContainsAny(\"printer\", '\ufffd') AND !strContainsAny(\"hall\", '\ufffd')"
        " AND !strContainsAny(string(\"hotend\"), '\ufffd')"
        ' AND ("hall" == \'a\' OR "hall" == \'b\') AND "printer" =~ /^p\\x2F/'
    )


def read_back(lambda_text: str) -> str:
    """What Kapacitor reads of the string after == (tick/ast/lex.go, lexSingleOrTripleString; node.go, newString)."""
    quoted = lambda_text.partition(" == ")[2]
    assert quoted[0] == "'"
    found, at = "", 1
    while quoted[at] != "'":
        if quoted[at : at + 2] == "\\'":
            at += 1
        found += quoted[at]
        at += 1
    assert at == len(quoted) - 1, "something follows the string"
    return found


@given(st.text(alphabet="ab'\\/\"$ü= ", min_size=1, max_size=12).filter(lambda text: not text.endswith("\\")))
def test_a_value_arrives_whole_whatever_is_in_it(value: str) -> None:
    last = read(group_by=[], where={"hall": value}).lambdas[-1]
    assert read_back(last.partition(" AND ")[2]) == value
