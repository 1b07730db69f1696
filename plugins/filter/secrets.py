"""Filter of the role secrets: finds unfit secrets, by the rules of plugin_utils/secret_rules.py."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.secret_rules import secrets_problems


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return each filter's function by its name."""
        return {"secrets_problems": secrets_problems}
