"""Draws a backtest's document as SVG: its figures by opening severity, and its periods beside the labels.

The name of a line stands at its end, and the name of a lane at its begin. Rows that belong together share one axis. The
style sheet of the page (report.css) gives the colours.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anomaly.backtest.drawing import Axis, Box, Curve, Dot, Drawing, Shape, Stroke, Text, round_step, time_axis
from anomaly.severity.rarity import once_in

_WIDTH, _LEFT, _RIGHT, _TOP = 1040.0, 180.0, 80.0, 30.0
_ROW, _SPACE = 110.0, 30.0
_LANE, _LANES = 9.0, 28.0
_LETTER, _APART, _MOST_LETTERS = 14.0, 64.0, 25
# A reader cannot take in more lanes than this.
_MOST_SERIES = 40
_SHARE = "share of events"
_LANE_OF = {
    "true": "lane-found",
    "false": "lane-false",
    "unjudged": "lane-unjudged",
    "no data": "lane-unjudged",
    # A report does not judge periods.
    "closed": "lane-found",
    "open": "lane-false",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of one figure over the severities.

    Attributes:
        name: the text at its end.
        style: its class in the style sheet.
        key: the figure's key in an entry of the sweep.
    """

    name: str
    style: str
    key: str


def by_severity(content: Mapping[str, Any]) -> str:
    """Draw the figures of each opening severity.

    Args:
        content: the document of a backtest.

    Returns:
        The SVG element; empty if the sweep has one severity only.
    """
    sweep = content["sweep"]
    if len(sweep) < 2:
        return ""
    x = Axis(sweep[0]["open"], sweep[-1]["open"], _LEFT, _WIDTH - _RIGHT)
    rows = [(unit, lines) for unit, lines in _rows(content) if any(_known(line, sweep) for line in lines)]
    tops = [_TOP + n * (_ROW + _SPACE) for n in range(len(rows))]
    bottom = tops[-1] + _ROW
    shapes = list(_severities(content, x, bottom))
    for (unit, lines), top in zip(rows, tops, strict=True):
        shapes += _row(unit, lines, sweep, x, top)
    return Drawing("figures by the severity that opens a period", _WIDTH, bottom + 52, shapes).svg()


def _rows(content: Mapping[str, Any]) -> list[tuple[str, list[_Line]]]:
    """Return the picture's rows, each with its unit and its lines."""
    often = [_Line("false", "bad", "false_per_day")] if content["judged"] else []
    if not content["complete"]:
        often.append(_Line("unjudged" if content["judged"] else "all", "soft", "unjudged_per_day"))
    return [
        (
            _SHARE,
            [
                _Line("recall", "first", "recall"),
                _Line("precision", "second", "precision"),
                _Line("F1", "third", "f1"),
                _Line("coverage", "fourth", "coverage"),
            ],
        ),
        ("median delay, windows", [_Line("delay", "first", "delay_windows")]),
        ("periods a day, a series", often),
    ]


