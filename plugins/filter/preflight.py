"""Filter: what is wrong with a host. The judgement is in plugin_utils/preflight/host.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.host import host_problems


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filter name -> function."""
        return {"preflight_host_problems": host_problems}
