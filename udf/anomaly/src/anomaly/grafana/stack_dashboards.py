"""The dashboards of a stack: an overview of all pipelines, and the health of detection."""

import hashlib
from collections.abc import Sequence

from anomaly.grafana.panels import (
    BARS,
    EVERYTHING,
    LEGEND_OF_TOTALS,
    SENTENCE,
    TAG,
    Json,
    boxes,
    boxes_height,
    dashboard,
    named,
    stat,
    table,
    thresholds,
    time_series,
    variable,
)
from anomaly.grafana.queries import Query, failing_first, for_each, newest, over_time
from anomaly.pipeline import Pipeline

# How many columns for tags of series a table of all pipelines has.
_MOST_TAGS = 8
# The counters of what is lost, and their titles, those that matter most first.
_GIVEN_UP = {
    "shed_points": "shed points",
    "rejected": "rejected",
    "undecodable": "undecodable",
    "unscored_windows": "unscored",
    "future_points": "future",
    "late_points": "late",
    "too_old_points": "too old",
}
# How many kinds of checks the keeper makes.
_CHECKS = 13
# How many incidents are open at once, at most, for each topic.
_MOST_INCIDENTS = 50
_TASK = '"task" =~ /^$pipeline$/'
_PIPELINE = '"pipeline" =~ /^$pipeline$/'
_IS_UDF = "\"udf\" = 'anomaly'"
_OPEN = "\"state\" = 'open'"
_SEVERITIES = thresholds((50.0, "yellow"), (75.0, "orange"), (87.5, "red"))
_IS_OK = {
    "mode": "absolute",
    "steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}],
}


# The dashboards whose titles are like a pipeline's name: a link cannot compute an identifier.
_TO_PIPELINE = {
    "title": "Look for its dashboard",
    "url": f'/dashboards?query=${{__data.fields["pipeline"]:percentencode}}&tag={TAG}',
}


def stack_uid(stack_name: str, which: str) -> str:
    """Return the identifier of a dashboard of a stack."""
    return f"anomaly-{which}-{hashlib.sha1(stack_name.encode(), usedforsecurity=False).hexdigest()[:12]}"


