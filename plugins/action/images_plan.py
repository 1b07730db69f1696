"""Action plugin: finds out where each image of a host comes from, in one look at the archive and at the engine.

What follows from what it sees is in plugin_utils/image_plan.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_plan import (
    ImageRequest,
    known_images,
    plan_images,
    sha256sums,
)
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_record import read_record

LIST = "images.json"
SUMS = "SHA256SUMS"


def read_archive(folder: Path, shown: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the entries of an archive's list, and the sums of its files.

    Args:
        folder: the folder that export-images.yml wrote.
        shown: its name, as the inventory gives it.

    Raises:
        AnsibleActionFail: it is not an archive, or its list was changed.
    """
    for name in (LIST, SUMS):
        if not (folder / name).is_file():
            raise AnsibleActionFail(
                f"image_archive_dir is '{shown}', which has no {name}. Fix: give the folder that "
                "playbooks/export-images.yml wrote, or write it again"
            )
    sums = sha256sums((folder / SUMS).read_text(encoding="utf-8"))
    content = (folder / LIST).read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != sums.get(LIST, ""):
        raise AnsibleActionFail(
            f"{shown}/{LIST} was changed: its SHA-256 is {checksum}, and SHA256SUMS says "
            f"{sums.get(LIST, 'nothing of it')}. Fix: copy the folder again from where it was exported"
        )
    return json.loads(content)["images"], sums


def build_arguments(versions: Mapping[str, str], bases: Mapping[str, str]) -> list[str]:
    """Return the arguments of images/build.py that belong to an image's reference.

    Args:
        versions: program to version.
        bases: our name of an image that ours are built on to the reference of a pulled one.
    """
    arguments = [part for name, version in versions.items() for part in (f"--{name}-version", version)]
    return arguments + [f"--base={name}={reference}" for name, reference in sorted(bases.items())]


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes what `ImageRequest` has, but reads `recorded` and `listed` itself, and these.

    `lock_file` is the record on the controller, `archive_dir` the folder with archives or empty, `versions` the
    versions that images/build.py is given, `repository` the folder that has it, and `engine`, if given, what an
    earlier plan returned as that, to save a look. Returns what `plan_images` does, and `engine` (the images that
    matter of those that the engine has), `sums` (file to SHA-256 of the archive), `arguments` (of images/build.py),
    `found_bases` (the pulled images that ours are built on), `recorded_hosts` (what the lock file says so far) and
    `controller` (the number of Ansible's process, with which a build on this machine ends).
    """

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at the archive and at the engine, and plan."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        arguments = self._task.args
        hosts, recorded = read_record(Path(arguments["lock_file"]), str(task_vars["inventory_hostname"]))
        listed, sums = self._archive(arguments, task_vars)
        request = ImageRequest(
            images=arguments["images"],
            bases=arguments["bases"],
            source=arguments["source"],
            registry=arguments["registry"],
            repositories=arguments["repositories"],
            digests=arguments["digests"],
            refresh=bool(arguments["refresh"]),
            recorded=recorded,
            listed=listed,
            dry=bool(self._task.check_mode),
            failures=arguments.get("failures") or {},
            unreachable=arguments.get("unreachable") or "",
            loads=arguments.get("loads") or {},
        )
        # After pulls that all failed the engine has what it had.
        engine = arguments.get("engine")
        if engine is None:
            engine = self._engine(task_vars) if request.images else []
        bases = request.found_bases(engine)
        builder = build_arguments(arguments["versions"], bases)
        built = self._references(Path(arguments["repository"]), builder, request.buildable)
        result |= plan_images(request, engine, built)
        result |= {"sums": sums, "arguments": builder, "found_bases": bases, "recorded_hosts": hosts}
        result |= {"engine": known_images(request, engine, built), "changed": False}
        # Actions run in a worker, which Ansible's own process has forked.
        result["controller"] = os.getppid()
        return result

    def _archive(
        self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Return the archive's list and sums; nothing where the inventory names no archive to load from."""
        folder = str(arguments["archive_dir"])
        if not folder or arguments["source"] not in ("archive", "auto"):
            return [], {}
        # As a path in a playbook is meant: relative ones start there.
        return read_archive(Path(task_vars.get("playbook_dir", ".")) / folder, folder)

    def _engine(self, task_vars: dict[str, Any]) -> list[dict[str, Any]]:
        """Return all images that the engine has; none in a dry run that comes before the engine."""
        answer = self._execute_module(
            module_name="community.docker.docker_host_info",
            module_args={"images": True, "verbose_output": True},
            task_vars=task_vars,
        )
        if answer.get("failed"):
            if self._task.check_mode:
                return []
            raise AnsibleActionFail(str(answer.get("msg", "the engine does not answer")), result=answer)
        return list(answer["images"])

    @staticmethod
    def _references(repository: Path, arguments: Sequence[str], names: Sequence[str]) -> dict[str, str]:
        """Return the references that builds give: hashes of all that an image is made from.

        Args:
            repository: the folder that has images/build.py.
            arguments: its arguments.
            names: our names of the images.
        """
        if not names:
            return {}
        command = [sys.executable, str(repository / "images" / "build.py"), "tag", "--json", *arguments, *names]
        tagged = subprocess.run(  # noqa: S603  our own program
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        return dict(json.loads(tagged.stdout)) if tagged.returncode == 0 else {}
