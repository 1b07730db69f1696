"""The training data of a pipeline: checks that it can be there, reads it, keeps what fits as columns."""

from dataclasses import dataclass

from anomaly.influxdb.client import Influx, InfluxError
from anomaly.influxdb.influxql import extent_query, field_keys_query, training_query
from anomaly.influxdb.source import pieces, runs
from anomaly.influxdb.times import Range, rfc3339
from anomaly.pipeline import Pipeline
from anomaly.training.gate import Refused
from anomaly.training.progress import Progress, Quiet
from anomaly.training.sample import Sample
from anomaly.windows.windows import Windows

_NUMERIC = {"float", "integer", "unsigned"}
# What is kept in memory while reading. Fitting needs some five times as much for a while.
_MOST_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class History:
    """windows: all that were read, or an even share of them. read: how many there were. points: in those kept, of the
    field that has most."""

    windows: Windows
    read: int
    points: int


def read(
    influx: Influx,
    pipeline: Pipeline,
    asked: Range,
    progress: Progress | None = None,
    most_bytes: int = _MOST_BYTES,
) -> History:
    """The windows of the range, at most `most_bytes` of them, and one chunk of an answer at a time.

    Raises InfluxError (not reachable, not let in, no such database) or Refused (no data, fields of the wrong type).
    """
    progress = progress or Quiet()
    check_fields(influx, pipeline)
    sample = Sample(asked.begin_ns, asked.end_ns, pipeline.window_ns, most_bytes)
    query = training_query(pipeline, asked.begin_ns, asked.end_ns)
    progress.say(f"reading {rfc3339(asked.begin_ns)} to {rfc3339(asked.end_ns)} of {pipeline.measurement}: {query}")
    for begin_ns, end_ns in pieces(asked.begin_ns, asked.end_ns, pipeline.window_ns):
        for run in runs(influx, pipeline, begin_ns, end_ns):
            sample.add(run)
        share = (end_ns - asked.begin_ns) / (asked.end_ns - asked.begin_ns)
        progress.at(share, f"of the history read: {sample.read} windows of {sample.series} series")
    if not sample.read:
        raise Refused(_nothing(influx, pipeline, asked, query))
    if sample.share < 1.0:
        progress.say(f"{sample.share:.3g} of the history is kept, evenly chosen: that is enough to train on")
    windows = sample.windows()
    return History(windows, sample.read, int(windows.counts.max(axis=1).sum()))


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
