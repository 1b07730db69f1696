"""The data path, run once: history, training, a stream with faults, and what came out of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.data import (
    HISTORY_BEGIN,
    HISTORY_END,
    STREAM_END,
    ns,
    write_printer_stream,
    write_printers,
    write_rooms,
)  # fmt: skip
from tests.integration.influx import Influx
from tests.integration.playbook import PlayResult
from tests.integration.stack import Files, Stack
from tests.integration.waiting import wait_for
from tests.integration.watch import Watch

Row = dict[str, Any]

# Where alerts say that the console is.
CONSOLE = "https://console.example"
ALERTS_IN_A_FILE: Row = {"id": "file", "kind": "log", "options": {"path": "/var/log/kapacitor/alerts.log"}}
"""A handler that keeps what people would be told."""


@dataclass(frozen=True)
class Results:
    """What was seen on the way, and queries for what came out.

    Attributes:
        influx: as a user who may read sources and results.
        truth: the faults that were injected into the printers' stream.
        scores_before_training: what was scored of the history.
        kapacitor_log_before_training: Kapacitor's log at that time.
        training: the first run of train.yml.
        second_training: the run after it.
        models: files of the models after the first run.
        models_after_second_training: likewise.
        training_containers: what the engine said of the containers that trained, or found nothing to train.
        incarnations_before: containers before the training.
        incarnations_after: containers after the stream.
    """

    influx: Influx
    truth: list[Row]
    scores_before_training: list[Row]
    kapacitor_log_before_training: str
    training: PlayResult
    second_training: PlayResult
    models: Files
    models_after_second_training: Files
    training_containers: list[Row]
    incarnations_before: dict[str, tuple[str, str]]
    incarnations_after: dict[str, tuple[str, str]]

    def faults(self, printer: str | None = None, kind: str | None = None) -> list[Row]:
        """Injected faults of the printers."""
        return [fault for fault in self.truth if printer in (None, fault["printer"]) and kind in (None, fault["kind"])]

    def scores(self, pipeline: str, **tags: str) -> list[Row]:
        """Points of `score`."""
        return read(self.influx, "score", pipeline, **tags)

    def periods(self, pipeline: str, **tags: str) -> list[Row]:
        """Points of `period`."""
        return read(self.influx, "period", pipeline, **tags)

    def field_types(self, measurement: str) -> dict[str, str]:
        """Field to type."""
        rows = self.influx.rows(f"SHOW FIELD KEYS FROM {measurement}", "anomaly")
        return {row["fieldKey"]: row["fieldType"] for row in rows}


def alerts(stack: Stack) -> list[Row]:
    """What `ALERTS_IN_A_FILE` was told, in order."""
    text = (stack.dir / "log" / "kapacitor" / "alerts.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def told(stack: Stack) -> dict[str, list[str]]:
    """Each alert's levels, in order."""
    levels: dict[str, list[str]] = {}
    for alert in alerts(stack):
        levels.setdefault(alert["id"], []).append(alert["level"])
    return levels


def read(influx: Influx, measurement: str, pipeline: str, **tags: str) -> list[Row]:
    """Points of a measurement of the results, by time, with tags as columns."""
    conditions = " AND ".join(f"\"{key}\" = '{value}'" for key, value in {"pipeline": pipeline, **tags}.items())
    return influx.rows(f"SELECT * FROM {measurement} WHERE {conditions}", "anomaly")


def produce(stack: Stack, folder: Path) -> Results:
    """Writes the history, trains twice, writes the stream, and waits until its last window has come out."""
    influx = stack.influx("reader")
    # What it could not do, it tries again in an hour: from here on the keeper leaves the printers to train.yml.
    wait_for(lambda: b'"status": "refused"' in stack.container("keeper").logs(), "the keeper", explain=stack.logs)
    write_printers(stack, HISTORY_BEGIN, "4h")
    write_rooms(stack, HISTORY_BEGIN, HISTORY_END, folder)
    log = stack.kapacitor_log
    wait_for(
        lambda: log.read_text().count("no model yet") >= 2, "both UDFs to have seen the history", explain=stack.logs
    )
    scores_before, log_before = influx.rows("SELECT * FROM score", "anomaly"), log.read_text()
    incarnations = stack.settled().incarnations()
    with Watch(stack) as watch:
        training = stack.play("train")
        models = model_files(stack)
        second_training = stack.play("train", train_if_needed=True)
    models_again = model_files(stack)
    stack.settled()
    truth = write_printer_stream(stack, folder)
    write_rooms(stack, HISTORY_END, STREAM_END, folder)
    # The last windows, which end when no point has come for a while.
    for pipeline, step_s, series in (("printer", 10, 2), ("rooms", 60, 2)):
        last = ns(STREAM_END) - step_s * 10**9
        wait_for(
            lambda pipeline=pipeline, last=last, series=series: (
                sum(row["time"] >= last for row in read(influx, "score", pipeline)) >= series
            ),  # type: ignore[misc]
            f"the last scores of {pipeline}",
            explain=stack.logs,
        )
    return Results(
        influx, truth, scores_before, log_before, training, second_training, models, models_again, watch.seen,
        incarnations, stack.incarnations(),
    )  # fmt: skip


def model_files(stack: Stack) -> Files:
    """The files of all models; a version that is made anew has another name."""
    return {path: state for path, state in stack.files().items() if path.startswith("stack/data/models/")}
