"""Action plugin: writes a service's small files on the host, and returns the hash of all of them.

`ansible.builtin.template` and `ansible.builtin.copy` start two modules on the host for each file that is as it should
be. This action asks the host once for the checksums, owners and modes of all files, and lets `ansible.builtin.copy`
write only those that differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

_OPTIONS = {
    "folder": {"type": "str", "required": True},
    "files": {"type": "dict", "required": True, "no_log": True},
    "group": {"type": "int", "required": True},
    "mode": {"type": "str", "default": "0640"},
    "secret": {"type": "list", "elements": "str", "default": []},
    "private": {"type": "list", "elements": "str", "default": []},
    "purge": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `folder`, `files` (name to content), `group` (its number), `mode`, and `secret`: names without a diff.

    `purge` removes other files beside them.

    Returns `sha256`, the hash of all contents in the order given. The files belong to root, except those that `private`
    names: these have no diff and the mode 0600, and belong to the user who has the group's number, as some programs
    refuse a key that a group may read.
    """

    # Only copies need a temporary folder on the host; ansible.builtin.copy makes its own.
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the files whose content, owner, group or mode differ."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_OPTIONS)
        folder = PurePosixPath(options["folder"])
        files: dict[str, str] = options["files"]
        for name, content in files.items():
            if not isinstance(content, str):
                raise AnsibleActionFail(
                    f"files.{name} of {folder} is a {type(content).__name__}. Fix: give its content as a string"
                )
        paths = {str(folder / name) for name in files}
        existing = self._existing(folder, files, options["purge"], task_vars)
        diffs: list[dict[str, Any]] = []
        for name, content in files.items():
            path = folder / name
            is_private = name in options["private"]
            owner, mode = (options["group"], "0600") if is_private else (0, options["mode"])
            if existing.get(str(path)) == wanted(content, options["group"], mode, owner):
                continue
            is_shown = self._task.diff and name not in options["secret"] and not is_private
            access = {"owner": str(owner) if owner else "root", "group": str(options["group"]), "mode": mode}
            copied = self._copy(path, content, access, is_shown, task_vars)
            if copied.get("failed"):
                raise AnsibleActionFail(f"{path}: {copied.get('msg', 'no reason given')}")
            result["changed"] = result.get("changed", False) or copied["changed"]
            diffs += copied.get("diff", []) if is_shown else []
        for other in sorted(existing.keys() - paths) if options["purge"] else ():
            removed = self._execute_module(
                "ansible.builtin.file", {"path": other, "state": "absent"}, task_vars=task_vars
            )
            if removed.get("failed"):
                raise AnsibleActionFail(f"{other}: {removed.get('msg', 'no reason given')}")
            result["changed"] = True
        if diffs:
            result["diff"] = diffs
        result["sha256"] = hashlib.sha256("".join(files.values()).encode()).hexdigest()
        return result

    def _existing(
        self, folder: PurePosixPath, names: Iterable[str], is_every: bool, task_vars: dict[str, Any] | None
    ) -> dict[str, tuple[Any, ...]]:
        """Return checksum, owner, group and mode of the files that exist, by path.

        Args:
            folder: the folder of the files.
            names: their names, relative to it.
            is_every: whether other files beside them are meant, too.
            task_vars: the variables of the task.
        """
        paths = [folder / name for name in names]
        folders = sorted({str(folder), *(str(path.parent) for path in paths)})
        arguments = {
            "paths": folders,
            "patterns": ["*"] if is_every else sorted({path.name for path in paths}),
            "hidden": True,
            "get_checksum": True,
            "checksum_algorithm": "sha256",
        }
        listing = self._execute_module("ansible.builtin.find", arguments, task_vars=task_vars)
        if listing.get("failed"):
            raise AnsibleActionFail(f"{', '.join(folders)}: {listing.get('msg', 'no reason given')}")
        return {
            file["path"]: (file.get("checksum"), file["uid"], file["gid"], file["mode"]) for file in listing["files"]
        }

    def _copy(
        self,
        path: PurePosixPath,
        content: str,
        access: Mapping[str, str],
        is_shown: bool,
        task_vars: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Run `ansible.builtin.copy` for one file, and return its result."""
        task = self._task.copy()
        task.args = {"content": content, "dest": str(path), **access}
        task.diff = is_shown
        copy = self._shared_loader_obj.action_loader.get(
            "ansible.builtin.copy",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result: dict[str, Any] = copy.run(task_vars=task_vars)
        return result


def wanted(content: str, group: int, mode: str, owner: int = 0) -> tuple[Any, ...]:
    """Return checksum, owner, group and mode that a file must have."""
    return hashlib.sha256(content.encode()).hexdigest(), owner, group, mode
