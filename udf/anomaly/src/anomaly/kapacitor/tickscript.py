"""The TICKscript of a pipeline's Kapacitor task. The role `pipelines` keeps it, `anomaly explain` prints it.

Needs `anomaly.pipeline` only, so that the controller can import it.
"""

from anomaly.kapacitor.alerts import alerts
from anomaly.pipeline import Pipeline, canonical_json
from anomaly.pipeline.specification import unitless

# Whether and where a task runs is its own state, training, alerts and units are not the UDF's affair: changing those
# must not change what it is started with, and with that what its snapshot fits.
_NOT_SERVED = frozenset({"enabled", "kapacitor", "training", "alerts"})


def tickscript(pipeline: Pipeline, results_database: str, topic: str) -> str:
    """The script: the pipeline's series, cut into its windows, through the UDF, into `results_database`. Its alerts
    go to `topic`, unless the pipeline names another."""
    specification = {key: value for key, value in pipeline.as_dict().items() if key not in _NOT_SERVED}
    specification["fields"] = unitless(specification["fields"])
    group_by = f"\n        .groupBy({', '.join(map(_quoted, pipeline.group_by))})" if pipeline.group_by else ""
    return f"""\
var results = stream
    |from()
        .database({_quoted(pipeline.database)})
        .retentionPolicy({_quoted(pipeline.retention_policy)})
        .measurement({_quoted(pipeline.measurement)}){group_by}
    |window()
        .period({pipeline.window})
        .every({pipeline.window})
        .align()
    @anomaly()
        .spec('''{canonical_json(specification)}''')

// Scores, periods and the UDF's metrics say themselves which measurement they belong to.
results
    |influxDBOut()
        .database({_quoted(results_database)})
        .flushInterval(1s)
{"".join(alerts(pipeline, topic))}"""


def _quoted(text: str) -> str:
    """A TICKscript string, in which nothing but the quote is escaped."""
    return "'" + text.replace("'", "\\'") + "'"
