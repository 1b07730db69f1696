"""The dashboard of one pipeline: its series, the worst first, and one of them with all of its fields.

The variables choose a series. The severity by series and the tables of series and periods show all of them, so that
there is something to choose from, and link to the one that is meant.
"""

import math
from dataclasses import replace
from typing import Any

from anomaly.grafana.panels import (
    BARS,
    SENTENCE,
    WIDTH,
    Json,
    Panel,
    boxes,
    boxes_height,
    dashboard,
    named,
    regions,
    stat,
    table,
    thresholds,
    time_series,
    variable,
)
from anomaly.grafana.queries import MOST_LINES, Query, choices, newest, of_chosen, of_pipeline, over_time, worst_series
from anomaly.influxdb.influxql import identifier
from anomaly.nanoseconds import MINUTE_NS, MS_NS
from anomaly.pipeline import Field, Pipeline
from anomaly.pipeline.dashboard import dashboard_uid, tag_variable
from anomaly.pipeline.duration import format_duration
from anomaly.pipeline.links import beside_ns
from anomaly.pipeline.timezone import UTC

# Columns of the table of periods that are not shown, but what its links set the range to.
_FROM, _TO = "from_ms", "to_ms"
# What the queries call the ends of an expected range.
_LOW, _HIGH = "expected low", "expected high"
# Less of the horizon says nothing of drift (`anomaly.scoring.drift`).
_FILLED = '"filled" >= 0.5'
_NO_DATA = "\"reason\" = 'no data'"


def pipeline_dashboard(pipeline: Pipeline, stack_name: str) -> Json:
    """Return the dashboard of a pipeline.

    Args:
        pipeline: the pipeline.
        stack_name: the stack's name.
    """
    charts = [*(_field(pipeline, field) for field in pipeline.watched), _score(pipeline), _contributions(pipeline)]
    if len(charts) % 2:
        # Grafana would pull the next panel up into the hole beside it.
        charts[-1] = replace(charts[-1], width=WIDTH)
    rows = [
        [_severity(pipeline), *_numbers(pipeline)],
        [_by_series(pipeline), _worst(pipeline)],
        *(charts[at : at + 2] for at in range(0, len(charts), 2)),
        [_periods(pipeline)],
        [_drift(pipeline), _late(pipeline)],
        [_silent(pipeline), _notices(pipeline)],
    ]
    measurements = ", ".join(pipeline.measurements or (pipeline.measurement,))
    source = f"{pipeline.database}.{pipeline.retention_policy}"
    return dashboard(
        dashboard_uid(pipeline.name),
        pipeline.name,
        f"Anomalies of {measurements} in {source}, windows of {pipeline.window}.",
        stack_name,
        rows,
        [_choice(pipeline, at, tag) for at, tag in enumerate(pipeline.result_tags)],
        _annotations(pipeline),
    )


def _choice(pipeline: Pipeline, at: int, tag: str) -> Json:
    query = choices(tag, pipeline.name)
    source = {"type": "query", "datasource": {"type": "influxdb", "uid": "anomaly-results"}}
    more = {"query": query, "definition": query, "refresh": 2, "sort": 3, "regex": ""}
    return variable(tag_variable(at), pipeline.group_by[at], **source, **more)


def _series_alias(pipeline: Pipeline) -> str:
    return " ".join(f"[[tag_{tag}]]" for tag in pipeline.result_tags) or pipeline.name


def _of_series(pipeline: Pipeline, select: str, measurement: str, *conditions: str) -> Query:
    """Return a query for a line for each chosen series."""
    where = [*of_chosen(pipeline), *conditions]
    return over_time(select, measurement, where, pipeline.result_tags, _series_alias(pipeline))


def _severities(pipeline: Pipeline) -> Json:
    return thresholds((pipeline.periods.close, "orange"), (pipeline.periods.open, "red"))


def _severity(pipeline: Pipeline) -> Panel:
    periods = pipeline.periods
    return time_series(
        "Severity",
        f"How rare each window of the chosen series is, 0 to 100. A period opens at {periods.open:g} and ends below "
        f"{periods.close:g}.",
        [_of_series(pipeline, 'max("severity")', "score")],
        18,
        custom={"thresholdsStyle": {"mode": "dashed"}},
        interval=_interval(pipeline),
        min=0,
        max=100,
        thresholds=_severities(pipeline),
    )


