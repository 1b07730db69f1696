#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: archives folders of a managed host as one part of a backup, while services write into them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_part
short_description: Archive folders of a host as a part of a backup
description:
  - >-
    Writes folders, and consistent copies of SQLite databases that are in use, into one archive with a manifest and the
    SHA-256 of every file.
  - The archive is read again and checked before the module ends. If a file is removed meanwhile, the module begins anew.
options:
  path:
    description: The archive, which only I(uid) may read. A file of that name is replaced.
    type: path
    required: true
  folders:
    description: The folders. One that does not exist is left out.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Path in the archive.
        type: str
        required: true
      path:
        description: The folder on the host.
        type: path
        required: true
      only:
        description: Shell-like patterns of the names directly in the folder that are taken.
        type: list
        elements: str
        default: ["*"]
      skip:
        description: Shell-like patterns of names that are left out, at every depth.
        type: list
        elements: str
        default: []
  sqlite:
    description: SQLite databases, as path in the archive to path on the host. One that does not exist is left out.
    type: dict
    default: {}
  about:
    description: What the archive is of; kept in its manifest.
    type: dict
    default: {}
  compress:
    description: Whether to compress the archive.
    type: bool
    default: false
  uid:
    description: Number of the user who gets the archive.
    type: int
    required: true
author:
  - influx-anomaly
attributes:
  check_mode:
    support: full
    description: In check mode nothing is written.
"""

EXAMPLES = r"""
- name: Archive the models
  influx_anomaly.stack.backup_part:
    path: /srv/influx-anomaly/anomaly/backup/models.part
    folders:
      - {name: models, path: /srv/influx-anomaly/anomaly/data/models}
    uid: 1000
"""

RETURN = r"""
files:
  description: How many files the archive has.
  type: int
  returned: success, but not in check mode
bytes:
  description: How many bytes these have.
  type: int
  returned: success, but not in check mode
"""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.backup_archive import (
    ArchiveError,
    ArchiveWriter,
    VanishedError,
    check,
)

ATTEMPTS = 5


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database that may be in use, by SQLite's online backup.

    Args:
        source: the database.
        target: the copy.
    """
    address = f"file:{quote(str(source))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=60)) as database, closing(sqlite3.connect(target)) as copy:
        database.backup(copy)


def write(params: dict[str, Any]) -> dict[str, Any]:
    """Write the archive and check it.

    Args:
        params: the module's parameters.

    Returns:
        The manifest of what was written.

    Raises:
        VanishedError: a file was removed meanwhile.
        ArchiveError: something cannot be archived.
    """
    path = Path(params["path"])
    path.unlink(missing_ok=True)
    with ArchiveWriter(path, compress=params["compress"]) as writer:
        for folder in params["folders"]:
            if Path(folder["path"]).is_dir():
                writer.add_tree(folder["name"], Path(folder["path"]), folder["only"], folder["skip"])
        for name, source in params["sqlite"].items():
            if Path(source).is_file():
                with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
                    copy = Path(scratch) / "copy"
                    copy_sqlite(Path(source), copy)
                    writer.add_file(name, copy)
        writer.finish(params["about"])
    os.chown(path, params["uid"], -1)
    return check(path)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "folders": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "path": {"type": "path", "required": True},
                    "only": {"type": "list", "elements": "str", "default": ["*"]},
                    "skip": {"type": "list", "elements": "str", "default": []},
                },
            },
            "sqlite": {"type": "dict", "default": {}},
            "about": {"type": "dict", "default": {}},
            "compress": {"type": "bool", "default": False},
            "uid": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True)
    gone = ""
    for _ in range(ATTEMPTS):
        try:
            manifest = write(module.params)
        except VanishedError as error:
            gone = str(error)
        except (ArchiveError, OSError, sqlite3.Error) as error:
            module.fail_json(msg=f"{module.params['path']} could not be written: {error}")
        else:
            sizes = [entry["size"] for entry in manifest["files"].values()]
            module.exit_json(changed=True, files=len(sizes), bytes=sum(sizes))
    module.fail_json(
        msg=f"{module.params['path']} could not be written: files are removed while they are read, {gone} the last. "
        "Fix: wait until trainings and deployments have ended, and run this again"
    )


if __name__ == "__main__":
    main()
