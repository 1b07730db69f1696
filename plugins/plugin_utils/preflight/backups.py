"""Checks of the schedule of backups, which the controller's crontab holds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from .inventory import Host, Inventory
from .problem import Problem

_FIELD = r"(\*|[0-9a-z]+(-[0-9a-z]+)?)(/[0-9]+)?"
_SCHEDULE = re.compile(rf"{_FIELD}(,{_FIELD})*( +{_FIELD}(,{_FIELD})*){{4}}", re.IGNORECASE)


def check(inventory: Inventory) -> Iterator[Problem]:
    """Check that crontab can start backups where a schedule wants it to."""
    for host in inventory.stack_hosts():
        if host.text("backup_schedule"):
            yield from _schedule(host)


def _schedule(host: Host) -> Iterator[Problem]:
    if not _SCHEDULE.fullmatch(host.text("backup_schedule").strip()):
        yield host.problem(
            "backup_schedule",
            "is not a time as crontab has it",
            "five fields (minute, hour, day, month, day of the week), such as 10 2 * * * for ten past two each night",
        )
    if shutil.which("crontab") is None:
        yield host.problem(
            "backup_schedule",
            "the program crontab is not installed on the controller",
            "install cron there, or leave backup_schedule empty and start playbooks/backup.yml by a timer of yours",
        )
    file = host.text("backup_passphrase_file")
    if not Path(file).expanduser().is_absolute():
        yield host.problem(
            "backup_passphrase_file",
            "does not name the file of the passphrase by its whole path, which backup_schedule needs",
            "a path such as ~/backup-passphrase, in the inventory (docs/operations.md#back-up)",
        )
