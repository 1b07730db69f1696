"""The published schema: it is valid, describes every key, and its defaults are those that are filled in."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from anomaly.pipeline import (
    load_schema,
)
from tests.unit.anomaly.pipeline.minimal import one

ROOT = Path(__file__).parents[4]


def test_the_schema_is_valid_and_describes_every_key() -> None:
    schema = load_schema()
    Draft202012Validator.check_schema(schema)

    def undescribed(node: Mapping[str, Any], path: str) -> list[str]:
        found = []
        for key, value in node.get("properties", {}).items():
            found += [] if "description" in value else [f"{path}.{key}"]
            found += undescribed(value, f"{path}.{key}")
        return found

    assert undescribed(schema, "") == []


@pytest.mark.parametrize("inventory", ["local", "cluster"])
def test_editors_complete_the_pipelines_of_an_inventory(inventory: str) -> None:
    """Each file names the schema, which needs no more than the files beside it."""
    path = ROOT / "inventory" / inventory / "group_vars" / "all" / "pipelines.yml"
    text = path.read_text(encoding="utf-8")
    (named,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)$", text, flags=re.MULTILINE)
    schema = json.loads((path.parent / named).read_text(encoding="utf-8"))
    beside = Resource.from_contents(load_schema())
    validator = Draft202012Validator(schema, registry=Registry().with_resource("pipeline.schema.json", beside))
    content = yaml.safe_load(text)
    assert list(validator.iter_errors(content)) == []
    content["pipelines"][0]["windw"] = content["pipelines"][0].pop("window")
    messages = [error.message for error in validator.iter_errors(content)]
    assert any("'windw' was unexpected" in message for message in messages)


def test_the_schemas_defaults_are_those_that_are_filled_in() -> None:
    schema = load_schema()["properties"]
    filled = one().as_dict()
    for key in ("enabled", "retention_policy", "group_by", "aggregate", "missing", "fill", "memory", "detector"):
        assert schema[key]["default"] == filled[key]
    parameters = {
        name: value
        for detector in schema["detector"]["enum"]
        for name, value in one(detector=detector).parameters.items()
    }
    assert parameters == {name: rule["default"] for name, rule in schema["parameters"]["properties"].items()}
    for key in ("training", "periods", "drift", "alerts"):
        for inner, rule in schema[key]["properties"].items():
            if "default" in rule:
                assert rule["default"] == filled[key][inner]
