"""What the tests watch."""

from __future__ import annotations

from typing import Any

import yaml

from tests.integration.playbook import ROOT

Pipeline = dict[str, Any]

HISTORY = ("2024-03-01T00:00:00Z", "2024-03-01T04:00:00Z")
"""Clean data to train on. The times are fixed, so the printers' noise, which depends on them, is always the same."""
STREAM_HOURS = 2
"""The data with faults follow on the history."""


def _shipped(name: str) -> Pipeline:
    """A pipeline of `inventory/local`, as it is delivered."""
    path = ROOT / "inventory" / "local" / "group_vars" / "all" / "pipelines.yml"
    return next(
        dict(pipeline) for pipeline in yaml.safe_load(path.read_text())["pipelines"] if pipeline["name"] == name
    )


PRINTER: Pipeline = _shipped("printer") | {"training": {"from": HISTORY[0], "to": HISTORY[1]}}
"""The pipeline that everyone starts with; only its training range is other."""

SELF_TRAINING: Pipeline = PRINTER | {"training": PRINTER["training"] | {"every": "30d"}}
"""The same, which a trainer looks after; not so often that it would be trained twice."""

ROOMS: Pipeline = {
    "name": "rooms",
    "database": "building",
    "measurement": "climate",
    "fields": ["co2", "humidity"],
    "group_by": ["room", "floor"],
    "window": "1m",
    "aggregate": ["mean"],
    "training": {"from": HISTORY[0], "to": HISTORY[1]},
}
"""A pipeline of one's own: other data, two tags, and a field of whole numbers."""
