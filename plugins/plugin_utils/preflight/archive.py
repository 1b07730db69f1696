"""Checks of the folder of image archives on the controller. Loading an archive verifies the sums of its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .inventory import Inventory
from .problem import Problem

LIST = "images.json"
SUMS = "SHA256SUMS"


def check(inventory: Inventory, base: Path) -> Iterator[Problem]:
    """Yield the missing parts of the archives that hosts load their images from.

    Args:
        inventory: all hosts.
        base: folder that relative paths start from.
    """
    for host in inventory.stack_hosts():
        folder = host.text("image_archive_dir")
        if not folder or host.text("image_source") not in ("archive", "auto"):
            continue
        missing = _missing(base / folder)
        if missing:
            yield host.problem(
                "image_archive_dir",
                missing,
                "the folder on the controller that playbooks/export-images.yml wrote, complete as it was written",
            )


def _missing(folder: Path) -> str:
    if not folder.is_dir():
        return "there is no such folder on the controller"
    absent = [name for name in (LIST, SUMS) if not (folder / name).is_file()]
    if absent:
        return f"{' and '.join(absent)} is missing in it"
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    names = [line.split(maxsplit=1)[1].lstrip("*") for line in lines if len(line.split(maxsplit=1)) == 2]
    absent = [name for name in names if not (folder / name).is_file()]
    return f"{', '.join(absent)} is missing in it, and SHA256SUMS lists it" if absent else ""
