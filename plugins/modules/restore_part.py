#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: puts the folders of a backup's part into their places on a managed host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: restore_part
short_description: Put folders of a backup into their places
description:
  - >-
    Checks an archive that C(backup_part) wrote, unpacks folders of it beside their places, and then swaps them in.
    A folder that was in a place stays beside it, with the suffix C(.replaced). If one stays there from an earlier
    attempt, it is the original, and what that attempt has put into the place is removed.
  - If anything fails before all folders are unpacked, no place is touched.
options:
  path:
    description: The archive.
    type: path
    required: true
  folders:
    description: The folders. One that the archive lacks becomes an empty folder.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Path in the archive.
        type: str
        required: true
      path:
        description: Its place on the host.
        type: path
        required: true
      uid:
        description: Number of the owner of all that is in it.
        type: int
        required: true
      gid:
        description: Number of the group.
        type: int
        required: true
author:
  - influx-anomaly
attributes:
  check_mode:
    support: full
    description: In check mode the archive is checked, and nothing is written.
"""

EXAMPLES = r"""
- name: Restore the models
  influx_anomaly.stack.restore_part:
    path: /srv/influx-anomaly/anomaly/backup/models.part
    folders:
      - {name: models, path: /srv/influx-anomaly/anomaly/data/models, uid: 1500, gid: 1500}
"""

RETURN = r"""
replaced:
  description: The folders beside the places that hold what was there before.
  type: list
  elements: str
  returned: success
"""

import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.backup_archive import (
    ArchiveError,
    check,
    hand_over,
    swap_in,
    unpack,
    unpacked_size,
)


def beside(place: Path, suffix: str) -> Path:
    """Return the path of a folder's neighbour.

    Args:
        place: the folder.
        suffix: what its neighbour's name ends with.
    """
    return place.with_name(f"{place.name}.{suffix}")


def restore(path: Path, folders: list[dict[str, Any]], check_mode: bool) -> list[str]:
    """Check the archive, unpack the folders and swap them in.

    Args:
        path: the archive.
        folders: as the module's option.
        check_mode: whether to stop after the check.

    Returns:
        The folders that hold what was there before.

    Raises:
        ArchiveError: the archive cannot be used, or there is no room for it.
    """
    manifest = check(path)
    # A link is somebody's way to place a folder on another disk, where its neighbours lie, too.
    places = {entry["name"]: Path(entry["path"]).resolve() for entry in folders}
    mounted = [str(place) for place in places.values() if place.is_mount()]
    if mounted:
        raise ArchiveError(
            f"{', '.join(mounted)} is where a volume is mounted, and cannot be replaced. Fix: mount the volume elsewhere, "
            "and make a link to a folder on it"
        )
    fresh = {name: beside(place, "restored") for name, place in places.items()}
    needed = unpacked_size(manifest, places)
    for place in places.values():
        room = shutil.disk_usage(_existing(place)).free
        if needed > room:
            raise ArchiveError(f"it needs {needed} bytes, and the volume of {place} has {room} left. Fix: make room")
    if check_mode:
        return []
    for folder in fresh.values():
        shutil.rmtree(folder, ignore_errors=True)
    try:
        unpack(path, manifest, fresh)
        for entry in folders:
            hand_over(fresh[entry["name"]], entry["uid"], entry["gid"])
    except (ArchiveError, OSError):
        for folder in fresh.values():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    for name, place in places.items():
        swap_in(fresh[name], place, beside(place, "replaced"))
    return [str(former) for place in places.values() if (former := beside(place, "replaced")).exists()]


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "folders": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "path": {"type": "path", "required": True},
                    "uid": {"type": "int", "required": True},
                    "gid": {"type": "int", "required": True},
                },
            },
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    try:
        replaced = restore(path, module.params["folders"], module.check_mode)
    except (ArchiveError, OSError) as error:
        module.fail_json(msg=f"{path} cannot be restored: {error}")
    module.exit_json(changed=True, replaced=replaced)


if __name__ == "__main__":
    main()
