"""Panels of Grafana as values, their places in a dashboard, and the dashboard around them.

The keys are those of schema version 39, which Grafana 11 and 12 read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anomaly.grafana.queries import MOST_LINES, Query, newest
from anomaly.influxdb.influxql import identifier

Json = dict[str, Any]

# The data source that the role grafana provisions. It is equal in all stacks, so that dashboards can be copied.
DATASOURCE_UID = "anomaly-results"
DATASOURCE = {"type": "influxdb", "uid": DATASOURCE_UID}
# The width of a dashboard.
WIDTH = 24
TAG = "influx-anomaly"
# A status history shows a box for each point.
_MOST_BOXES = 60
_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True}
# The columns of results that are times in milliseconds, their titles, and the width of such a time.
_TIMES = {"begin_ms": "begin", "end_ms": "end"}
_TIME_WIDTH = 170
# A column narrower than this is of no use. Grafana's own least width leaves no place for the sentences.
_LEAST_WIDTH = 90
# The column of sentences. Grafana cuts what does not fit, and shows the whole of it at the eye in the cell.
SENTENCE = {"displayName": "what", "custom__minWidth": 500, "custom__inspect": True}
# A legend of many series, those with the highest totals first.
LEGEND_OF_TOTALS = {
    "displayMode": "table",
    "placement": "right",
    "showLegend": True,
    "calcs": ["sum"],
    "sortBy": "Total",
    "sortDesc": True,
}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel without its place.

    Attributes:
        title: its title.
        kind: Grafana's type of panel.
        description: what it shows, for people.
        queries: its queries.
        width: its width, of WIDTH.
        height: its height.
        defaults: what holds for all of its fields.
        overrides: what holds for some of them.
        options: the options of its kind.
        more: other keys of the panel.
    """

    title: str
    kind: str
    description: str
    queries: Sequence[Query]
    width: int
    height: int
    defaults: Json = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    options: Json = field(default_factory=dict)
    more: Json = field(default_factory=dict)

    def placed(self, number: int, x: int, y: int) -> Json:
        """Return the panel as Grafana reads it.

        Args:
            number: its identifier in the dashboard.
            x: how far it is from the left.
            y: how far it is from the top.
        """
        return {
            "id": number,
            "title": self.title,
            "type": self.kind,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [_target(query, chr(ord("A") + at)) for at, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self.defaults, "overrides": list(self.overrides)},
            "options": self.options,
            **self.more,
        }


def _target(query: Query, reference: str) -> Json:
    return {
        "refId": reference,
        "datasource": DATASOURCE,
        "rawQuery": True,
        "query": query.text,
        "alias": query.alias,
        "resultFormat": "table" if query.is_table else "time_series",
    }


def thresholds(*steps: tuple[float, str]) -> Json:
    """Return thresholds: green, and each color from its value on."""
    return {
        "mode": "absolute",
        "steps": [{"color": "green", "value": None}, *({"color": color, "value": value} for value, color in steps)],
    }


def named(name: str, **properties: Any) -> Json:
    """Return an override of the field of a name.

    Args:
        name: the field's name.
        properties: values by key; `__` stands for the point in a key, as in `custom__lineWidth`.
    """
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def time_series(
    title: str,
    description: str,
    queries: Sequence[Query],
    width: int = 12,
    *,
    custom: Mapping[str, Any] | None = None,
    overrides: Sequence[Json] = (),
    interval: str = "",
    legend: Json = _LEGEND,
    height: int = 8,
    **defaults: Any,
) -> Panel:
    """Return a chart over time.

    Args:
        title: its title.
        description: what it shows.
        queries: its queries.
        width: its width.
        custom: how it is drawn, where that is not a thin line.
        overrides: what holds for some of its fields.
        interval: the shortest interval between two points; empty: Grafana's.
        legend: how the series are named below or beside the chart.
        height: its height.
        defaults: what holds for all of its fields, such as `unit` and `min`.
    """
    drawn = {"drawStyle": "line", "lineWidth": 1, "showPoints": "auto", "pointSize": 4, "spanNulls": False}
    return Panel(
        title,
        "timeseries",
        description,
        queries,
        width,
        height,
        {"color": {"mode": "palette-classic"}, "custom": {**drawn, **(custom or {})}, **defaults},
        overrides,
        {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        {"interval": interval} if interval else {},
    )


BARS = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0}


