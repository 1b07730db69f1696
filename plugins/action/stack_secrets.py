"""Action plugin: reads a stack's secrets on the controller, and generates those that are missing.

Everything here is the controller's and belongs to the user who runs Ansible, whoever the hosts' tasks become. Several
hosts may run it at the same time: a secret that is there is never replaced.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.secret_files import (
    PREVIOUS,
    generate,
    missing,
    rotating,
    too_open,
    write,
)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `folder`, `names`, `given` (name to value), `length`, and `generate` (false: write nothing).

    Returns `secrets`, name to value; `missing`, the names that were neither given nor in a file before the run; and
    `previous`, name to the old value of each secret whose rotation is not done.
    A secret that is not written, in check mode or without `generate`, gets a throw-away value, so that a dry run goes
    on as the real run would.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the secrets, after writing the missing ones."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        folder = Path(arguments["folder"])
        names = list(arguments["names"])
        given = dict(arguments["given"])
        length = int(arguments["length"])
        result["missing"] = missing(folder, names, given)
        changed = False
        if arguments.get("generate", True):
            try:
                changed = self._ensure(folder, result["missing"], length)
            except OSError as error:
                raise AnsibleActionFail(
                    f"secrets_dir is '{folder}', and {error.filename or folder} cannot be written: {error.strerror}. "
                    "Fix: make it writable for the user who runs Ansible, or set secrets_dir to another folder"
                ) from None
        result["secrets"] = {name: self._value(folder, name, given, length) for name in names}
        result["previous"] = {name: self._read(folder / PREVIOUS / name) for name in rotating(folder, names)}
        result["changed"] = changed
        return result

    def _ensure(self, folder: Path, names: list[str], length: int) -> bool:
        """Write the missing secrets, keep all of them to their owner, and tell whether there was anything to do."""
        if self._task.check_mode:
            return bool(names) or (folder.is_dir() and bool(too_open(folder)))
        for name in names:
            write(folder, name, generate(length))
        opened = too_open(folder) if folder.is_dir() else []
        for path, mode in opened:
            with contextlib.suppress(FileNotFoundError):
                path.chmod(mode)
        return bool(names or opened)

    def _value(self, folder: Path, name: str, given: Mapping[str, Any], length: int) -> Any:
        if name in given:
            return given[name]
        if (folder / name).is_file():
            return self._read(folder / name)
        return generate(length)

    def _read(self, file: Path) -> str:
        """Return a secret, through Ansible's loader, as the files may be encrypted with Ansible Vault."""
        return str(self._loader.get_text_file_contents(str(file))).rstrip()
