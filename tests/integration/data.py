"""The data of the tests, written the way a user writes them: `python -m ingest`."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import yaml

from ingest.passwords import VARIABLE
from tests.integration.pipelines import HISTORY, ROOMS, STREAM_HOURS
from tests.integration.playbook import ROOT

HISTORY_BEGIN, HISTORY_END = (datetime.fromisoformat(time) for time in HISTORY)
STREAM_END = HISTORY_END + timedelta(hours=STREAM_HOURS)

SEED = "2"
"""The seed of the printers' noise."""

FAULTS: list[dict[str, Any]] = [
    {"kind": "gap", "printer": 2, "fields": "all", "at": "20m", "for": "5m"},
    {"kind": "offset", "printer": 1, "fields": ["bed"], "at": "30m", "for": "5m", "strength": 10},
    {"kind": "sigma", "printer": 2, "fields": "all", "at": "1h", "for": "5m", "strength": 6},
    {"kind": "stuck", "printer": 1, "fields": ["hotend"], "at": "1h30m", "for": "10m"},
]
"""What goes wrong with the printers, relative to the stream's begin."""

STUFFY = ("a", HISTORY_END + timedelta(minutes=40), HISTORY_END + timedelta(minutes=50))
"""What goes wrong with the rooms: room, from, to."""


def ns(time: datetime) -> int:
    """Nanoseconds since 1970."""
    return int(time.timestamp()) * 1_000_000_000


class Target(Protocol):
    """Where data go."""

    @property
    def influxdb_url(self) -> str:
        """InfluxDB's API."""

    @property
    def ca_file(self) -> Path | None:
        """The authorities that its certificate is trusted with; None without TLS."""

    def user(self, name: str) -> tuple[str, str]:
        """Name and password of one of InfluxDB's users."""


def ingest(stack: Target, *arguments: str) -> None:
    """Runs `python -m ingest` as the stack's writer."""
    username, password = stack.user("writer")
    trusted = ["--ca-file", str(stack.ca_file)] if stack.ca_file else []
    run = subprocess.run(
        [sys.executable, "-m", "ingest", *arguments, "--url", stack.influxdb_url, "--username", username, *trusted],
        cwd=ROOT,
        env=os.environ | {VARIABLE: password},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"ingest {' '.join(arguments)} exited {run.returncode}: {run.stdout}{run.stderr}"


def write_printers(stack: Target, begin: datetime, length: str, *arguments: str) -> None:
    """Two printers, a point a second, whose noise has no window of chance that four hours of history call rare."""
    common = ["--length", length, "--printers", "2", "--seed", SEED]
    ingest(stack, "printer", "--start", begin.isoformat(), *common, *arguments)


def write_printer_stream(stack: Target, folder: Path) -> list[dict[str, Any]]:
    """The two hours with faults; returns the ground truth (`printer`, `from_ms`, `to_ms`, `kind`, ...)."""
    (folder / "faults.yml").write_text(yaml.safe_dump(FAULTS))
    truth = folder / "truth.json"
    faults = ["--faults", str(folder / "faults.yml"), "--truth", str(truth)]
    write_printers(stack, HISTORY_END, f"{STREAM_HOURS}h", *faults)
    found: list[dict[str, Any]] = json.loads(truth.read_text())["faults"]
    return found


def write_rooms(
    stack: Target, begin: datetime, end: datetime, folder: Path, stuffy: tuple[str, datetime, datetime] = STUFFY
) -> None:
    """Two rooms on two floors, four points a minute, from a CSV file; `stuffy` is what goes wrong with them."""
    file = folder / f"rooms-{begin:%H%M}.csv"
    with file.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(["time", "room", "floor", "co2", "humidity"])
        writer.writerows(_climate(begin, end, stuffy))
    ingest(
        stack,
        *("csv", str(file), "--time-column", "time"),
        *("--tag", "room", "--tag", "floor", "--field", "humidity", "--integer", "co2", "--field", "co2"),
        *("--database", str(ROOMS["database"]), "--measurement", str(ROOMS["measurement"])),
    )


def _climate(begin: datetime, end: datetime, stuffy: tuple[str, datetime, datetime]) -> Iterator[list[Any]]:
    room, stuffy_from, stuffy_to = stuffy
    time = begin
    while time < end:
        for name, floor in (("a", "1"), ("b", "2")):
            noise = random.Random(f"{name} {time.isoformat()}")  # noqa: S311 - reproducible on purpose
            # Ups and downs of an hour, which four hours of history know.
            co2 = 600 + 20 * math.sin(time.timestamp() / 600) + noise.gauss(0, 10)
            if name == room and stuffy_from <= time < stuffy_to:
                co2 += 900
            yield [time.astimezone(UTC).isoformat(), name, floor, round(co2), round(45 + noise.gauss(0, 1), 2)]
        time += timedelta(seconds=15)
