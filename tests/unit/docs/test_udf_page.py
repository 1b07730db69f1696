"""docs/udf.md: its UDF works, and its entry and task are in order."""

import importlib
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.checks import inventory_problems

from kapacitor_udf import Point
from kapacitor_udf.testing import Harness
from tests.ansible.inventories import OPTIONS, ROLES, inventory
from tests.udf_page import ENTRY, write


def test_its_udf_smooths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(write(tmp_path)), *sys.path])
    with Harness(importlib.import_module("smooth").udf, {"field": "co2", "weight": 0.5}) as harness:
        out = harness.feed(
            [Point(time, {"co2": value}, group="a") for time, value in ((1, 400.0), (2, 500), (3, 500.0))]
        )
        assert [point.fields["smooth"] for point in out] == [400.0, 450.0, 475.0]
        harness.point(Point(4, {"humidity": 45.0}))
        assert harness.counters.rejected == {"missing field": 1}


def test_its_entry_passes_the_preflight(tmp_path: Path) -> None:
    write(tmp_path)
    checked = inventory(each=yaml.safe_load(ENTRY))
    roles = [path.name for path in ROLES.iterdir()]
    assert inventory_problems(checked, OPTIONS, roles, lambda _: [], ROLES, tmp_path) == []
