"""Checks of a host's container engine: whether it is one that the stack's containers can run on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .problem import Problem

OLDEST_ENGINE = (20, 10)
OLDEST_API = (1, 41)
SNAP_ROOT = "/var/snap/"


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (20, 10, 24) for `20.10.24+dfsg1`."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def engine(answer: Mapping[str, Any], managed: bool, stack_dir: str) -> Iterator[Problem]:
    """Check the engine.

    Args:
        answer: the module's result.
        managed: whether the role docker may install or start an engine.
        stack_dir: folder of the stack on the host, which containers mount parts of.
    """
    if not answer["answers"]:
        if not managed:
            yield Problem(
                "container engine",
                None,
                f"doesn't answer ({answer['reason']}), and docker_manage is false",
                "start it, or set docker_manage to true",
            )
        return
    if "podman" in answer["name"].casefold():
        yield Problem(
            "container engine",
            f"{answer['name']} {answer['version']}",
            "is not Docker",
            "install Docker Engine beside it",
        )
    elif numbers(answer["version"]) < OLDEST_ENGINE:
        oldest = ".".join(map(str, OLDEST_ENGINE))
        yield Problem("Docker Engine", answer["version"], f"is older than {oldest}", f"upgrade it to {oldest} or newer")
    elif numbers(answer["api"]) < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        yield Problem("Docker Engine API", answer["api"], f"is older than {oldest}", "upgrade the engine")
    yield from _kind(answer, stack_dir)


def _kind(answer: Mapping[str, Any], stack_dir: str) -> Iterator[Problem]:
    """Check that the engine's containers see the stack's folders, with their owners.

    A folder of the stack belongs to the user of its container, such as 1500, by its number on the host.
    """
    security = answer.get("security", [])
    if "rootless" in security:
        yield Problem(
            "container engine",
            "rootless",
            "maps the users of containers to others, so they could not read the stack's folders",
            "use an engine that runs as root, or name its socket in docker_socket",
        )
    elif "userns" in security:
        yield Problem(
            "container engine",
            "userns-remap",
            "maps the users of containers to others, so they could not read the stack's folders",
            'remove "userns-remap" from its daemon.json and restart it, or deploy to another host',
        )
    if answer["root"].startswith(SNAP_ROOT) and not stack_dir.startswith("/home/"):
        yield Problem(
            "container engine",
            "snap",
            f"sees no folders but those below /home, and stack_dir is {stack_dir}",
            "set stack_dir to a folder below /home, or replace the snap by the distribution's engine "
            "(snap remove docker)",
        )
