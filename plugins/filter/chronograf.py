"""Filter of the role chronograf: the files of the InfluxDB and the Kapacitors that it knows from its start."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

DOCUMENTATION = """
name: chronograf
short_description: What Chronograf knows from its start
"""

# Chronograf numbers what people add from 1 on, so its files have high numbers.
_FIRST = 10_000
_FOLDER = "resources"


def chronograf_resources(
    source: Mapping[str, str], kapacitors: Mapping[str, str], username: str, password: str
) -> dict[str, str]:
    """Return the files that Chronograf reads from its resources, by their paths in its folder.

    Each Kapacitor has a source of its own, with the same InfluxDB. Chronograf shows the tasks of a source's active
    Kapacitor only, and people cannot make another one active, because the files are read-only.

    Args:
        source: `name`, `url`, `username`, `password` of InfluxDB, and the `telegraf` database that it opens first.
        kapacitors: host of each Kapacitor to its URL.
        username: Kapacitor's admin.
        password: the admin's password.
    """
    common = {"insecureSkipVerify": False, "organization": "default"}
    files: dict[str, Mapping[str, Any]] = {}
    for number, host in enumerate(kapacitors or [""]):
        name = f"{source['name']} ({host})" if len(kapacitors) > 1 else source["name"]
        identity = {"id": str(_FIRST + number), "type": "influx", "default": number == 0}
        files[f"{_FOLDER}/influxdb-{number + 1}.src"] = {**identity, **source, "name": name, **common}
    for number, (host, url) in enumerate(kapacitors.items()):
        files[f"{_FOLDER}/kapacitor-{number + 1}.kap"] = {
            "id": str(_FIRST + number + 1),
            "srcId": str(_FIRST + number),
            "name": host,
            "url": url,
            "username": username,
            "password": password,
            "active": True,
            **common,
        }
    texts = {path: json.dumps(content, indent=2, ensure_ascii=False) for path, content in files.items()}
    return {path: _without_markup(text) + "\n" for path, text in texts.items()}


def _without_markup(text: str) -> str:
    """Return the JSON with escapes for what a template of HTML would take for an action, a tag or a comment.

    Chronograf reads its resources as such templates. It takes no file whose template is wrong, and drops comments.
    """
    return text.replace("{{", r"\u007b\u007b").replace("<", r"\u003c")


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {"chronograf_resources": chronograf_resources}