def _numbers(pipeline: Pipeline) -> list[Panel]:
    where = of_chosen(pipeline)
    selected = 'sum("label") AS "anomalous", count("label") AS "scored"'
    counted = f'SELECT {selected} FROM "score" WHERE {" AND ".join([*where, "$timeFilter"])}'
    description = "Windows of the chosen series in the time shown: those of periods, and all that were scored."
    return [stat("Windows", description, [Query(counted, "$col")], 6, 8)]


def _by_series(pipeline: Pipeline) -> Panel:
    return boxes(
        "Severity by series",
        "The highest severity of each of up to 20 series. The table beside it has the worst of all of them.",
        over_time(
            'max("severity")',
            "score",
            [of_pipeline(pipeline.name)],
            pipeline.result_tags,
            _series_alias(pipeline),
        ),
        12,
        _severities(pipeline),
        _interval(pipeline),
    )


def _interval(pipeline: Pipeline) -> str:
    """Return the shortest interval between two points: a window, or what the begins of all windows are multiples of.

    `GROUP BY time()` counts in UTC, and would show windows that begin by a clock at other times. Clocks differ from UTC
    by multiples of 15 minutes.
    """
    if pipeline.windows_zone == UTC:
        return pipeline.window
    return format_duration(math.gcd(pipeline.window_ns, 15 * MINUTE_NS))


def _worst(pipeline: Pipeline) -> Panel:
    link = {"title": "Look at this series", "url": f"{_address(pipeline)}&${{__url_time_range}}"}
    worst = named(
        "worst",
        displayName="worst severity",
        decimals=0,
        thresholds=_severities(pipeline),
        custom__cellOptions={"type": "color-text"},
        links=[link],
    )
    return table(
        "Worst series",
        "The series with the highest severities in the time shown, and when. A click on a severity chooses the series.",
        worst_series(pipeline),
        12,
        overrides=[worst],
        hides_time=False,
        height=boxes_height(MOST_LINES),
        sort_by=["worst severity"],
    )


def _address(pipeline: Pipeline) -> str:
    """Return the address of this dashboard for the series of a row of a table."""
    series = "&".join(
        f'var-{tag_variable(at)}=${{__data.fields["{tag}"]:percentencode}}'
        for at, tag in enumerate(pipeline.result_tags)
        # A link cannot name a column whose name ends a text or an action.
        if not set(tag) & set('"\\]}')
    )
    return f"/d/{dashboard_uid(pipeline.name)}/?{series}"


def _field(pipeline: Pipeline, field: Field) -> Panel:
    low, high = (identifier(f"{end}_{field.name}") for end in ("expected_low", "expected_high"))
    counting = f" Only what is {field.direction}er than usual counts." if field.direction != "both" else ""
    counting += f" A{field.normal_deviation.removeprefix('a')}." if field.least else ""
    shown: dict[str, Any] = {"unit": f"suffix:{field.unit}"} if field.unit is not None else {}
    selected = f'min({low}) AS "{_LOW}", max({high}) AS "{_HIGH}"'
    edge = {"custom__lineWidth": 0, "color": {"mode": "fixed", "fixedColor": "semi-dark-blue"}}
    edge |= {"custom__hideFrom": {"legend": True, "tooltip": False, "viz": False}, "custom__showPoints": "never"}
    return time_series(
        field.name,
        f"The {pipeline.aggregate[0]} of each window ({pipeline.window}). The band is the expected range of the chosen "
        f"series; of several, it is from the lowest to the highest.{counting}",
        [
            _of_series(pipeline, f"mean({identifier(f'value_{field.name}')})", "score"),
            over_time(selected, "score", of_chosen(pipeline)),
        ],
        interval=_interval(pipeline),
        overrides=[
            named(_LOW, **edge),
            named(_HIGH, **edge, custom__fillBelowTo=_LOW, custom__fillOpacity=20),
        ],
        **shown,
    )


def _score(pipeline: Pipeline) -> Panel:
    return time_series(
        "Score",
        "What the detector says of the chosen series, and, dashed, the score at which a period opens.",
        [
            _of_series(pipeline, 'max("score")', "score"),
            over_time('max("threshold") AS "threshold"', "score", of_chosen(pipeline)),
        ],
        interval=_interval(pipeline),
        min=0,
        overrides=[
            named(
                "threshold",
                custom__lineStyle={"fill": "dash", "dash": [4, 4]},
                custom__showPoints="never",
                color={"mode": "fixed", "fixedColor": "red"},
            )
        ],
    )


