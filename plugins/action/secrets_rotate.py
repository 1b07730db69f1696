"""Action plugin: begins the rotation of a stack's secrets, on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import is_encrypted_file
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.secret_files import generate, rotate


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `folder`, `names` (secrets that have a file there) and `length` of the new secrets.

    Each file gets a new secret, and the old one stays in the folder's `.previous`. A file that Ansible Vault encrypted
    is encrypted again. Returns `begun`, the names of those whose rotation this run has begun.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the new secrets."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        folder = Path(self._task.args["folder"])
        names = list(self._task.args["names"])
        length = int(self._task.args["length"])
        if self._task.check_mode:
            return {**result, "changed": bool(names), "begun": []}
        begun = []
        try:
            for name in names:
                if rotate(folder, name, lambda name=name: self._content(folder / name, length)):  # type: ignore[misc]
                    begun.append(name)
        except (OSError, AnsibleError) as error:
            raise AnsibleActionFail(
                f"secrets_dir is '{folder}', and a new secret cannot be written there: {error}. Services have their "
                "old secrets. Fix: make the folder writable for the user who runs Ansible, and run this again"
            ) from None
        return {**result, "changed": bool(begun), "begun": begun}

    def _content(self, file: Path, length: int) -> str:
        """Return the content of a secret's file with a new secret."""
        secret = generate(length)
        with file.open("rb") as stream:
            encrypted = is_encrypted_file(stream)
        if encrypted:
            # The loader has no other way to the passphrases that Ansible was started with.
            return str(self._loader._vault.encrypt(secret).decode())
        return f"{secret}\n"
