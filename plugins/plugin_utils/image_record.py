"""The record of a stack's images on the controller, which the role images writes after each run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_record(path: Path, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the lock file says of all hosts, and of one of them.

    Args:
        path: the lock file, which may be missing.
        host: the inventory host.
    """
    hosts = json.loads(path.read_text(encoding="utf-8"))["hosts"] if path.is_file() else {}
    return hosts, hosts.get(host, {})
