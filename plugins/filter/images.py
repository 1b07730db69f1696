"""Filters about container images: which of ours may be removed from an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

STACK = "influx-anomaly.stack"
IMAGE = "influx-anomaly.image"


def teardown_images(engine: Mapping[str, Any], stack: str, bases: Iterable[str]) -> list[dict[str, str]]:
    """The images of ours that nobody needs once a stack is gone, those first that are built on others.

    An image is needed if a container runs from it that is not this stack's. While another stack is on the engine, the
    images that others are built on are kept too.

    Args:
        engine: what ``docker_host_info`` says: all ``containers``, and the ``images`` that carry our label.
        stack: the stack that goes; its containers, which a dry run still sees, need nothing any more.
        bases: our names of the images that others are built on, the most basic one first.

    Returns:
        ``name`` (ours), ``tag`` (what to remove: a reference, or the id of an image without one).
    """
    order = {name: position for position, name in enumerate(bases)}
    containers = [item for item in engine["containers"] if (item.get("Labels") or {}).get(STACK) != stack]
    used = {item["ImageID"] for item in containers}
    other_stacks = any(STACK in (item.get("Labels") or {}) for item in containers)
    removable = [
        {"name": image["Labels"][IMAGE], "tag": tag}
        for image in engine["images"]
        if image["Id"] not in used and not (other_stacks and image["Labels"][IMAGE] in order)
        for tag in ([tag for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"] or [image["Id"]])
    ]
    return sorted(removable, key=lambda item: (-order.get(item["name"], len(order)), item["tag"]))


class FilterModule:
    """Names of the filters, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"teardown_images": teardown_images}
