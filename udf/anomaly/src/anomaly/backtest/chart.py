"""Draws a backtest's document as SVG: its figures by opening severity, and its periods beside the labels.

The name of a line stands at its end, and the name of a lane at its begin. Rows that belong together share one axis. The
style sheet of the page (report.css) gives the colours.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from anomaly.severity.rarity import once_in

_WIDTH, _LEFT, _RIGHT, _TOP = 1040.0, 180.0, 80.0, 30.0
_ROW, _SPACE = 110.0, 30.0
_LANE, _LANES = 9.0, 28.0
_LETTER, _APART, _MOST_LETTERS = 14.0, 64.0, 25
# A reader cannot take in more lanes than this.
_MOST_SERIES = 40
_HOUR = 3600
_STEPS = (60, 300, 900, 1800, *(_HOUR * n for n in (1, 3, 6, 12, 24, 48, 168, 720)))
_MOST_TICKS = 8
_SHARE = "share of events"
_LANE_OF = {"true": "lane-found", "false": "lane-false", "unjudged": "lane-unjudged", "no data": "lane-unjudged"}


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values to pixels, and values outside of the range to its ends.

    Attributes:
        low: the value at `start`.
        high: the value at `end`.
        start: the pixel of `low`.
        end: the pixel of `high`.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)


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
    x = _Axis(sweep[0]["open"], sweep[-1]["open"], _LEFT, _WIDTH - _RIGHT)
    rows = [(unit, lines) for unit, lines in _rows(content) if any(_known(line, sweep) for line in lines)]
    tops = [_TOP + n * (_ROW + _SPACE) for n in range(len(rows))]
    bottom = tops[-1] + _ROW
    parts = list(_severities(content, x, bottom))
    for (unit, lines), top in zip(rows, tops, strict=True):
        parts += _row(unit, lines, sweep, x, top)
    return _svg("figures by the severity that opens a period", bottom + 52, parts)


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


def _severities(content: Mapping[str, Any], x: _Axis, bottom: float) -> Iterator[str]:
    """Yield the axis of severities that all rows share."""
    written = -math.inf
    for entry in content["sweep"]:
        at = x(entry["open"])
        yield _stroke("grid", at, at, _TOP, bottom)
        if at < written + _APART:
            continue
        written = at
        yield _text(f"{entry['open']:g}", at, bottom + 18, "middle")
        yield _text(once_in(entry["open"]), at, bottom + 33, "middle")
    yield _text("opening severity", 0, bottom + 18, "start", "label")
    yield _text("once in", 0, bottom + 33, "start")
    at = x(content["open"])
    yield _stroke("threshold", at, at, _TOP - 6, bottom)
    yield _text("the pipeline's own", at, _TOP - 12, "middle", "label")


def _row(unit: str, lines: Sequence[_Line], sweep: Sequence[Mapping[str, Any]], x: _Axis, top: float) -> Iterator[str]:
    """Yield one row of the picture: its axis, its lines and their names."""
    drawn = [(line, known) for line in lines if (known := _known(line, sweep))]
    ticks = _ticks(1.0 if unit == _SHARE else max(value for _, known in drawn for _, value in known))
    y = _Axis(0.0, ticks[-1], top + _ROW, top)
    yield _text(unit, 0, top + _ROW / 2 + 4, "start", "label")
    for tick in ticks:
        yield _stroke("grid", x.start, x.end, y(tick), y(tick))
        yield _text(f"{tick:g}", x.start - 10, y(tick) + 4, "end")
    for line, known in drawn:
        points = " ".join(f"{x(severity):.1f},{y(value):.1f}" for severity, value in known)
        yield f'<polyline class="curve {line.style}" points="{points}"/>'
        for severity, value in known:
            title = f"<title>{line.name} at {severity:g}: {value:.3g}</title>"
            yield f'<circle class="dot {line.style}" cx="{x(severity):.1f}" cy="{y(value):.1f}" r="3">{title}</circle>'
    names = _apart([y(known[-1][1]) for _, known in drawn])
    for (line, _), place in zip(drawn, names, strict=True):
        yield _text(line.name, x.end + 10, place + 4, "start", f"name {line.style}")


def _ticks(most: float) -> list[float]:
    """Return 0 and up to five round steps; the last of them is at or above `most`."""
    power = 10.0 ** math.floor(math.log10(most / 5)) if most else 0.2
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n * 5 >= most * (1 - 1e-9))
    return [round(step * n, 12) for n in range(math.ceil(most / step - 1e-9) + 1)] if most else [0.0, 1.0]


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
    events = [*content["labels"], *content["periods"]]
    if not events:
        return ""
    series = sorted({tuple(sorted(event["tags"].items())) for event in events}, key=lambda tags: (-len(tags), tags))
    # A label of several series is drawn in the lane of each of them, and has no lane for itself.
    lanes = [dict(tags) for tags in series if len(tags) == len(series[0])]
    shown = lanes[:_MOST_SERIES]
    x = _Axis(_seconds(content["from"]), _seconds(content["to"]), _LEFT, _WIDTH - _RIGHT)
    bottom = 8 + len(shown) * _LANES
    more = f"; {len(lanes) - len(shown)} more series" if len(lanes) > len(shown) else ""
    parts = [*_times(x, bottom), _text(f"UTC{more}", 0, bottom + 16, "start")]
    for number, tags in enumerate(shown):
        top = 8 + number * _LANES
        name = ", ".join(tags.values()) or content["pipeline"]
        name = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
        parts.append(_text(name, 0, top + _LANE + 5, "start", "label"))
        for label in content["labels"]:
            if label["tags"].items() <= tags.items():
                parts.append(_bar(label, "lane-fault" if label["found"] else "lane-missed", label["kind"], x, top))
        for period in content["periods"]:
            if period["tags"] == tags:
                title = f"{period['verdict']}: {period['reason']}, severity {period['peak_severity']:.0f}"
                parts.append(_bar(period, _LANE_OF[period["verdict"]], title, x, top + _LANE + 2))
    return _svg("labels and periods over time", bottom + 24, parts)


def _times(x: _Axis, bottom: float) -> Iterator[str]:
    """Yield the axis of time, with few enough ticks to read."""
    step = next((step for step in _STEPS if (x.high - x.low) / step <= _MOST_TICKS), _STEPS[-1])
    for at in range(math.ceil(x.low / step) * step, math.floor(x.high) + 1, step):
        time = datetime.fromtimestamp(at, UTC)
        yield _stroke("grid", x(at), x(at), 4, bottom)
        yield _text(f"{time:%b %d}" if step >= 24 * _HOUR else f"{time:%b %d, %H:%M}", x(at), bottom + 16, "middle")


def _bar(event: Mapping[str, Any], style: str, title: str, x: _Axis, top: float) -> str:
    """Return the bar of a label or period, at least three pixels wide."""
    begin, end = x(_seconds(event["from"])), x(_seconds(event["to"]))
    title = escape(f"{event['from']} to {event['to']} {title}".rstrip())
    return (
        f'<rect class="{style}" x="{begin:.1f}" y="{top:.1f}" width="{max(end - begin, 3.0):.1f}" height="{_LANE:g}">'
        f"<title>{title}</title></rect>"
    )


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _svg(label: str, height: float, parts: Iterable[str]) -> str:
    opening = f'<svg class="chart" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" aria-label="{label}">'
    return "\n".join([opening, *parts, "</svg>"])


def _text(text: str, x: float, y: float, anchor: str, style: str = "tick") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _stroke(style: str, x: float, to_x: float, y: float, to_y: float) -> str:
    return f'<line class="{style}" x1="{x:.1f}" x2="{to_x:.1f}" y1="{y:.1f}" y2="{to_y:.1f}"/>'
