"""`anomaly what-if`: what a changed pipeline would have found on history, next to what it finds now.

With `--serve` it is a process of the console: it reads lines of JSON, and answers with lines of JSON. The first line
asks for a trial (`changes`, `from`, `to`). While the trial runs, lines tell how far it is. Each later line moves the
severities (`open`, `close`). The process ends with its input.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, connect, out, parse_document, read_pipelines, result, say
from anomaly.console.trial import Trial, TrialRequest, changed_pipeline
from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.models.store import StoreError
from anomaly.pipeline import Pipeline, SpecError
from anomaly.refusal import Refused
from anomaly.training.progress import Progress, progress, warning

_WRONG = (SpecError, InfluxClientError, StoreError, Refused)
_ROWS = (
    ("model", "model"),
    ("windows scored", "windows"),
    ("anomalous periods", "periods"),
    ("known faults found", "found"),
    ("share of their time covered", "coverage"),
    ("median delay, windows", "delay_windows"),
    ("false periods a day", "false_per_day"),
    ("periods a day that nobody has judged", "unjudged_per_day"),
)


def what_if(options: argparse.Namespace) -> int:
    """Try a changed pipeline on history, and print both sides.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification, the changes or a time are not valid.
        UsageError: the options do not go together, or a file cannot be read.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the models cannot be read.
        Refused: the change cannot be trained, or nothing could be scored.
    """
    pipeline = choose(read_pipelines(options.spec), options.pipeline)

    def make_client() -> InfluxClient:
        return connect(options)

    if options.serve:
        return _serve(options, pipeline, make_client)
    if options.changes is None:
        raise UsageError("--changes: is missing: name a file with the keys that change, or - for stdin")
    changes = _read_changes(options.changes)
    request = _request(options, pipeline, {"changes": changes, "from": options.begin, "to": options.end})
    content = Trial(request, make_client, progress()).run()
    out(json.dumps(content, ensure_ascii=False) if options.json else text(content))
    return codes.DONE


def text(content: Mapping[str, Any]) -> str:
    """Return both sides of a trial as a table, and what a reader must know of it."""
    now, then = content["now"], content["then"]
    rows = [("", "as it is", "with the change")]
    for label, key in _ROWS:
        rows.append((label, "-" if now is None else _figure(now, key), _figure(then, key)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{content['pipeline']}, {content['from']} to {content['to']}"]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if content["without_model"]:
        lines.append(f"There is nothing to compare with: {content['without_model']}.")
    if content["trained"]:
        lines.append("The change needs a model of its own, which was trained for this and is gone again.")
    if content["seen"]:
        lines.append("The model was trained on a part of this range, so it looks better than it is.")
    return "\n".join(lines)


def _figure(side: Mapping[str, Any], key: str) -> str:
    value = side.get(key)
    if key == "windows":
        value = side["windows"].get("scored windows", 0)
    elif key == "periods":
        value = len(side["periods"])
    elif key == "found":
        return f"{side['found']} of {side['labelled']}"
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _read_changes(name: str) -> dict[str, Any]:
    try:
        content = parse_document(name, sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--changes: {name} cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise UsageError(f"--changes: {name} is not a mapping: write the keys of the pipeline that change")
    return content


def _request(options: argparse.Namespace, pipeline: Pipeline, asked: Mapping[str, Any]) -> TrialRequest:
    return TrialRequest(
        pipeline,
        changed_pipeline(pipeline, asked["changes"]),
        Path(options.models),
        options.results_database,
        asked.get("from") or "24h",
        asked.get("to") or "0s",
    )


def _serve(options: argparse.Namespace, pipeline: Pipeline, make_client: Callable[[], InfluxClient]) -> int:
    # Pages and detection come first.
    os.nice(10)
    line = sys.stdin.readline()
    try:
        trial = Trial(_request(options, pipeline, json.loads(line)), make_client, JsonLines())
        result({"result": trial.run()})
    except _WRONG as error:
        result({"error": str(error)})
        return codes.REFUSED
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            result({"moved": trial.moved(asked["open"], asked["close"])})
        except SpecError as error:
            result({"error": str(error)})
    return codes.DONE


class JsonLines(Progress):
    """Progress as lines of JSON."""

    def say(self, message: str) -> None:
        """Say it to people, too."""
        say(message)
        result({"progress": message})

    def note(self, message: str) -> None:
        """Say it as a warning."""
        self.say(warning(message))

    def at(self, share: float, what: str) -> None:
        """Tell how far the work is."""
        result({"progress": what, "share": round(share, 3)})
