#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: reads what wrote the data of a stack on a managed host, from the data themselves."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stack_data_info
short_description: Read what wrote the data of a stack
description:
  - >-
    Reads the formats of the files of InfluxDB's data, their owners, and what an InfluxDB of another version would not see. Reads the schema of each pipeline's current model, and the layout of each pipeline's
    state.
  - The module changes nothing. It needs Python's standard library alone.
options:
  influxdb:
    description: The folder of InfluxDB's data. One that does not exist, or is not given, has no data.
    type: path
  uid:
    description: Number of the user that InfluxDB runs as.
    type: int
    default: 1500
  gid:
    description: Number of its group.
    type: int
    default: 1500
  models:
    description: The folder of the models.
    type: path
  state:
    description: The folder of what pipelines remember.
    type: path
author:
  - influx-anomaly
attributes:
  check_mode:
    support: full
    description: The module changes nothing in either mode.
"""

EXAMPLES = r"""
- name: Read what wrote the data
  influx_anomaly.stack.stack_data_info:
    influxdb: /srv/influx-anomaly/anomaly/data/influxdb
    models: /srv/influx-anomaly/anomaly/data/models
    state: /srv/influx-anomaly/anomaly/data/state
  register: data
"""

RETURN = r"""
influxdb:
  description: What is known of InfluxDB's data.
  type: dict
  returned: success
  contains:
    owners:
      description: Other owners than uid:gid that files have, such as C(0:0).
      type: list
      elements: str
    shards:
      description: How many shards there are.
      type: int
    in_memory:
      description: How many of them have no index on the disk.
      type: int
    formats:
      description: The numbers of the formats that were found, of C(tsm), C(index) and C(series) files.
      type: dict
    unmerged:
      description: Shards with a log of new fields, which InfluxDB 1.8 does not read.
      type: list
      elements: str
models:
  description: Pipeline to the schema of its current model; null for a manifest that cannot be read.
  type: dict
  returned: success
states:
  description: Pipeline to the layout of its state; null for a file that cannot be read.
  type: dict
  returned: success
"""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

FIELDS_LOG = "fields.idxl"
"""Fields that InfluxDB 1.11 and later have seen since they wrote `fields.idx`; merged when they end in peace."""

SERIES_FILE = "_series"

_TSM = b"\x16\xd1\x16\xd1"
_SERIES = b"SSEG"


def influxdb_data(folder: Path, uid: int, gid: int) -> dict[str, Any]:
    """Return what a folder of InfluxDB's data tells.

    Args:
        folder: has `meta`, `data` and `wal`.
        uid: the user that InfluxDB runs as.
        gid: its group.
    """
    # A database has its retention policies beside the file of its series.
    places = (path for path in folder.glob("data/*/*/*") if path.parent.name != SERIES_FILE)
    shards = sorted(path for path in places if path.name.isdigit() and path.is_dir())
    formats = {
        "tsm": _numbers(_number(path, _TSM) for shard in shards for path in shard.glob("*.tsm")),
        "index": _numbers(_manifest(path) for shard in shards for path in shard.glob("index/*/MANIFEST")),
        "series": _numbers(
            _number(path, _SERIES) for path in folder.glob(f"data/*/{SERIES_FILE}/*/*") if path.is_file()
        ),
    }
    return {
        "owners": sorted(owners(folder) - {f"{uid}:{gid}"}),
        "shards": len(shards),
        "in_memory": sum(not (shard / "index").is_dir() for shard in shards),
        "formats": formats,
        "unmerged": [str(shard.relative_to(folder)) for shard in shards if (shard / FIELDS_LOG).exists()],
    }


def owners(folder: Path) -> set[str]:
    """Return the owners of what is in InfluxDB's own folders, such as `1500:1500`."""
    names = set()
    for name in ("meta", "data", "wal"):
        for place, folders, files in os.walk(folder / name):
            for entry in (".", *folders, *files):
                try:
                    status = Path(place, entry).lstat()
                except FileNotFoundError:
                    # InfluxDB has removed it meanwhile.
                    continue
                names.add(f"{status.st_uid}:{status.st_gid}")
    return names


def model_schemas(folder: Path) -> dict[str, int | None]:
    """Return pipeline to the schema of its current model."""
    return {path.parent.parent.name: _schema(path) for path in sorted(folder.glob("*/current/manifest.json"))}


def state_layouts(folder: Path) -> dict[str, int | None]:
    """Return pipeline to the layout of its state."""
    return {path.stem: _layout(path) for path in sorted(folder.glob("[!.]*.npz"))}


def _schema(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _layout(path: Path) -> int | None:
    """Return the number in a state's header, a text in an array of bytes whose own header ends with a line's end."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read("header.npy")
        return int(json.loads(content.partition(b"\n")[2])["layout"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def _number(path: Path, magic: bytes) -> int | None:
    """Return the number of the format that follows a magic number; None if the file begins otherwise, or is gone."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(magic) + 1)
    except OSError:
        return None
    return begin[-1] if begin.startswith(magic) and len(begin) > len(magic) else None


def _manifest(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _numbers(numbers: Iterator[int | None]) -> list[int]:
    return sorted({number for number in numbers if number is not None})


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "influxdb": {"type": "path"},
            "uid": {"type": "int", "default": 1500},
            "gid": {"type": "int", "default": 1500},
            "models": {"type": "path"},
            "state": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    # A folder that is not given is one that does not exist.
    influxdb, models, state = (Path(params[name] or "/nonexistent") for name in ("influxdb", "models", "state"))
    module.exit_json(
        changed=False,
        influxdb=influxdb_data(influxdb, params["uid"], params["gid"]),
        models=model_schemas(models),
        states=state_layouts(state),
    )


if __name__ == "__main__":
    main()
