"""Marks of feedback in InfluxDB: the measurement `feedback` of the results database.

People, the command `anomaly feedback`, a backtest's page and Grafana write marks there. The tags of a point are
`pipeline` and the tags of the series that the mark is about; a point without series tags is about all series. The time
is the mark's begin. The fields are `kind` (one of `anomaly.scoring.feedback.KINDS`, or REMOVED), `end_ms` (integer) and
`note` (string). Points with equal tags and time are one mark, so a mark is removed by overwriting it.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import identifier, literal
from anomaly.influxdb.lines import line
from anomaly.models.store import exclusive
from anomaly.nanoseconds import MS_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import FALSE_ALARM, KINDS, Appearance, Mark
from anomaly.scoring.feedback_file import feedback_path, write_marks
from anomaly.scoring.results import Result
from anomaly.windows.cut import cut_of

REMOVED = "removed"
_MEASUREMENT = "feedback"


def read_feedback(influx: InfluxClient, database: str, pipeline: Pipeline) -> list[Mark]:
    """Read all marks of a pipeline that were not removed.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipeline: the pipeline.

    Returns:
        The marks, oldest first; false alarms know what their windows looked like.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    marks = []
    query = (
        f"SELECT {', '.join(map(identifier, ('kind', 'end_ms', 'note')))} FROM {identifier(_MEASUREMENT)}"
        f' WHERE "pipeline" = {literal(pipeline.name)} GROUP BY *'
    )
    for chunk in influx.query(query, database):
        series = {name: value for name, value in chunk.tags.items() if name != "pipeline" and value}
        for begin_ns, kind, end_ms, note in chunk.rows:
            if kind in KINDS:
                # A mark without an end is about the window that begins there.
                end_ns = cut_of(pipeline).end(int(begin_ns)) if end_ms is None else int(end_ms) * MS_NS
                marks.append(Mark(kind, int(begin_ns), end_ns, series, note or ""))
    marks = [with_appearance(influx, database, pipeline, mark) for mark in marks]
    return sorted(marks, key=lambda mark: (mark.begin_ns, mark.id))


def write_feedback(influx: InfluxClient, database: str, pipeline: str, mark: Mark, kind: str | None = None) -> None:
    """Write one mark.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipeline: the pipeline's name.
        mark: the mark.
        kind: REMOVED removes the mark; None writes it with its own kind.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    influx.write([mark_line(pipeline, mark, kind)], database)


def keep_mark(
    influx: InfluxClient, database: str, models: Path, pipeline: Pipeline, mark: Mark, kind: str | None = None
) -> list[Mark]:
    """Write one mark, and hand all marks of its pipeline to the running UDFs.

    Args:
        influx: the server that holds the results.
        database: the results database.
        models: the folder of the models.
        pipeline: the pipeline.
        mark: the mark.
        kind: as for `write_feedback`.

    Returns:
        All marks of the pipeline, as `read_feedback` returns them.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the file of marks cannot be written.
    """
    write_feedback(influx, database, pipeline.name, mark, kind)
    return hand_marks_over(influx, database, models, pipeline)


def hand_marks_over(influx: InfluxClient, database: str, models: Path, pipeline: Pipeline) -> list[Mark]:
    """Hand all marks of a pipeline to the running UDFs, and return them; the arguments are those of `keep_mark`."""
    path = feedback_path(models, pipeline.name)
    # Whoever comes second reads what the first one has written.
    with exclusive(path.parent):
        marks = read_feedback(influx, database, pipeline)
        write_marks(path, marks)
    return marks


def mark_line(pipeline: str, mark: Mark, kind: str | None = None) -> str:
    """Return the line protocol of one mark; the arguments are those of `write_feedback`."""
    fields: dict[str, float | int | str | bool] = {
        "kind": kind or mark.kind,
        "end_ms": mark.end_ns // MS_NS,
        "note": mark.note,
    }
    return line(Result(_MEASUREMENT, {"pipeline": pipeline, **mark.series}, mark.begin_ns, fields))


def with_appearance(influx: InfluxClient, database: str, pipeline: Pipeline, mark: Mark) -> Mark:
    """Return a false alarm with what its anomalous windows looked like; other marks as they are.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipeline: the pipeline.
        mark: the mark, which need not be written yet.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    if mark.kind != FALSE_ALARM:
        return mark
    rows = np.array(list(_anomalous_windows(influx, database, pipeline, mark)), dtype=np.float64)
    if not len(rows):
        return mark
    width = len(pipeline.fields)
    contributions, values = rows[:, 1 : width + 1], rows[:, width + 1 :]
    # A field that all these windows lack had no part in their scores, so its range does not matter.
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


def _anomalous_windows(influx: InfluxClient, database: str, pipeline: Pipeline, mark: Mark) -> Iterator[list[float]]:
    """Yield score, contributions and values of the mark's windows that were anomalous, or would be without the mark.

    Windows that are scored again are suppressed by the mark, and must not make it forget what it was about.
    """
    names = [f"{what}_{field}" for what in ("contribution", "value") for field in pipeline.fields]
    series = "".join(f" AND {identifier(tag)} = {literal(value)}" for tag, value in mark.series.items())
    query = (
        f'SELECT {", ".join(map(identifier, ["score", *names]))} FROM "score"'
        f' WHERE "pipeline" = {literal(pipeline.name)}{series} AND ("label" = 1 OR "feedback" = {literal(mark.id)})'
        f" AND time >= {cut_of(pipeline).begin(mark.begin_ns)} AND time < {mark.end_ns}"
    )
    for chunk in influx.query(query, database):
        for _, *numbers in chunk.rows:
            # Results of a pipeline that had other fields lack contributions; a window that lacked a field has no value.
            if None not in numbers[: len(pipeline.fields) + 1]:
                yield [math.nan if number is None else number for number in numbers]
