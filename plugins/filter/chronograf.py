"""Filter of the role chronograf: the files of its source and of the Kapacitors that it knows from its start."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

DOCUMENTATION = """
name: chronograf
short_description: What Chronograf knows from its start
"""

# Chronograf numbers what people add from 1 on, so its files have high numbers.
_SOURCE = 10_000
_FOLDER = "resources"


def chronograf_resources(
    source: Mapping[str, str], kapacitors: Mapping[str, str], username: str, password: str
) -> dict[str, str]:
    """Return the files that Chronograf reads from its resources, by their paths in its folder.

    Args:
        source: `name`, `url`, `username`, `password` of InfluxDB, and the `telegraf` database that it opens first.
        kapacitors: host of each Kapacitor to its URL; the first one is active.
        username: Kapacitor's admin.
        password: the admin's password.
    """
    common = {"insecureSkipVerify": False, "organization": "default"}
    files: dict[str, Mapping[str, Any]] = {
        f"{_FOLDER}/influxdb.src": {"id": str(_SOURCE), "type": "influx", "default": True, **source, **common}
    }
    for number, (host, url) in enumerate(kapacitors.items(), 1):
        files[f"{_FOLDER}/kapacitor-{number}.kap"] = {
            "id": str(_SOURCE + number),
            "srcId": str(_SOURCE),
            "name": host,
            "url": url,
            "username": username,
            "password": password,
            "active": number == 1,
            **common,
        }
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in files.items()}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {"chronograf_resources": chronograf_resources}
