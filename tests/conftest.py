"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Ansible, started by tests from any folder, finds the repository's configuration.
os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A real daemon comes out of an image, so tests that want one need an engine."""
    daemons = {"kapacitord", "kapacitord_binary", "influxd_binary"}
    for item in items:
        if daemons & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.containers)
