"""The TICKscript of a pipeline's task: ours, and custom ones."""

import re
from pathlib import Path
from typing import Any

import pytest

from anomaly.kapacitor.points import reading
from anomaly.kapacitor.tickscript import (
    DEFAULT_NAME,
    TickscriptError,
    declarations,
    declared,
    find_script,
    misfits,
    script_problems,
)
from anomaly.kapacitor.variables import VARIABLES
from anomaly.pipeline import normalize
from anomaly.scoring.periods import NO_DATA
from tests.unit.anomaly.kapacitor.test_variables import PLAIN, ROOT

CUSTOM = """
// var commented string
var window duration
var limit = 'var quoted string'
stream
    |from()
    @anomaly()
        .spec(specification)
stream
    |from()
    |window().period(window).every(window).align()
    |mean('value')
"""


def script(directory: Path | None = None, **changed: Any) -> str:
    return find_script(normalize([PLAIN | changed])[0], directory or Path())


def test_a_pipeline_has_the_script_of_the_repository() -> None:
    assert script() == (ROOT / "tickscripts" / DEFAULT_NAME).read_text(encoding="utf-8")


def test_no_node_before_the_udf_makes_a_value_that_a_udf_cannot_take() -> None:
    """|eval can make durations, at which Kapacitor panics; before the UDF it hands on what is there, and a boolean."""
    before, _, _ = script().partition("@anomaly()")
    assert re.findall(r"\|(\w+)\(", before) == ["from", "eval", "where"]
    read = reading(normalize([PLAIN])[0])
    values = dict(zip(read.names, read.lambdas, strict=True))
    assert [values[name] for name in read.kept] == [
        '"hotend"',
        '"bed"',
        " AND ".join(
            f"!strContainsAny({text}, '\ufffd')"
            for text in ('"printer"', '"the hall"', 'string("hotend")', 'string("bed")')
        ),
    ]


def test_each_kind_of_alert_has_an_id() -> None:
    assert re.findall(r"\.id\('{{ .Group }} (\w+)'\)", script()) == [
        "period",
        "silence",
        "drift",
        "silence",
        "clock",
        "rate",
        "invalid",
    ]
    # Periods move to a topic of their own where a handler wants incidents.
    assert re.findall(r"\.topic\((.*)\)", script()) == ["period_topic", *["topic"] * 6]


def test_silence_has_the_reason_that_the_scorer_gives() -> None:
    assert f"\"reason\" == '{NO_DATA}'" in script()


def test_our_script_is_one_that_a_pipeline_can_name() -> None:
    assert list(script_problems(script())) == []
    assert declared(script()) <= set(VARIABLES)


def test_a_declaration_in_a_comment_or_a_string_is_not_one() -> None:
    assert [(declaration.name, declaration.type) for declaration in declarations(CUSTOM)] == [
        ("window", "duration"),
        ("limit", None),
    ]


def test_a_pipeline_can_name_a_custom_script(tmp_path: Path) -> None:
    (tmp_path / "mine.tick").write_text("// mine")
    assert script(tmp_path, tickscript="mine.tick") == "// mine"


def test_a_missing_custom_script_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(TickscriptError, match=re.escape(f"is not there: write the TICKscript {tmp_path}/mine.tick")):
        script(tmp_path, tickscript="mine.tick")


def test_a_custom_script_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.tick").write_bytes(b"\xff")
    with pytest.raises(TickscriptError, match="cannot be read as UTF-8 text"):
        script(tmp_path, tickscript="mine.tick")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("@anomaly()", "@other()", "does not call the UDF"),
        (".spec(specification)", "", "does not tell the UDF which pipeline it serves"),
        ("var window", "var windows duration\nvar window", "declares the var windows.*rename it to window"),
        ("var window", "var xyz string\nvar window", "declares the var xyz.*use one of pipeline, database"),
        ("|from()\n    @anomaly", "|from()\n    |window()\n    @anomaly", "hands the UDF windows.*remove .window"),
        ("@anomaly", "|alert().exec('/bin/true')\n    @anomaly", "starts a program.*post to a service"),
        ("window duration", "window string", "declares window as string, and it is a duration"),
    ],
)
def test_what_is_wrong_with_a_custom_script_is_told(before: str, after: str, message: str) -> None:
    assert list(script_problems(CUSTOM)) == []
    (problem,) = script_problems(CUSTOM.replace(before, after))
    assert re.search(message, ": ".join(problem))


def test_the_key_does_not_change_the_fingerprint() -> None:
    plain, custom = normalize([PLAIN, PLAIN | {"name": "second", "tickscript": "mine.tick"}])
    assert custom.fingerprint == plain.fingerprint
    assert "tickscript" not in plain.as_dict()
    assert custom.as_dict()["tickscript"] == "mine.tick"


def test_a_script_that_hands_on_every_point_does_not_fit_a_pipeline_that_leaves_some_out() -> None:
    plain = {"name": "p", "database": "d", "measurement": "m", "fields": ["a"], "window": "10s"}
    all_points, some = normalize([plain, {**plain, "name": "q", "where": {"t": "x"}}])
    assert list(misfits(CUSTOM, all_points)) == list(misfits(script(), some)) == []
    ((wrong, fix),) = misfits(CUSTOM, some)
    assert "`where` leaves some out" in wrong
    assert "|eval(reads)" in fix
