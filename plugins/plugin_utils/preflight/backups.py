"""Checks of backups: their schedule, which the controller's crontab holds, their places and their numbers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import backup_copies
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.backup import BackupError

from .inventory import Host, Inventory
from .problem import Problem

_FIELD = r"(\*|[0-9a-z]+(-[0-9a-z]+)?)(/[0-9]+)?"
_SCHEDULE = re.compile(rf"{_FIELD}(,{_FIELD})*( +{_FIELD}(,{_FIELD})*){{4}}", re.IGNORECASE)


# Numbers that a role's type allows below their least value: the least, its meaning, and the default.
_NUMBERS = {
    "backup_keep": (0, "0 keeps all archives", 7),
    "backup_copies_keep": (0, "0 keeps all copies", 7),
    "backup_timeout": (1, "InfluxDB needs some seconds", 7200),
    "keeper_backup_days": (0, "0 warns of nothing", 7),
    "upgrade_backup_hours": (0, "0 accepts no backup", 24),
    "upgrade_patience": (0, "0 looks once", 300),
}


def check(inventory: Inventory) -> Iterator[Problem]:
    """Check places and numbers of backups, and that crontab can start them where a schedule wants it to."""
    for host in inventory.stack_hosts():
        yield from _numbers(host)
        yield from _places(host)
        if host.text("backup_schedule"):
            yield from _schedule(host)


def _numbers(host: Host) -> Iterator[Problem]:
    for variable, (least, meaning, usual) in _NUMBERS.items():
        try:
            number = float(host.text(variable))
        except ValueError:
            continue  # another check reports the wrong type
        if not number >= least:
            yield host.problem(variable, f"is less than {least}", f"{least} or more, such as {usual}; {meaning}")


def _places(host: Host) -> Iterator[Problem]:
    places = host.effective.get("backup_copies")
    for text in places if isinstance(places, list) else ():
        try:
            backup_copies.place(str(text), 1)
        except BackupError as error:
            yield host.problem(
                "backup_copies", "is not a place for copies", str(error).partition("Fix: ")[2], value=str(text)
            )


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
