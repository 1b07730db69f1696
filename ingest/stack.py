"""Finds the InfluxDB of a deployed stack, and its user for writers, in the summary that ``site.yml`` records."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.errors import IngestError

ROOT = Path(__file__).resolve().parents[1]
_SUMMARY = "summary.json"


@dataclass(frozen=True)
class Destination:
    """Where a stack's writers write.

    Attributes:
        url: the address of InfluxDB.
        username: the user for writers.
        password_file: the file with the user's password; None if the inventory gives the password.
        ca_file: the file with the authorities of the stack's certificates; None: the system's.
    """

    url: str
    username: str
    password_file: Path | None
    ca_file: Path | None = None


def find_writer(place: Path, root: Path = ROOT) -> Destination:
    """Return where the writers of a deployed stack write.

    Args:
        place: the stack's ``summary.json``, or the inventory that it was deployed from.
        root: the repository.

    Raises:
        IngestError: there is no summary, there are several, or it lacks what is needed.
    """
    path = place if place.is_file() and place.suffix == ".json" else _summary_of(place, root)
    try:
        summary: Any = json.loads(path.read_text(encoding="utf-8"))
        influxdb = summary["influxdb"]
        url, username = influxdb["url"], influxdb["writer"]["username"]
        file = influxdb["writer"]["password_file"]
        # Summaries of earlier releases have none.
        ca_file = summary.get("ca_file")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IngestError(
            f"--stack {place}: {path} does not say where InfluxDB is ({error!r}). Fix: run playbooks/site.yml, "
            "or give --url, --username and --password-file"
        ) from error
    if not url:
        raise IngestError(f"--stack {place}: {path} has no address of InfluxDB. Fix: give --url")
    return Destination(url, username, root / file if file else None, root / ca_file if ca_file else None)


def record_folder(inventory: Path, root: Path = ROOT) -> Path:
    """Return the folder of the records of an inventory's stacks, as the default of `stack_record_dir` has it.

    Args:
        inventory: folder or file.
        root: the repository.
    """
    folder = inventory.parent if inventory.is_file() else inventory
    return root / "build" / folder.resolve().name


def _summary_of(inventory: Path, root: Path) -> Path:
    """Return the only summary of an inventory's stacks."""
    folder = record_folder(inventory, root)
    summaries = sorted(folder.glob(f"*/{_SUMMARY}"))
    if not summaries:
        raise IngestError(
            f"--stack {inventory}: {folder} has no {_SUMMARY} of a deployed stack. Fix: run playbooks/site.yml first; "
            f"if the inventory sets stack_record_dir, name the {_SUMMARY} there"
        )
    if len(summaries) > 1:
        names = ", ".join(str(path.relative_to(root)) for path in summaries)
        raise IngestError(f"--stack {inventory}: it has several stacks. Fix: --stack with one of {names}")
    return summaries[0]
