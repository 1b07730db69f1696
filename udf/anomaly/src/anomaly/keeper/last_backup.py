"""How old the last backup is, by the record that playbooks/backup.yml leaves in the keeper's folder.

A backup needs the engine, every host and the stack's secrets, none of which the keeper may reach, so the controller
makes it. The keeper tells when the next one does not come. `site.yml` leaves a record where it schedules the first one.
Without a schedule, a stack that nobody has backed up yet has no record.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anomaly.nanoseconds import DAY_NS, SECOND_NS


@dataclass(frozen=True, slots=True)
class LastBackup:
    """Where the record of the last backup is, and how old that may be.

    Attributes:
        record: the file, which need not be there.
        days: after how many days another backup must have been made.
    """

    record: Path
    days: float

    def problem(self, now_ns: int) -> str | None:
        """Say that the next backup is late, or that the record is damaged; empty if all is well, None without a record.

        Args:
            now_ns: the clock.
        """
        try:
            record = json.loads(self.record.read_bytes())
            is_there = "created" in record
            time_text = str(record["created" if is_there else "scheduled"])
            when = datetime.strptime(time_text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except FileNotFoundError:
            return None
        except (OSError, LookupError, TypeError, ValueError) as error:
            return f"the record of the last backup, {self.record}, cannot be read ({error}): run backup.yml"
        age_ns = now_ns - int(when.timestamp()) * SECOND_NS
        if age_ns <= self.days * DAY_NS:
            return ""
        since = f"{when:%Y-%m-%d %H:%M} UTC, {age_ns / DAY_NS:.1f} days ago"
        why = "see why the controller has not run backup.yml"
        if not is_there:
            return f"no backup has come since the first one was scheduled on {since}: {why}"
        return f"the last backup is of {since}, and should be at most {self.days:g} days old: {why}"
