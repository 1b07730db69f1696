"""Filters of the role preflight: a host's problems and warnings, by the checks of plugin_utils/preflight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.host import host_problems
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.limits import host_warnings


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {"preflight_host_problems": host_problems, "preflight_host_warnings": host_warnings}
