"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Ansible, started by tests from any folder, finds the repository's configuration.
os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))


def pytest_configure() -> None:
    """Names the image that a real kapacitord is taken from, unless the environment does: the one scripts/test-images
    builds."""
    if "KAPACITORD" in os.environ or "KAPACITOR_IMAGE" in os.environ:
        return
    tag = subprocess.run(
        [sys.executable, str(ROOT / "images" / "build.py"), "tag", "kapacitor"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tag.returncode == 0:
        os.environ["KAPACITOR_IMAGE"] = tag.stdout.strip()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A real kapacitord comes out of an image, so tests that want one need an engine."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "kapacitord" in fixtures or "kapacitord_binary" in fixtures:
            item.add_marker(pytest.mark.containers)
