"""The training data of a pipeline: checks that it can be there, reads it, keeps it as columns."""

from array import array
from collections.abc import Callable
from itertools import chain

import numpy as np

from anomaly.influxql import columns, extent_query, field_keys_query, training_query
from anomaly.spec import Pipeline
from anomaly.training.gate import Refused
from anomaly.training.influx import Influx, InfluxError
from anomaly.training.range import Range, rfc3339
from anomaly.windows import Windows

_NUMERIC = {"float", "integer", "unsigned"}
_SAY_EVERY_WINDOWS = 100_000


def read(
    influx: Influx, pipeline: Pipeline, asked: Range, progress: Callable[[str], None] = lambda message: None
) -> Windows:
    """All windows of the range. 8 bytes for each aggregate and count of a window are kept, and one chunk of the answer.

    Raises InfluxError (not reachable, not let in, no such database) or Refused (no data, fields of the wrong type).
    """
    check_fields(influx, pipeline)
    width = len(columns(pipeline))
    keys: dict[tuple[str, ...], int] = {}
    series, begins, cells = array("q"), array("q"), array("d")
    query = training_query(pipeline, asked.begin_ns, asked.end_ns)
    progress(f"reading {rfc3339(asked.begin_ns)} to {rfc3339(asked.end_ns)} of {pipeline.measurement}: {query}")
    said = 0
    nothing = float("nan")
    for part in influx.query(query, pipeline.database):
        if len(part.columns) != width + 1:
            raise InfluxError(f"InfluxDB answered the columns {part.columns} to {query!r}")
        key = tuple(part.tags.get(tag, "") for tag in pipeline.group_by)
        index = keys.setdefault(key, len(keys))
        begins.extend(row[0] for row in part.rows)
        series.extend(index for _ in part.rows)
        cells.extend(nothing if cell is None else cell for cell in chain.from_iterable(row[1:] for row in part.rows))
        if len(begins) >= said + _SAY_EVERY_WINDOWS:
            said = len(begins)
            progress(f"{said} windows read")
    if not begins:
        raise Refused(_nothing(influx, pipeline, asked, query))
    table = np.frombuffer(cells, dtype=np.float64).reshape(-1, width)
    features = len(pipeline.fields) * len(pipeline.aggregate)
    return Windows(
        tuple(keys),
        np.frombuffer(series, dtype=np.int64).astype(np.intp),
        np.frombuffer(begins, dtype=np.int64),
        np.ascontiguousarray(table[:, :features]),
        # A field without points in a window has count null.
        np.nan_to_num(table[:, features:]),
    )


def check_fields(influx: Influx, pipeline: Pipeline) -> None:
    """Raises InfluxError or Refused where the database, the measurement or a field is not there, or is no number."""
    # InfluxDB answers nothing, rather than an error, to a question about a database that is not there.
    databases = influx.databases()
    if pipeline.database not in databases:
        known = ", ".join(databases) or "none that this user may see"
        raise InfluxError(
            f"pipeline {pipeline.name}: there is no database {pipeline.database!r} (there is {known}): check the "
            "pipeline's `database`"
        )
    types: dict[str, set[str]] = {}
    for part in influx.query(field_keys_query(pipeline), pipeline.database):
        for name, kind in part.rows:
            types.setdefault(name, set()).add(kind)
    if not types:
        raise Refused(
            f"pipeline {pipeline.name}: measurement {pipeline.measurement!r} has no fields in "
            f"{pipeline.database}.{pipeline.retention_policy}: "
            "check `measurement` and `retention_policy`, and that something writes to it"
        )
    for field in pipeline.fields:
        if field not in types:
            raise Refused(
                f"pipeline {pipeline.name}: measurement {pipeline.measurement!r} has no field {field!r} (it has "
                f"{', '.join(sorted(types))}): check `fields`"
            )
        if not types[field] & _NUMERIC:
            raise Refused(
                f"pipeline {pipeline.name}: field {field!r} holds {' and '.join(sorted(types[field]))}, not "
                "numbers: remove it from `fields`"
            )


def _nothing(influx: Influx, pipeline: Pipeline, asked: Range, query: str) -> str:
    message = f"pipeline {pipeline.name}: no data from {rfc3339(asked.begin_ns)} to {rfc3339(asked.end_ns)}"
    ends = []
    for newest in (False, True):
        rows = [
            row
            for part in influx.query(extent_query(pipeline, pipeline.fields, newest=newest), pipeline.database)
            for row in part.rows
        ]
        ends += [rfc3339(rows[0][0])] if rows else []
    there = (
        f"there is data from {ends[0]} to {ends[1]}: choose a range (training.from, training.to, --from, --to) in it"
        if len(ends) == 2
        else ("there is no data at all in it: check that something writes to it")
    )
    return f"{message} (query: {query}); {there}"
