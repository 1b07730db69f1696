"""Filters of the roles images and teardown: how images are shown, and which of ours may be removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_plan import exported_images, is_unreachable
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_record import read_record

STACK = "influx-anomaly.stack"
IMAGE = "influx-anomaly.image"


def images_table(details: Mapping[str, Mapping[str, Any]], reasons: Mapping[str, str]) -> list[str]:
    """Return the lines of a table: image, size, where it came from; then what was left out and why."""
    rows = [
        (name, f"{item['size'] / 1e6:.0f} MB" if item["size"] else "", item["source"], item["ref"])
        for name, item in sorted(details.items())
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {size:>{widths[1]}}  {source:<{widths[2]}}  {reference}"
        for name, size, source, reference in rows
    ]
    return lines + [f"{name}: {reason}" for name, reason in sorted(reasons.items()) if reason]


def _removable(image: Mapping[str, Any]) -> list[str]:
    """Return what to remove of an image that carries our label: its tags if they are ours, its id if it has none.

    What others have built on our images inherits the label, but not the name.
    """
    tags = [str(tag) for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"]
    ours = re.compile(rf"(.*/)?influx-anomaly/{re.escape(image['Labels'][IMAGE])}:[^/]*")
    return [tag for tag in tags if ours.fullmatch(tag)] if tags else [str(image["Id"])]


def _has_our_tag(image: Mapping[str, Any]) -> bool:
    """Return whether an image that carries our label has a tag of ours, by which a stack may name it."""
    return any(tag != image["Id"] for tag in _removable(image))


def teardown_images(
    engine: Mapping[str, Any], stack: str, named: Iterable[str], bases: Iterable[str]
) -> list[dict[str, str]]:
    """Return the images of ours that nobody needs once a stack is gone, those first that are built on others.

    These are images that this stack names and no other container runs from. Images that others are built on go with
    the last of the others, where no other stack is on the engine.

    Args:
        engine: what ``docker_host_info`` says: all ``containers``, and the ``images`` that carry our label.
        stack: the stack that goes; its containers, which a dry run still sees, need nothing any more.
        named: the ids of the images that this stack names: its containers ran from them, or its record has them.
        bases: our names of the images that others are built on, the most basic one first.

    Returns:
        ``name`` (ours), ``tag`` (what to remove: a reference, or the id of an image without one).
    """
    order = {name: position for position, name in enumerate(bases)}
    containers = [item for item in engine["containers"] if (item.get("Labels") or {}).get(STACK) != stack]
    used = {item["ImageID"] for item in containers}
    other_stacks = any(STACK in (item.get("Labels") or {}) for item in containers)
    built_on = {image["Id"] for image in engine["images"] if image["Labels"][IMAGE] in order}
    others = [image for image in engine["images"] if image["Id"] not in built_on]
    going = set(named) - used - built_on
    some_go = any(image["Id"] in going for image in others)
    some_stay = any(image["Id"] not in going and _has_our_tag(image) for image in others)
    # Without an image of this stack they may be what another stack builds on at this moment.
    if some_go and not some_stay and not other_stacks:
        going |= built_on - used
    removable = [
        {"name": image["Labels"][IMAGE], "tag": tag}
        for image in engine["images"]
        if image["Id"] in going
        for tag in _removable(image)
    ]
    return sorted(removable, key=lambda item: (-order.get(item["name"], len(order)), item["tag"]))


def images_recorded(path: str, host: str) -> dict[str, Any]:
    """Return what the record on the controller says of the images of a host: our name to what was resolved.

    Args:
        path: the record, which may be missing.
        host: the inventory host.
    """
    return read_record(Path(path), host)[1]


def images_exports(
    hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]], images: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what an export writes; see `exported_images`.

    Args:
        hosts: the hosts of the play.
        variables: what the role images says of each host.
        images: our name of an image to its `version`.
    """
    names = list(hosts)
    return exported_images(names, {host: variables[host]["images_details"] for host in names}, images)


def images_export_list(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries of an archive's list.

    Args:
        results: what `stat` said of each file, with what `images_exports` returns as `item`.
    """
    return [
        {key: result["item"][key] for key in ("name", "version", "ref", "id", "file")}
        | {"sha256": result["stat"]["checksum"], "size": result["stat"]["size"]}
        for result in results
    ]


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return each filter's function by its name."""
        return {
            "images_export_list": images_export_list,
            "images_exports": images_exports,
            "images_recorded": images_recorded,
            "images_unreachable": is_unreachable,
            "images_table": images_table,
            "teardown_images": teardown_images,
        }
