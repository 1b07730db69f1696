"""Action plugin that writes the bill of materials of an exported image on the controller.

An action, since the archive is on the controller. plugin_utils/image_bom says what a bill holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_archive import ImageArchiveError
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_bom import bill


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `archive`, a file of `docker save`, `image`, its name and tag, and `dest`, the file to write.

    A bill that is at least as new as its archive stays.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("archive", "image", "dest"))

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the bill unless it is there."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        archive, dest = Path(self._task.args["archive"]), Path(self._task.args["dest"])
        name, _, version = str(self._task.args["image"]).rpartition(":")
        is_there = dest.is_file() and (not archive.is_file() or dest.stat().st_mtime >= archive.stat().st_mtime)
        if is_there or self._task.check_mode:
            return {**result, "changed": not is_there}
        try:
            text = bill(name, version, archive)
            dest.write_text(text, encoding="utf-8")
            dest.chmod(0o644)
        except (ImageArchiveError, OSError) as error:
            raise AnsibleActionFail(f"no bill of materials of {name}:{version}: {error}") from None
        return {**result, "changed": True}
