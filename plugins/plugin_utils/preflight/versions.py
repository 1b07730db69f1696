"""Versions: what runs, what wrote the data, and whether the inventory would put an older one on them.

InfluxDB, Kapacitor, Grafana and Chronograf convert what an older version wrote when they start, and an older one starts
on what a newer one wrote without a word. InfluxDB 1.8 may then miss new fields, an older Kapacitor misses the state of
alerts, and an older Grafana has tables that it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .problem import Problem

# Ends a sentence: how data get back to an older version.
RESTORE = 'restore a backup that was made before (docs/operations.md, "Restore on another host")'
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")


def deployed_version(service: str, image: str, environment: Mapping[str, str]) -> str:
    """Return the version that a container's image says of itself, else the one in its tag; empty if it tells neither.

    Args:
        service: name of the service.
        image: what the container was made from.
        environment: the container's variables.
    """
    variable = environment.get(f"{service.upper()}_VERSION", "")
    tag = image.partition("@")[0].rpartition(":")[2]
    match = _VERSION.search(variable) or _VERSION.match(tag.removeprefix("v"))
    return match[0] if match else ""


def version_key(version: str) -> list[int]:
    """Return what versions are ordered by."""
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def downgrades(
    titles: Mapping[str, str], wanted: Mapping[str, str], running: Mapping[str, str], wrote: Mapping[str, str]
) -> Iterator[Problem]:
    """Check that no service gets an older version than the one that wrote its data.

    Args:
        titles: name for people by service.
        wanted: version of the inventory by service.
        running: version of the deployed container by service; empty if nobody knows it.
        wrote: version that was started last on the data by service; empty if nobody knows it.
    """
    for service, version in wanted.items():
        newest = max(running.get(service, ""), wrote.get(service, ""), key=version_key)
        # What is not a version is another check's.
        if version_key(version) and version_key(newest) > version_key(version):
            has = "runs here" if newest == running.get(service, "") else "wrote the data that are here"
            yield Problem(
                f"{service}_version",
                version,
                f"{titles[service]} {newest} {has}, and an older one may lose what it wrote",
                f"{service}_version: {newest}, or a later one. To go back to {version}, {RESTORE}",
            )
