"""Check of the user's own dashboards, which would otherwise only be missing in Grafana."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..own_dashboards import own_dashboards
from .inventory import Inventory
from .problem import Problem

_VARIABLE = "grafana_dashboards_dir"


def check(inventory: Inventory, root: Path) -> Iterator[Problem]:
    """Yield the problems of the files.

    Args:
        inventory: all hosts and groups.
        root: the repository, from which a relative folder starts.
    """
    for host in inventory.of_grafana():
        name = host.text(_VARIABLE)
        if not name:
            continue
        for wrong in own_dashboards(root / name)[1]:
            yield Problem(_VARIABLE, str(wrong.path), wrong.wrong, wrong.fix, host.where.get(_VARIABLE), host.name)
