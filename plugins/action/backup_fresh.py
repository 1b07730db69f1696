"""Action plugin: finds the newest backup of a stack on the controller, and checks that a stack can go back to it.

It is what playbooks/upgrade.yml asks for before it touches anything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes a folder of archives and what the archive must fit.

    The arguments are `folder`, `hours` (how old it may be), `passphrase_file`, `stack`, `versions` (service to the
    version that is deployed), `given` (`secrets_given`) and `wanted` (host to the names of its parts). Returns `path`
    and `about`.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Find the archive, and read and check all of it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        try:
            folder = Path(given["folder"]).expanduser().absolute()
            now = datetime.now(UTC)
            path = backup.fresh(folder, given["stack"], float(given["hours"]), now)
            checked = backup.read(path, backup.load_passphrase(self._loader, given["passphrase_file"]))
            problems = backup.problems(checked, given["stack"], given["versions"], given["given"])
            if problems:
                raise backup.BackupError(f"{path} does not fit: {'; '.join(problems)}")
            lacking = backup.lacking(checked.parts, given["wanted"])
            if lacking:
                raise backup.BackupError(
                    f"{path} has no {' and no '.join(lacking)}, so it is older than these. "
                    "Fix: run playbooks/backup.yml again"
                )
        except (backup.BackupError, OSError) as error:
            raise AnsibleActionFail(f"Nothing was touched. {error}") from None
        return {**result, "changed": False, "path": str(path), "about": dict(checked.about)}
