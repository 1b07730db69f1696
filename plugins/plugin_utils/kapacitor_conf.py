"""Sections of kapacitor.conf for alerts: which may be there several times, and how they are written as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Sections of kapacitor.conf that there may be several of.
SEVERAL = ("discord", "httppost", "kafka", "mqtt", "slack")
# Those of them of which one is used by handlers that name none.
_WITH_DEFAULT = ("discord", "mqtt", "slack")


def sections(services: Mapping[str, Any]) -> str:
    """Sections of kapacitor.conf as TOML, from a mapping of each to its options, or to a list of them. Each is enabled,
    and where there is but one it is the default, unless its options say otherwise."""
    text = ""
    for name, given in sorted(services.items()):
        entries = [given] if isinstance(given, Mapping) else given
        implied: dict[str, Any] = {} if name == "httppost" else {"enabled": True}
        if name in _WITH_DEFAULT and len(entries) == 1:
            implied["default"] = True
        header = f"[[{name}]]" if name in SEVERAL else f"[{name}]"
        for entry in entries:
            lines = [f"{json.dumps(str(key))} = {_toml(value)}\n" for key, value in {**implied, **entry}.items()]
            text += f"\n{header}\n{''.join(lines)}"
    return text


def _toml(value: Any) -> str:
    """A value in TOML, which writes texts, numbers, booleans and lists as JSON does."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)