def overview_dashboard(pipelines: Sequence[Pipeline], stack_name: str) -> Json:
    """Return the overview: what is open, how bad it is, and when each pipeline was scored last.

    Args:
        pipelines: the pipelines.
        stack_name: the stack's name.
    """
    tags = list(dict.fromkeys(tag for pipeline in pipelines for tag in pipeline.result_tags))[:_MOST_TAGS]
    peak = named(
        "peak_severity", displayName="peak", decimals=0, custom__width=80, thresholds=_SEVERITIES, **_colored()
    )
    named_pipeline = named("pipeline", links=[_TO_PIPELINE])
    rows = [
        [
            stat(
                "Open periods",
                "Periods that began in the time shown and go on.",
                [Query(f'SELECT count("end_ms") AS "open" FROM "period" WHERE {_OPEN} AND $timeFilter', "$col")],
                4,
                thresholds=thresholds((1, "orange")),
            ),
            stat(
                "Worst severity",
                "The highest severity in the time shown.",
                [Query('SELECT max("severity") AS "worst" FROM "score" WHERE $timeFilter', "$col")],
                4,
                thresholds=_SEVERITIES,
                decimals=0,
            ),
            stat(
                "Windows scored",
                "How many windows of all series were scored in the time shown.",
                [Query('SELECT count("label") AS "scored" FROM "score" WHERE $timeFilter', "$col")],
                4,
            ),
            stat(
                "Checks that fail",
                "Checks of the keeper whose last finding in the time shown is bad. The dashboard of health names them.",
                [
                    Query(
                        'SELECT count("ok") AS "failing" FROM (SELECT last("ok") AS "ok" FROM "health" WHERE '
                        '$timeFilter GROUP BY "check", "pipeline") WHERE "ok" = 0',
                        "$col",
                    )
                ],
                4,
                thresholds=thresholds((1, "red")),
            ),
            stat(
                "Late points",
                "Points that came after their windows were closed, in the time shown. Catch-ups score these again.",
                [Query('SELECT sum("points") AS "late" FROM "late" WHERE $timeFilter', "$col")],
                4,
            ),
            stat(
                "Silent series",
                "Series without data since a moment in the time shown.",
                [
                    Query(
                        f'SELECT count("end_ms") AS "silent" FROM "period" WHERE {_OPEN} AND "reason" = \'no data\' '
                        "AND $timeFilter",
                        "$col",
                    )
                ],
                4,
                thresholds=thresholds((1, "orange")),
            ),
        ],
        [
            boxes(
                "Severity by pipeline",
                "The highest severity of any series of each of up to 20 pipelines.",
                over_time('max("severity")', "score", (), ("pipeline",), "[[tag_pipeline]]"),
                24,
                _SEVERITIES,
                rows=len(pipelines),
            )
        ],
        [
            table(
                "Open incidents",
                "Periods of several series that belong together and go on, the newest first, if they began in the time "
                "shown.",
                newest(
                    ["begin_ms", "end_ms", "level", "peak_severity", "series", "pipelines", "began", "shared"],
                    "incident",
                    [_OPEN],
                    _MOST_INCIDENTS,
                ),
                overrides=[
                    peak,
                    named("began", displayName="begun by", custom__minWidth=300, custom__inspect=True),
                    named("shared", displayName="over-represented", custom__minWidth=300, custom__inspect=True),
                ],
            )
        ],
        [
            table(
                "Open periods",
                "Periods that began in the time shown and go on, the newest first.",
                newest(["pipeline", *tags, "begin_ms", "peak_severity", "reason", "text"], "period", [_OPEN]),
                overrides=[peak, named_pipeline, named("text", **SENTENCE)],
                height=10,
            )
        ],
        [
            table(
                "Last scores",
                "When the newest window of each pipeline began, the longest ago first, and its severity.",
                for_each('last("severity") AS "severity"', "score", ("pipeline",)),
                12,
                overrides=[
                    named_pipeline,
                    named("Time", displayName="last window", unit="dateTimeFromNow"),
                    named("severity", decimals=0, thresholds=_SEVERITIES, **_colored()),
                ],
                hides_time=False,
                sort_by=["last window"],
                ascending=True,
            ),
            table(
                "In the time shown",
                "How many windows of each pipeline were scored, how many of them belong to periods, and the worst, by "
                "which the table is sorted.",
                for_each(
                    'count("label") AS "scored", sum("label") AS "anomalous", max("severity") AS "worst"',
                    "score",
                    ("pipeline",),
                ),
                12,
                overrides=[named_pipeline, named("worst", decimals=0, thresholds=_SEVERITIES, **_colored())],
                sort_by=["worst"],
            ),
        ],
    ]
    return dashboard(
        stack_uid(stack_name, "overview"),
        f"Overview of {stack_name}",
        "All pipelines: what is open, and how bad it is.",
        stack_name,
        rows,
    )


