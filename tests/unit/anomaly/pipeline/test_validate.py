"""From what people wrote to pipelines and back: what is taken, what is refused, and that little is imported."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.pipeline import (
    SpecError,
    canonical_json,
    normalize,
    parse,
)
from tests.unit.anomaly.pipeline.minimal import MINIMAL, one, problems


def test_what_normalize_gives_it_takes_again() -> None:
    alerts = {"kinds": [], "topic": "workshop"}
    pipeline = one(group_by=["printer"], kapacitor="k1", periods={"open": 80}, parameters={"trees": 50}, alerts=alerts)
    assert normalize([pipeline.as_dict()]) == [pipeline]
    assert parse(canonical_json(pipeline)) == pipeline


def test_what_is_wrong_of_all_series_is_not_told_again_of_each_override() -> None:
    fields = [{"name": "bed", "limits": [0, 200], "valid": [0, 100]}]
    overrides = [{"where": {"printer": "p1"}, "fields": [{"name": "bed", "min_deviation": 1}]}]
    with pytest.raises(SpecError) as caught:
        one(fields=fields, group_by=["printer"], overrides=overrides, aggregate=["sum"])
    assert [problem.partition(": ")[2].partition(":")[0] for problem in caught.value.problems] == 2 * [
        "fields[0].limits"
    ]


@pytest.mark.parametrize("name", ["", "a b", "it's", "über", ".hidden", "-x", "a/b", "x" * 65, "..", "\n", "rooms\n"])
def test_a_name_that_cannot_be_a_task_and_a_directory_is_refused(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        normalize([{**MINIMAL, "name": name}])
    assert any("cannot be a pipeline's name" in problem for problem in caught.value.problems)


def test_missing_keys_are_named_once_each() -> None:
    with pytest.raises(SpecError) as caught:
        normalize([{"name": "x"}])
    assert caught.value.problems == [
        'pipelines[0] "x": database: is missing: add it, such as `database: printer`',
        'pipelines[0] "x": measurement: is missing: add it, such as `measurement: temperature`',
        'pipelines[0] "x": fields: is missing: add it, such as `fields: ["hotend", "bed"]`',
        'pipelines[0] "x": window: is missing: add it, such as `window: 10s`',
    ]


def test_all_problems_of_all_pipelines_are_told_at_once() -> None:
    found = problems({"window": "x"}, {}, {"fields": [], "enabled": 3})
    assert [problem.partition(":")[0] for problem in found] == ['pipelines[0] "p0"'] + ['pipelines[2] "p2"'] * 2


def test_a_name_is_taken_once_whatever_its_case() -> None:
    with pytest.raises(
        SpecError, match=r'pipelines\[1\] "Printer": name: "Printer" is already the name of pipelines\[0\]'
    ):
        normalize([MINIMAL, {**MINIMAL, "name": "Printer"}])


@pytest.mark.parametrize("value", ["text", 3, None, {"name": "x"}])
def test_what_is_no_list_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match="is not a list"):
        normalize(value)


def test_an_entry_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(SpecError, match=r'pipelines\[0\]: "x" is not a mapping'):
        normalize(["x"])


def test_nothing_is_fine() -> None:
    assert normalize([]) == []


AWKWARD = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    lambda name: not name.endswith("\\") and name != "time" and not name.startswith("_")
)


@given(st.lists(AWKWARD, min_size=1, max_size=4, unique=True), AWKWARD)
def test_awkward_names_go_through_a_triple_quoted_string_unharmed(fields: list[str], measurement: str) -> None:
    # A name alone may be a pattern.
    pipeline = one(fields=[{"name": field} for field in fields], measurement=measurement)
    text = canonical_json(pipeline)
    assert text.isascii()
    assert "'" not in text
    assert "\n" not in text
    assert parse(text) == pipeline


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"name": "x"}', '{"name": 3, "window": 5}'])
def test_parse_refuses_what_canonical_json_did_not_write(text: str) -> None:
    with pytest.raises(SpecError):
        parse(text)


@pytest.mark.parametrize(
    "change", [{"window": "7s"}, {"surprise": 1}, {"fields": "hotend"}, {"aggregate": ["mode"]}, {"detector": "oracle"}]
)
def test_parse_refuses_what_normalize_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        parse(json.dumps({**one().as_dict(), **change}))


def test_the_standard_library_and_jsonschema_are_enough() -> None:
    script = (
        "import sys; from anomaly.pipeline import parse; assert 'jsonschema' not in sys.modules; parse(sys.argv[1]);"
        "unneeded = 'numpy requests sklearn kapacitor_udf yaml tzdata re2 holidays icalendar'.split();"
        "print([module for module in unneeded if module in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, canonical_json(one())],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert output.stdout == "[]\n"
