"""What all tests share."""

from __future__ import annotations

import os

# Ansible, started by tests from any folder, finds the repository's configuration.
from pathlib import Path

os.environ.setdefault("ANSIBLE_CONFIG", str(Path(__file__).resolve().parents[1] / "ansible.cfg"))
