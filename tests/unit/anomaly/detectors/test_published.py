"""What is published of the detectors, in the schema and in the documentation, follows from their declarations."""

import re
import subprocess
import sys
from pathlib import Path

from anomaly.detectors import registry
from anomaly.detectors.published import table, with_detectors
from anomaly.pipeline import load_schema
from anomaly.pipeline.detectors import descriptions

ROOT = Path(__file__).parents[4]


def test_the_schema_follows_from_the_declarations() -> None:
    assert with_detectors(load_schema()) == load_schema(), "run scripts/detector-docs"


def test_the_controller_knows_what_the_declarations_say() -> None:
    declared = {each.name: each.description for each in registry.declarations()}
    assert descriptions() == declared
    assert list(descriptions()) == list(registry.MODULES)


def test_the_table_in_the_documentation_follows_from_the_declarations() -> None:
    page = (ROOT / "docs" / "detectors.md").read_text(encoding="utf-8")
    assert table() in page, "run scripts/detector-docs"


def test_the_schemas_seasonality_names_the_detectors_that_look_at_it() -> None:
    described = load_schema()["properties"]["seasonality"]["description"]
    seasonal = [each.name for each in registry.declarations() if each.description.seasonal]
    assert re.findall(r"`(\w+)`", described) == seasonal


def test_the_script_that_writes_them_finds_nothing_to_write() -> None:
    script = ROOT / "scripts" / "detector-docs"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