def boxes_height(rows: int) -> int:
    """Return the height of a panel with rows of boxes, in which their names do not overlap."""
    return max(5, min(10, 3 + (rows + 1) // 2))


def boxes(
    title: str,
    description: str,
    query: Query,
    width: int,
    steps: Json,
    interval: str = "",
    rows: int = MOST_LINES,
) -> Panel:
    """Return a row of boxes for each series, colored by thresholds: a heat map of series and time.

    Args:
        title: its title.
        description: what it shows.
        query: its query.
        width: its width.
        steps: the thresholds.
        interval: the shortest interval between two boxes; empty: Grafana's.
        rows: how many series there may be.
    """
    return Panel(
        title,
        "status-history",
        description,
        [query],
        width,
        boxes_height(rows),
        {"min": 0, "thresholds": steps, "color": {"mode": "thresholds"}, "custom": {"fillOpacity": 80, "lineWidth": 0}},
        (),
        {"showValue": "never", "rowHeight": 0.9, "legend": {**_LEGEND, "showLegend": False}},
        {"maxDataPoints": _MOST_BOXES, **({"interval": interval} if interval else {})},
    )


def table(
    title: str,
    description: str,
    query: Query,
    width: int = WIDTH,
    *,
    overrides: Sequence[Json] = (),
    hides_time: bool = True,
    height: int = 8,
    sort_by: Sequence[str] = (),
    ascending: bool = False,
) -> Panel:
    """Return a table; columns of times in milliseconds are shown as times.

    Args:
        title: its title.
        description: what it shows.
        query: its query.
        width: its width.
        overrides: what holds for some of its columns.
        hides_time: whether the time of the points is left out.
        height: its height.
        sort_by: the titles of the columns that rows are sorted by; empty: as the query returns them.
        ascending: whether the least value comes first.
    """
    times = [
        named(name, displayName=title, unit="dateTimeAsIso", custom__width=_TIME_WIDTH)
        for name, title in _TIMES.items()
    ]
    hidden = {"excludeByName": {"Time": True, "time": True}}
    order = {"sortBy": [{"displayName": name, "desc": not ascending} for name in sort_by]} if sort_by else {}
    return Panel(
        title,
        "table",
        description,
        [query],
        width,
        height,
        {"custom": {"align": "auto", "filterable": True, "minWidth": _LEAST_WIDTH}},
        [*times, *overrides],
        {"showHeader": True, "cellHeight": "sm", **order},
        {"transformations": [{"id": "organize", "options": hidden}]} if hides_time else {},
    )


def stat(title: str, description: str, queries: Sequence[Query], width: int, height: int = 4, **defaults: Any) -> Panel:
    """Return numbers, each the last one of its series."""
    return Panel(
        title,
        "stat",
        description,
        queries,
        width,
        height,
        {"unit": "short", "noValue": "0", "color": {"mode": "thresholds"}, "thresholds": thresholds(), **defaults},
        (),
        {
            "colorMode": "value",
            "graphMode": "none",
            # Names are shown where there are several.
            "textMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    )


def dashboard(
    uid: str,
    title: str,
    description: str,
    stack_name: str,
    rows: Sequence[Sequence[Panel]],
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
) -> Json:
    """Return a dashboard.

    Args:
        uid: its identifier.
        title: its title.
        description: what it shows.
        stack_name: the stack's name, which becomes a tag.
        rows: its panels, row by row from the top, each from the left.
        variables: what can be chosen above the panels.
        annotations: what is marked in all charts.
    """
    placed: list[Json] = []
    y = 0
    for row in rows:
        x = 0
        for panel in row:
            placed.append(panel.placed(len(placed) + 1, x, y))
            x += panel.width
        y += max(panel.height for panel in row)
    own = {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True}
    own |= {"iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"}
    links = {"type": "dashboards", "title": "Dashboards", "tags": [TAG, stack_name], "asDropdown": True, "url": ""}
    links |= {"includeVars": False, "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": ""}
    return {
        "uid": uid,
        "title": title,
        "description": f"{description} Written by Ansible; changes belong into the inventory.",
        "tags": [TAG, stack_name],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "links": [links],
        "annotations": {"list": [own, *annotations]},
        "templating": {"list": list(variables)},
        "panels": placed,
    }


# What a variable offers beside its values.
EVERYTHING: Json = {"selected": True, "text": "All", "value": "$__all"}


def variable(name: str, label: str, **more: Any) -> Json:
    """Return a variable that is one value or all.

    Args:
        name: its name, letters, digits and `_`.
        label: what people read.
        more: where its values come from.
    """
    return {
        "name": name,
        "label": label,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "hide": 0,
        "skipUrlSync": False,
        **more,
    }


def regions(name: str, color: str, measurement: str, text: str, tags: Sequence[str], conditions: Sequence[str]) -> Json:
    """Return an annotation that shades from a point's time to its `end_ms`.

    Since version 10, Grafana knows a column by the measurement, a point and its name, before that by its name alone.
    So the columns that it compares as a whole are there under both names. It also leaves out rows in which a column is
    null.

    Args:
        name: its name.
        color: its color.
        measurement: the measurement, whose points have the fields `end_ms` and `state`.
        text: the field with the text.
        tags: the tags that stand below the text; a point that lacks one of them is not shown.
        conditions: conditions beside that on the time.
    """
    title, end = (f"{measurement}.{column}" for column in ("state", "end_ms"))
    query = newest(
        ["state", "end_ms", text, *tags],
        measurement,
        conditions,
        computed={title: identifier("state"), end: identifier("end_ms")},
    )
    # Newer versions take a column for a tag's if the tag's name is a part of the column's.
    shown = [tag for tag in tags if not any(tag in f"{measurement}.{column}" for column in (title, end, text))]
    # Grafana reads the columns from `target`, and its editor from the annotation itself.
    columns = {"textColumn": text, "tagsColumn": ",".join(shown), "timeEndColumn": end, "titleColumn": title}
    target = {"refId": "Anno", "query": query.text, "rawQuery": True, "queryType": "tags", "fromAnnotations": True}
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "query": query.text,
        "target": {**target, "name": name, **columns},
        **columns,
    }
