"""How old the last backup is, by the record that playbooks/backup.yml leaves in the keeper's folder.

A backup needs the engine, every host and the stack's secrets, none of which the keeper may reach, so the controller
makes it. The keeper tells when the next one does not come. A stack that nobody has backed up yet has no record.
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
            created = str(json.loads(self.record.read_bytes())["created"])
            written = datetime.strptime(created, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except FileNotFoundError:
            return None
        except (OSError, LookupError, TypeError, ValueError) as error:
            return f"the record of the last backup, {self.record}, cannot be read ({error}): run backup.yml"
        age_ns = now_ns - int(written.timestamp()) * SECOND_NS
        if age_ns <= self.days * DAY_NS:
            return ""
        return (
            f"the last backup is of {written:%Y-%m-%d %H:%M} UTC, {age_ns / DAY_NS:.1f} days ago, and should be at "
            f"most {self.days:g} days old: see why the controller has not run backup.yml"
        )
