"""The pipelines of `inventory/local` and of the demonstration, as they are delivered, which benchmarks measure."""

from pathlib import Path
from typing import Any

import yaml

from demo.pipelines import brought_along

ROOT = Path(__file__).parents[1]
_INVENTORY = ROOT / "inventory" / "local" / "group_vars" / "all" / "pipelines.yml"


def shipped(name: str) -> dict[str, Any]:
    """Return a pipeline of the inventory, or one that the demonstration brings along, by its name."""
    if (own := brought_along(name)) is not None:
        return own
    pipelines: list[dict[str, Any]] = yaml.safe_load(_INVENTORY.read_text(encoding="utf-8"))["pipelines"]
    return next(pipeline for pipeline in pipelines if pipeline["name"] == name)
