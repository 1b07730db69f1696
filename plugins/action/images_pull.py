"""Action plugin: pulls images, each by the first of its references that the registry has.

A registry that cannot be reached at all is asked once, as trying the next image would only cost time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_plan import is_unreachable, reason_of

Candidate = Mapping[str, Any]
Pull = Callable[[Candidate], tuple[str, bool]]


@dataclass
class Pulls:
    """How the pulls of one run went.

    Attributes:
        got: our names of the images that were pulled.
        failures: our name of an image to what went wrong, a sentence for each reference.
        unreachable: why the registry cannot be reached; empty if it can.
        changed: whether the engine has another image now.
    """

    got: list[str] = field(default_factory=list)
    failures: dict[str, list[str]] = field(default_factory=dict)
    unreachable: str = ""
    changed: bool = False

    def run(self, candidates: Iterable[Candidate], pull: Pull) -> None:
        """Try candidates in order.

        Args:
            candidates: as `plan_images` gives them.
            pull: returns the module's message, empty if it went well, and whether anything changed.
        """
        for candidate in candidates:
            name = candidate["name"]
            if name in self.got or self.unreachable:
                continue
            message, changed = pull(candidate)
            self.changed = self.changed or changed
            if not message:
                self.got.append(name)
                continue
            reason = reason_of(message)
            self.failures.setdefault(name, []).append(f"{candidate['ref']} cannot be pulled: {reason}")
            self.unreachable = reason if is_unreachable(message) else ""


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `candidates`, and `bases`: candidates that are pulled too unless all of the names in `bases_for` were."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Pull, and return `got`, `failures` and `registry_down`; a pull that fails does not fail the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        pulls = Pulls()

        def pull(candidate: Candidate) -> tuple[str, bool]:
            return self._pull(candidate, task_vars or {})

        pulls.run(self._task.args["candidates"], pull)
        wanted: Sequence[str] = self._task.args.get("bases_for") or []
        if any(name not in pulls.got for name in wanted):
            pulls.run(self._task.args.get("bases") or [], pull)
        result |= {"got": pulls.got, "failures": pulls.failures, "registry_down": pulls.unreachable}
        result["changed"] = pulls.changed
        return result

    def _pull(self, candidate: Candidate, task_vars: dict[str, Any]) -> tuple[str, bool]:
        """Pull one image, by digest if one is demanded, and give it the tag by which everything else knows it."""
        reference, digest = str(candidate["ref"]), candidate.get("digest")
        pinned = f"{reference.rpartition(':')[0]}@{digest}" if digest else reference
        pulled = self._module("community.docker.docker_image_pull", {"name": pinned}, task_vars)
        if pulled.get("msg"):
            return str(pulled["msg"]), False
        changed = bool(pulled.get("changed"))
        if digest:
            tagged = self._module(
                "community.docker.docker_image_tag", {"name": pinned, "repository": [reference]}, task_vars
            )
            if tagged.get("failed"):
                return str(tagged.get("msg")), changed
            changed = changed or bool(tagged.get("changed"))
        return "", changed

    def _module(self, name: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(module_name=name, module_args=arguments, task_vars=task_vars)
        return result
