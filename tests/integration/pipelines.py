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


def field_names(pipeline: Pipeline) -> list[str]:
    """The names of the fields that a pipeline watches."""
    return [field if isinstance(field, str) else field["name"] for field in pipeline["fields"]]


NEWS: Pipeline = {"alerts": {"age": "10000d"}}
"""The data are years old, and their alerts are tested."""

PRINTER: Pipeline = _shipped("printer") | {"training": {"from": HISTORY[0], "to": HISTORY[1]}} | NEWS
"""The pipeline that everyone starts with; only its training range is other, and what is history."""

SELF_TRAINING: Pipeline = PRINTER | {"training": PRINTER["training"] | {"every": "30d"}}
"""The same, whose models the keeper looks after; not so often that it would be trained twice."""

ROOMS: Pipeline = {
    "name": "rooms",
    "database": "building",
    "measurement": "climate",
    "fields": ["co2", "humidity"],
    "group_by": ["room", "floor"],
    "window": "1m",
    "aggregate": ["mean"],
    # As no point comes after the data, the last window ends when no point has come for a window and the lateness.
    "lateness": "0s",
    "training": {"from": HISTORY[0], "to": HISTORY[1]},
    **NEWS,
}
"""A pipeline of one's own: other data, two tags, and a field of whole numbers."""
