"""Sections of kapacitor.conf for alerts: which may be there several times, and how they are written as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Names that kapacitor.conf may have several sections of.
REPEATABLE = ("discord", "httppost", "kafka", "mqtt", "slack")
# Repeatable names whose default section serves the handlers that name none.
_WITH_DEFAULT = ("discord", "mqtt", "slack")


def sections(services: Mapping[str, Any]) -> str:
    """Return sections of kapacitor.conf as TOML.

    Every section is enabled unless its options say otherwise. If a kind that needs a default has one section, that
    section is the default.

    Args:
        services: each section's name, with its options or with a list of options for several sections of this name.
    """
    text = ""
    for name, given in sorted(services.items()):
        entries = [given] if isinstance(given, Mapping) else given
        implied: dict[str, Any] = {} if name == "httppost" else {"enabled": True}
        if name in _WITH_DEFAULT and len(entries) == 1:
            implied["default"] = True
        header = f"[[{name}]]" if name in REPEATABLE else f"[{name}]"
        for entry in entries:
            lines = [f"{json.dumps(str(key))} = {_toml(value)}\n" for key, value in {**implied, **entry}.items()]
            text += f"\n{header}\n{''.join(lines)}"
    return text


def _toml(value: Any) -> str:
    """Return a value in TOML, which writes texts, numbers, booleans and lists as JSON does."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)
