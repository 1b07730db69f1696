"""Action plugin: writes a JSON document on the controller, as the user who runs Ansible.

An action does this in Ansible's own process, whoever the hosts' tasks become, and starts no Python of its own as
`ansible.builtin.copy` with `delegate_to: localhost` does.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `path`, `content` (what is written, as JSON with sorted keys) and `mode`; makes the folder if need be."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the file if its content or its mode is another."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        path = Path(arguments["path"])
        text = json.dumps(arguments["content"], indent=4, sort_keys=True) + "\n"
        mode = int(str(arguments["mode"]), 8)
        try:
            before = path.read_text(encoding="utf-8") if path.is_file() else None
            is_same = before == text and path.stat().st_mode & 0o7777 == mode
            if not is_same and not self._task.check_mode:
                write(path, text, mode)
        except OSError as error:
            raise AnsibleActionFail(
                f"{path} cannot be written on the controller: {error.strerror}. "
                "Fix: make its folder writable for the user who runs Ansible, or set stack_record_dir to another"
            ) from None
        result["changed"] = not is_same
        if self._task.diff and not is_same:
            result["diff"] = {
                "before": before or "",
                "after": text,
                "before_header": str(path),
                "after_header": str(path),
            }
        return result


def write(path: Path, text: str, mode: int) -> None:
    """Write a file as a whole: whoever reads it sees the old or the new one.

    Args:
        path: the file; its folder is made if need be.
        text: its content.
        mode: its permissions.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
