"""Action plugin: copies the archive of a backup from the controller to other places, and verifies the copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup_copies
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.backup import BackupError, check_keep


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `places` (list of texts) and `seconds`; without `archive` it only checks that the places can be reached.

    With `archive`, it takes `stack` and `keep` too, and returns `removed`, the names of old copies by place.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("places", "seconds", "archive", "stack", "keep"))

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Copy the archive to each place."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        try:
            places = [backup_copies.place(str(text), int(given["seconds"])) for text in given["places"]]
            check_keep("backup_copies_keep", int(given.get("keep", 0)))
            if not given.get("archive") or self._task.check_mode:
                backup_copies.check(places)
                return {**result, "changed": False}
            archive = Path(given["archive"]).expanduser().absolute()
            removed = backup_copies.send(places, archive, str(given["stack"]), int(given["keep"]))
        except (BackupError, OSError) as error:
            kept = f" The archive itself is whole: {given['archive']}" if given.get("archive") else ""
            raise AnsibleActionFail(f"{error}.{kept}") from None
        return {**result, "changed": bool(places), "removed": removed}
