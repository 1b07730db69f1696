"""docs/pipelines.md: a row for each key, with an example that works."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from anomaly.cli.explain import describe
from anomaly.pipeline import Field, load_schema, normalize
from anomaly.pipeline.bounds import Bounds
from anomaly.pipeline.resolve import resolve
from anomaly.pipeline.result_tags import result_tag
from anomaly.pipeline.source_keys import SourceKeys

PAGE = (Path(__file__).parents[3] / "docs" / "pipelines.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \|.*\| `(.+?)` \|$", PAGE, re.MULTILINE)
PIPELINE = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])["pipelines"][0]


def keys(schema: Mapping[str, Any], definitions: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The keys of a schema, those of mappings too: `training.from`, `fields[].name`, `where.TAG.is`."""
    for name, described in schema["properties"].items():
        key = above + name
        if key == "parameters" or "properties" not in described:
            yield key
        else:
            yield from keys(described, definitions, f"{key}.")
        if key == "fields":
            yield from keys(definitions["field"], definitions, "fields[].")
        if key == "group_by":
            yield from keys(definitions["name_pattern"], definitions, "group_by[].")
        if key == "where":
            yield from keys(definitions["tag_condition"], definitions, "where.TAG.")
        if key == "calendars":
            yield from keys(definitions["calendar"], definitions, "calendars[].")


def test_each_key_has_a_row() -> None:
    schema = load_schema()
    assert sorted(key for key, _ in ROWS) == sorted(keys(schema, schema["$defs"]))


@pytest.mark.parametrize(("key", "example"), ROWS)
def test_an_example_works_and_is_one_of_its_key(key: str, example: str) -> None:
    changed = yaml.safe_load(example)
    assert set(changed) == {re.split(r"[.\[]", key)[0]}
    (pipeline,) = normalize([PIPELINE | changed])
    assert describe(pipeline, "stack", 0)


def example_below(heading: str) -> dict[str, Any]:
    """Return the first example in YAML below a heading."""
    below = PAGE.partition(f"\n## {heading}\n")[2]
    return dict(yaml.safe_load(re.findall(r"```yaml\n(.*?)```", below, re.DOTALL)[0]))


def test_the_example_of_patterns_works() -> None:
    (pipeline,) = normalize([PIPELINE | example_below("Names by pattern")])
    numbers = {name: ["float"] for name in ("temp_in", "temp_raw", "humidity", "battery")}
    resolved = resolve(pipeline, SourceKeys(numbers, ["room", "session_id"]))
    assert resolved.watched == (Field("humidity"), Field("temp_in", "°C", min_deviation=0.5))
    assert resolved.group_by == ("room",)


def test_the_example_of_several_measurements_works() -> None:
    (pipeline,) = normalize([PIPELINE | example_below("Several measurements")])
    source = {name: SourceKeys({"value": ["float"]}, ["entity_id"]) for name in ("°C", "%", "lx")}
    resolved = resolve(pipeline, SourceKeys(measurements=source))
    assert resolved.measurements == ("%", "°C")
    assert resolved.watched_of(("%", "damp"))[0].valid == Bounds(0.0, 100.0)
    assert describe(pipeline, "stack", 0)


def test_the_example_of_calendars_works() -> None:
    (pipeline,) = normalize([PIPELINE | example_below("Calendars")])
    assert [calendar.means for calendar in pipeline.calendars] == ["maintenance", "quiet", "holiday"]


def test_the_example_of_conditions_works() -> None:
    (pipeline,) = normalize([PIPELINE | example_below("Conditions on tags")])
    assert pipeline.where.holds({"room": "hall", "sensor": "dht-12", "floor": "1"})
    assert not pipeline.where.holds({"room": "hall", "sensor": "dht-7", "floor": "1"})
    assert not pipeline.where.holds({"room": "hall", "sensor": "dht-12"})


def test_the_example_of_counters_works() -> None:
    changed = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[2])
    (pipeline,) = normalize([PIPELINE | changed])
    assert [field.rate for field in pipeline.watched] == ["1s", "1m"]
    assert describe(pipeline, "stack", 0)


def test_the_example_of_plain_rules_works() -> None:
    changed = example_below("Plain rules")
    (pipeline,) = normalize([PIPELINE | changed])
    limits = [str(pipeline.watched_of((room,))[1].limits) for room in ("kitchen", "cellar")]
    assert limits == ["at most 90", "at most 98"]
    assert describe(pipeline, "stack", 0)


def test_the_example_of_expressions_works() -> None:
    changed = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[3])
    (pipeline,) = normalize([PIPELINE | changed])
    assert pipeline.sources == ("errors", "requests", "supply", "return_flow")
    assert describe(pipeline, "stack", 0)


def test_the_names_that_results_rename_are_listed() -> None:
    below = PAGE.partition("\n## Tags named like those of results\n")[2].partition("#results)): ")[2]
    *names, _, _ = re.findall(r"`([^`]+)`", below)
    assert names
    assert [name for name in names if result_tag(name) != f"tag_{name}"] == []


def test_the_example_of_new_levels_works() -> None:
    (pipeline,) = normalize([PIPELINE | example_below("New levels")])
    assert pipeline.periods.new_level == "1d"
    assert any("lasts for 1d is a new level" in line for line in describe(pipeline, "stack", 0))
