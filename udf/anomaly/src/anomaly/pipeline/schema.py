"""The published JSON Schema of one pipeline, as a file of this package."""

import json
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

PATH: Traversable = resources.files("anomaly").joinpath("pipeline.schema.json")


def load_schema() -> dict[str, Any]:
    """Read the published JSON Schema of one pipeline.

    Returns:
        The schema as a new mapping, which the caller may change.
    """
    schema: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return schema
