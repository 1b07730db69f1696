"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Ansible, started by tests from any folder, finds the repository's configuration.
os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A real kapacitord comes out of an image, so tests that want one need an engine."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "kapacitord" in fixtures or "kapacitord_binary" in fixtures:
            item.add_marker(pytest.mark.containers)
