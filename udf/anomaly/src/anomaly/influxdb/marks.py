"""Marks of feedback in InfluxDB: the measurement `feedback` of the results database, where people, the command and
Grafana write them.

Tags: `pipeline`, and those of the series that are meant; none means all. Time: the begin. Fields: `kind` (one of
`anomaly.scoring.feedback.KINDS`, or REMOVED), `end_ms` (integer), `note` (string). The same tags and time are the same
mark, so a mark is taken back by overwriting it.
"""

import math
from collections.abc import Iterator

import numpy as np

from anomaly.influxdb.client import Influx
from anomaly.influxdb.influxql import identifier, literal
from anomaly.influxdb.lines import line
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import FALSE_ALARM, KINDS, Appearance, Mark
from anomaly.scoring.results import Result

REMOVED = "removed"
_MEASUREMENT = "feedback"
_MS = 1_000_000


def read_feedback(influx: Influx, database: str, pipeline: Pipeline) -> list[Mark]:
    """All marks of a pipeline that were not taken back, oldest first; with the appearances of false alarms. Raises
    InfluxError."""
    marks = []
    query = (
        f"SELECT {', '.join(map(identifier, ('kind', 'end_ms', 'note')))} FROM {identifier(_MEASUREMENT)}"
        f' WHERE "pipeline" = {literal(pipeline.name)} GROUP BY *'
    )
    for part in influx.query(query, database):
        series = {name: value for name, value in part.tags.items() if name != "pipeline" and value}
        for begin_ns, kind, end_ms, note in part.rows:
            if kind in KINDS:
                # Whoever writes without an end means the window that begins there.
                end_ns = begin_ns + pipeline.window_ns if end_ms is None else int(end_ms) * _MS
                marks.append(Mark(kind, int(begin_ns), end_ns, series, note or ""))
    marks = [_seen(influx, database, pipeline, mark) for mark in marks]
    return sorted(marks, key=lambda mark: (mark.begin_ns, mark.id))


def write_feedback(influx: Influx, database: str, pipeline: str, mark: Mark, kind: str | None = None) -> None:
    """One mark, or, with kind REMOVED, that it is taken back. Raises InfluxError."""
    influx.write([mark_line(pipeline, mark, kind)], database)


def mark_line(pipeline: str, mark: Mark, kind: str | None = None) -> str:
    """A mark, or, with kind REMOVED, that it is taken back, as line protocol."""
    fields: dict[str, float | int | str | bool] = {
        "kind": kind or mark.kind,
        "end_ms": mark.end_ns // _MS,
        "note": mark.note,
    }
    return line(Result(_MEASUREMENT, {"pipeline": pipeline, **mark.series}, mark.begin_ns, fields))


def _seen(influx: Influx, database: str, pipeline: Pipeline, mark: Mark) -> Mark:
    """The mark, with what its windows looked like if it is a false alarm and any of them were anomalous."""
    if mark.kind != FALSE_ALARM:
        return mark
    rows = np.array(list(_appearances(influx, database, pipeline, mark)), dtype=np.float64)
    if not len(rows):
        return mark
    width = len(pipeline.fields)
    contributions, values = rows[:, 1 : width + 1], rows[:, width + 1 :]
    # Of a field that all those windows lack nothing is known, and nothing asked: it had no part in their scores.
    known = np.isfinite(values)
    low = np.where(known.any(axis=0), values.min(axis=0, where=known, initial=np.inf), 0.0)
    high = np.where(known.any(axis=0), values.max(axis=0, where=known, initial=-np.inf), 0.0)
    appearance = Appearance(
        float(rows[:, 0].max()),
        tuple(contributions.mean(axis=0).tolist()),
        tuple(low.tolist()),
        tuple(high.tolist()),
    )
    return Mark(mark.kind, mark.begin_ns, mark.end_ns, mark.series, mark.note, appearance)


def _appearances(influx: Influx, database: str, pipeline: Pipeline, mark: Mark) -> Iterator[list[float]]:
    """Score, contributions and values of the mark's windows that were anomalous, or would be without it: those that are
    scored once more are suppressed, and must not make the mark forget what it was about."""
    names = [f"{what}_{field}" for what in ("contribution", "value") for field in pipeline.fields]
    series = "".join(f" AND {identifier(tag)} = {literal(value)}" for tag, value in mark.series.items())
    query = (
        f'SELECT {", ".join(map(identifier, ["score", *names]))} FROM "score"'
        f' WHERE "pipeline" = {literal(pipeline.name)}{series} AND ("label" = 1 OR "feedback" = {literal(mark.id)})'
        f" AND time > {mark.begin_ns - pipeline.window_ns} AND time < {mark.end_ns}"
    )
    for part in influx.query(query, database):
        for _, *numbers in part.rows:
            # A pipeline that had other fields then has no such numbers; a window that lacked a field has no value.
            if None not in numbers[: len(pipeline.fields) + 1]:
                yield [math.nan if number is None else number for number in numbers]