def _known(line: _Line, sweep: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Return (severity, figure) where the sweep has the figure."""
    return [(entry["open"], entry[line.key]) for entry in sweep if entry[line.key] is not None]


def _severities(content: Mapping[str, Any], x: Axis, bottom: float) -> Iterator[Shape]:
    """Yield the axis of severities that all rows share."""
    written = -math.inf
    for entry in content["sweep"]:
        at = x(entry["open"])
        yield Stroke("grid", at, at, _TOP, bottom)
        if at < written + _APART:
            continue
        written = at
        yield Text(f"{entry['open']:g}", at, bottom + 18, "middle")
        yield Text(once_in(entry["open"]), at, bottom + 33, "middle")
    yield Text("opening severity", 0, bottom + 18, "start", "label")
    yield Text("once in", 0, bottom + 33, "start")
    at = x(content["open"])
    yield Stroke("threshold", at, at, _TOP - 6, bottom)
    yield Text("the pipeline's own", at, _TOP - 12, "middle", "label")


def _row(unit: str, lines: Sequence[_Line], sweep: Sequence[Mapping[str, Any]], x: Axis, top: float) -> Iterator[Shape]:
    """Yield one row of the picture: its axis, its lines and their names."""
    drawn = [(line, known) for line in lines if (known := _known(line, sweep))]
    ticks = _ticks(1.0 if unit == _SHARE else max(value for _, known in drawn for _, value in known))
    y = Axis(0.0, ticks[-1], top + _ROW, top)
    yield Text(unit, 0, top + _ROW / 2 + 4, "start", "label")
    for tick in ticks:
        yield Stroke("grid", x.start, x.end, y(tick), y(tick))
        yield Text(f"{tick:g}", x.start - 10, y(tick) + 4, "end")
    for line, known in drawn:
        yield Curve(f"curve {line.style}", [(x(severity), y(value)) for severity, value in known])
        for severity, value in known:
            yield Dot(f"dot {line.style}", x(severity), y(value), f"{line.name} at {severity:g}: {value:.3g}")
    names = _apart([y(known[-1][1]) for _, known in drawn])
    for (line, _), place in zip(drawn, names, strict=True):
        yield Text(line.name, x.end + 10, place + 4, "start", f"name {line.style}")


def _ticks(most: float) -> list[float]:
    """Return 0 and up to five round steps; the last of them is at or above `most`."""
    if not most:
        return [0.0, 1.0]
    step = round_step(most, 5)
    return [round(step * n, 12) for n in range(math.ceil(most / step - 1e-9) + 1)]


def _apart(places: Sequence[float]) -> list[float]:
    """Return the places of texts, moved up until the texts do not overlap."""
    moved = list(places)
    last = math.inf
    for index in sorted(range(len(places)), key=lambda index: -places[index]):
        last = moved[index] = min(places[index], last - _LETTER)
    return moved


def timeline(content: Mapping[str, Any]) -> str:
    """Draw labels above periods, one lane for each series.

    Args:
        content: the document of a backtest.

    Returns:
        The SVG element; empty if there are neither labels nor periods.
    """
    drawing = timeline_drawing(content)
    return drawing.svg() if drawing is not None else ""


def timeline_drawing(content: Mapping[str, Any]) -> Drawing | None:
    """Draw labels above periods, one lane for each series; None if there are neither.

    Args:
        content: the document of a backtest, or the keys `pipeline`, `from`, `to`, `labels` and `periods` of one.
    """
    events = [*content["labels"], *content["periods"]]
    if not events:
        return None
    series = sorted({tuple(sorted(event["tags"].items())) for event in events}, key=lambda tags: (-len(tags), tags))
    # A label of several series is drawn in the lane of each of them, and has no lane for itself.
    lanes = [dict(tags) for tags in series if len(tags) == len(series[0])]
    shown = lanes[:_MOST_SERIES]
    x = Axis(_seconds(content["from"]), _seconds(content["to"]), _LEFT, _WIDTH - _RIGHT)
    bottom = 8 + len(shown) * _LANES
    more = f"; {len(lanes) - len(shown)} more series" if len(lanes) > len(shown) else ""
    shapes = [*time_axis(x, 4, bottom), Text(f"UTC{more}", 0, bottom + 16, "start")]
    for number, tags in enumerate(shown):
        top = 8 + number * _LANES
        name = ", ".join(tags.values()) or content["pipeline"]
        name = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
        shapes.append(Text(name, 0, top + _LANE + 5, "start", "label"))
        for label in content["labels"]:
            if label["tags"].items() <= tags.items():
                shapes.append(_bar(label, "lane-fault" if label["found"] else "lane-missed", label["kind"], x, top))
        for period in content["periods"]:
            if period["tags"] == tags:
                title = f"{period['verdict']}: {period['reason']}, severity {period['peak_severity']:.0f}"
                shapes.append(_bar(period, _LANE_OF[period["verdict"]], title, x, top + _LANE + 2))
    return Drawing("labels and periods over time", _WIDTH, bottom + 24, shapes)


def _bar(event: Mapping[str, Any], style: str, title: str, x: Axis, top: float) -> Box:
    """Return the bar of a label or period, at least three pixels wide."""
    begin, end = x(_seconds(event["from"])), x(_seconds(event["to"]))
    return Box(style, begin, top, max(end - begin, 3.0), _LANE, f"{event['from']} to {event['to']} {title}".rstrip())


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
