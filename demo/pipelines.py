"""Pipelines that the demonstration brings along, so that the delivered inventory has only what `make demo` needs.

Playbooks get them by the extra variable `pipelines`, beside those of the inventory. The inventory is not changed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from demo.errors import DemoError
from demo.playbook import inventory_variable

ROOT = Path(__file__).parents[1]
_FOLDER = Path(__file__).parent / "brought"


def brought_along(name: str) -> dict[str, Any] | None:
    """Return a pipeline that the demonstration brings along; None if it brings none of this name."""
    path = _FOLDER / f"{name}.yml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.exists() else None


def added_pipelines(inventory: Path, name: str) -> Sequence[Mapping[str, Any]] | None:
    """Return the inventory's pipelines and the one that the demonstration brings along.

    Args:
        inventory: the inventory.
        name: the pipeline's name.

    Returns:
        All of them; None if the inventory has a pipeline of this name, or the demonstration has none.

    Raises:
        DemoError: the inventory cannot be read, or its list is a template.
    """
    pipeline = brought_along(name)
    if pipeline is None:
        return None
    listed = inventory_variable(ROOT, inventory, "pipelines") or []
    if not isinstance(listed, list):
        raise DemoError(
            f"--inventory {inventory}: pipelines is {listed!r}, not a list, so that nothing can be added to it. "
            f"Fix: add what {_FOLDER / name}.yml holds to the inventory, and run the demonstration again"
        )
    if any(isinstance(each, Mapping) and each.get("name") == name for each in listed):
        return None
    return [*listed, pipeline]
