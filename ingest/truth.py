"""Writes the ground truth, the injected faults, into a file, so that found periods can be compared with it."""

import json
from pathlib import Path
from typing import Any

from ingest.stream import DeviceStream
from ingest.times import format_time


def truth_document(stream: DeviceStream, database: str, measurement: str) -> dict[str, Any]:
    """Return the ground truth as plain data; faults are half-open intervals ``[from, to)``.

    Args:
        stream: the stream.
        database: the database that it is written to.
        measurement: the measurement that it is written to.
    """
    process = stream.process
    return {
        "schema": 1,
        "database": database,
        "measurement": measurement,
        "tag": process.name,
        f"{process.name}s": list(process.device_names(stream.devices)),
        "seed": stream.seed,
        "step_ms": stream.step_ms,
        **_interval(stream.begin_ms, stream.end_ms),
        "faults": [
            {
                "id": fault.id,
                "kind": fault.kind,
                process.name: process.device_name(fault.device),
                "fields": list(fault.fields),
                **_interval(fault.begin_ms, fault.end_ms),
                "strength": fault.strength or None,
            }
            for fault in stream.faults
        ],
    }


def write_truth(path: Path, document: dict[str, Any]) -> None:
    """Write the ground truth as JSON, and make the file's folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _interval(begin_ms: int, end_ms: int) -> dict[str, Any]:
    return {"from": format_time(begin_ms), "to": format_time(end_ms), "from_ms": begin_ms, "to_ms": end_ms}
