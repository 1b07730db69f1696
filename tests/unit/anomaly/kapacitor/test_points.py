"""What a task hands its UDF of each point."""

from typing import Any

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
        ("_readable", "!strContainsAny(\"printer\", '\ufffd')"),
    ]
    assert found.kept == ("hotend", "bed", "_readable")


def test_a_pipeline_of_one_series_can_always_be_read() -> None:
    assert read(group_by=[]).lambdas[-1] == "TRUE"


def test_a_quote_in_a_name_is_escaped() -> None:
    assert read(fields=['a"b'], group_by=[]).lambdas == ("''", '"a\\"b"', "TRUE")