def _contributions(pipeline: Pipeline) -> Panel:
    shares = ", ".join(f"mean({identifier(f'contribution_{name}')}) AS {identifier(name)}" for name in pipeline.fields)
    return time_series(
        "Reasons",
        "The share of each field in the score of anomalous windows of the chosen series.",
        [over_time(shares or 'mean("score")', "score", [*of_chosen(pipeline), '"label" = 1'])],
        custom={**BARS, "stacking": {"mode": "normal", "group": "A"}},
        interval=_interval(pipeline),
        unit="percentunit",
        min=0,
        max=1,
    )


def _periods(pipeline: Pipeline) -> Panel:
    begin, end = (f'${{__data.fields["{name}"].numeric}}' for name in (_FROM, _TO))
    link = {"title": "Look at this period", "url": f"{_address(pipeline)}&from={begin}&to={end}"}
    beside_ms = beside_ns(pipeline) // MS_NS
    return table(
        "Periods",
        "Runs of anomalous windows of all series that begin in the time shown, the newest first. One that is open goes "
        "on. A click on a peak shows the period.",
        newest(
            [
                *pipeline.result_tags,
                *("begin_ms", "end_ms", "state", "peak_severity", "points", "reason", "text", "model"),
            ],
            "period",
            [of_pipeline(pipeline.name)],
            computed={_FROM: f'"begin_ms" - {beside_ms}', _TO: f'"end_ms" + {beside_ms}'},
        ),
        overrides=[
            *(named(name, custom__hidden=True) for name in (_FROM, _TO)),
            named("state", custom__width=80),
            named(
                "peak_severity",
                displayName="peak",
                custom__width=80,
                decimals=0,
                thresholds=_severities(pipeline),
                custom__cellOptions={"type": "color-text"},
                links=[link],
            ),
            named("points", displayName="windows", custom__width=100),
            named("text", **SENTENCE),
            named("model", custom__width=230),
        ],
        height=9,
    )


def _drift(pipeline: Pipeline) -> Panel:
    return time_series(
        "Drift",
        f"How far the data of the last {pipeline.drift.horizon} of the chosen series are from those that the model was "
        "trained on: the population stability index of the field that moved most, once half of that time was seen. "
        "0.1 is a little. Above the line, and above what chance does, the model is out of date.",
        [_of_series(pipeline, 'max("psi")', "drift", _FILLED)],
        custom={"spanNulls": True, "thresholdsStyle": {"mode": "dashed"}},
        min=0,
        thresholds=thresholds((pipeline.drift.psi, "red")),
    )


def _late(pipeline: Pipeline) -> Panel:
    return time_series(
        "Late points",
        f"Points of the chosen series that came more than {pipeline.lateness} after the end of their window. A "
        "catch-up scores these windows again.",
        [_of_series(pipeline, 'sum("points")', "late")],
        custom=BARS,
        interval=_interval(pipeline),
        unit="short",
        min=0,
    )


def _silent(pipeline: Pipeline) -> Panel:
    silence = pipeline.periods.silence
    return table(
        "Silent now",
        f"Series of the pipeline that have had no data for longer than {silence} since a moment in the time shown.",
        newest(
            [*pipeline.result_tags, "begin_ms"], "period", [of_pipeline(pipeline.name), _NO_DATA, "\"state\" = 'open'"]
        ),
        8,
    )


def _notices(pipeline: Pipeline) -> Panel:
    return table(
        "Notices",
        "Clocks that are wrong, rates of points that have changed, invalid values, and the silence of all series. One "
        "that is open goes on.",
        newest(
            ["notice", *pipeline.result_tags, "begin_ms", "end_ms", "state", "text"],
            "notice",
            [of_pipeline(pipeline.name)],
        ),
        16,
        overrides=[named("state", custom__width=80), named("text", **SENTENCE)],
    )


def _annotations(pipeline: Pipeline) -> list[Json]:
    where = of_chosen(pipeline)
    return [
        regions("Periods", "red", "period", "reason", pipeline.result_tags, where),
        # A notice of all series has no tags of a series, which `=~ /^.*$/` lets through.
        regions("Notices", "orange", "notice", "text", (), where),
    ]