def health_dashboard(pipelines: Sequence[Pipeline], stack_name: str) -> Json:
    """Return the health of detection: what the keeper finds, and what the UDFs do and give up.

    Args:
        pipelines: the pipelines.
        stack_name: the stack's name.
    """
    names = [pipeline.name for pipeline in pipelines]
    # Grafana 9 offers only what stands here; later ones make the list of the query.
    options = [EVERYTHING, *({"selected": False, "text": name, "value": name} for name in names)]
    choice = variable("pipeline", "pipeline", type="custom", query=",".join(names))
    of_udf = (_IS_UDF, _TASK)
    per_pipeline = ("task",)

    def udf(select: str, alias: str) -> Query:
        return over_time(select, "udf", of_udf, per_pipeline, f"[[tag_task]] {alias}".strip())

    def changes(function: str, **fields: str) -> str:
        unit = ", 1s" if function == "non_negative_derivative" else ""
        return ", ".join(f'{function}(last("{name}"){unit}) AS "{shown}"' for name, shown in fields.items())

    rows = [
        [
            table(
                "What the keeper finds",
                "The last finding of each check in the time shown, those that fail first; 1 is well.",
                failing_first(),
                14,
                overrides=[
                    named("ok", custom__width=70, thresholds=_IS_OK, **_colored()),
                    named("text", **SENTENCE),
                ],
                height=boxes_height(_CHECKS),
                sort_by=["ok"],
                ascending=True,
            ),
            boxes(
                "Checks over time",
                "Red where a check failed at any time.",
                over_time('min("ok")', "health", (), ("check",), "[[tag_check]]"),
                10,
                _IS_OK,
                rows=_CHECKS,
            ),
        ],
        [
            table(
                "UDFs now",
                "The model of each pipeline's UDF, how long the UDF runs, and its last exception. A model's name says "
                "when it was trained.",
                for_each(
                    'last("uptime_s") AS "running", "model", "last_error" AS "last error"', "udf", ("task",), of_udf
                ),
                12,
                overrides=[
                    named("running", unit="s"),
                    named("Time", displayName="last word", unit="dateTimeFromNow"),
                    named("model", custom__width=230),
                ],
                hides_time=False,
                sort_by=["last word"],
                ascending=True,
            ),
            table(
                "Lag",
                "When the newest window of each pipeline began, the longest ago first.",
                for_each('last("severity") AS "severity"', "score", ("pipeline",), (_PIPELINE,)),
                12,
                overrides=[
                    named("Time", displayName="newest window", unit="dateTimeFromNow"),
                    named("severity", decimals=0),
                ],
                hides_time=False,
                sort_by=["newest window"],
                ascending=True,
            ),
        ],
        [
            time_series(
                "Handled",
                "What the UDFs get and score, each second.",
                [
                    udf(
                        changes("non_negative_derivative", points_in="points in", scored_windows="windows scored"),
                        "$col",
                    )
                ],
                interval="10s",
                unit="cps",
                min=0,
            ),
            time_series(
                "Given up",
                "Rejected: points with something wrong in them. Shed: what came faster than it was handled, and was "
                "not kept. Future: points too far ahead of the clock. Late and too old: points of windows that had "
                "been closed. Unscored: windows without a model that fits.",
                [udf(changes("non_negative_difference", **_GIVEN_UP), "$col")],
                interval="10s",
                custom=BARS,
                legend=LEGEND_OF_TOTALS,
                unit="short",
                min=0,
            ),
        ],
        [
            table(
                "Given up by pipeline",
                "What each UDF has given up since it was started. Those that shed points come first.",
                for_each(
                    ", ".join(f'last("{name}") AS "{shown}"' for name, shown in _GIVEN_UP.items()),
                    "udf",
                    per_pipeline,
                    of_udf,
                ),
                sort_by=[*_GIVEN_UP.values()],
            )
        ],
        [
            time_series(
                "Latency",
                "From the arrival of a point until it is handled and its results are written: mean and longest.",
                [
                    udf(
                        'non_negative_difference(last("latency_sum_s")) / '
                        'non_negative_difference(last("latency_count")) AS "mean"',
                        "$col",
                    ),
                    udf('max("latency_max_s") AS "longest"', "$col"),
                ],
                interval="10s",
                unit="s",
                min=0,
            ),
            time_series(
                "Waiting and kept",
                "Points in the queue, and series whose state is kept.",
                [udf('max("queued") AS "queued", max("groups") AS "series"', "$col")],
                interval="10s",
                unit="short",
                min=0,
            ),
        ],
        [
            boxes(
                "Drift",
                "Red where a series of the pipeline was no longer as in training.",
                over_time('max("drifted")', "drift", (_PIPELINE,), ("pipeline",), "[[tag_pipeline]]"),
                12,
                thresholds((1, "red")),
                rows=len(pipelines),
            ),
            time_series(
                "Late points",
                "Points that came after their windows were closed. Catch-ups score these windows again.",
                [over_time('sum("points")', "late", (_PIPELINE,), ("pipeline",), "[[tag_pipeline]]")],
                custom=BARS,
                height=boxes_height(len(pipelines)),
                unit="short",
                min=0,
            ),
        ],
    ]
    return dashboard(
        stack_uid(stack_name, "health"),
        f"Detection health of {stack_name}",
        "Whether detection itself is well.",
        stack_name,
        rows,
        [{**choice, "options": options}],
    )


def _colored() -> Json:
    return {"custom__cellOptions": {"type": "color-text"}}
