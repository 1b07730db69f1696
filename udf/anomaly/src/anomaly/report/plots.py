"""Draws what is plotted of a series: each field with its expected range, the severity, and the periods behind them."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from anomaly.backtest.drawing import Area, Axis, Box, Curve, Drawing, Shape, Stroke, Text, round_step, time_axis
from anomaly.counted import counted
from anomaly.nanoseconds import SECOND_NS
from anomaly.pipeline import Pipeline
from anomaly.report.read import RangeOverview, ReportedPeriod, SeriesPlot, Step
from anomaly.report.summary import series_name
from anomaly.scoring.wording import moment_text, plain

_WIDTH, _LEFT, _RIGHT, _TOP = 840.0, 62.0, 42.0, 8.0
_TITLE, _ROW, _SPACE, _BOTTOM = 18.0, 84.0, 10.0, 26.0
# A line is interrupted where this many steps have no value.
_GAP_STEPS = 2.5
_MOST_OF_A_NAME = 60
# An expected range that is many times as wide as the values would make a flat line of them.
_MOST_BAND = 1.0
# More regions than this are neither told apart nor small.
_MOST_SHADED = 100
# What is larger is drawn at the edge, as an axis would overflow, and what is closer together as one value.
_MOST, _LEAST, _LEAST_SHARE = 1e150, 1e-150, 1e-12
Point = tuple[float, float]


def series_plot(overview: RangeOverview, plot: SeriesPlot) -> Drawing:
    """Draw a series.

    Args:
        overview: the overview of its pipeline.
        plot: what was read of it.
    """
    pipeline, span = overview.pipeline, overview.span
    x = Axis(span.begin_ns / SECOND_NS, span.end_ns / SECOND_NS, _LEFT, _WIDTH - _RIGHT)
    shapes: list[Shape] = []
    top = _TOP
    rows = [*plot.fields, None]
    bottom = _TOP + len(rows) * (_TITLE + _ROW + _SPACE) - _SPACE
    shapes += time_axis(x, _TOP + _TITLE, bottom)
    # Above the first tick, whose text may begin left of the axis.
    shapes.append(Text("UTC", 0, bottom, "start"))
    shapes += _shaded(plot.periods, x, (_TOP + _TITLE, bottom))
    for field in rows:
        area = (top + _TITLE, top + _TITLE + _ROW)
        shapes += _severity(pipeline, plot, x, area) if field is None else _field(pipeline, field, plot, x, area)
        top += _TITLE + _ROW + _SPACE
    return Drawing(_label(overview, plot), _WIDTH, bottom + _BOTTOM, shapes, "chart plot")


def _label(overview: RangeOverview, plot: SeriesPlot) -> str:
    """Say what the picture shows, for those who do not see it."""
    begin, end = (moment_text(time) for time in (overview.span.begin_ns, overview.span.end_ns))
    named = ", ".join(plain(field, _MOST_OF_A_NAME) for field in plot.fields)
    worst = "" if plot.series.worst is None else f", highest severity {plot.series.worst:.0f}"
    return (
        f"{series_name(overview.pipeline.result_tags, plot.series.key)} from {begin} to {end}: {named} with the "
        f"expected range, and the severity; {counted(len(plot.periods), 'anomalous period')}{worst}"
    )


def _shaded(periods: Sequence[ReportedPeriod], x: Axis, area: Point) -> Iterator[Shape]:
    """Yield a region behind all rows for each period, at least two pixels wide.

    Args:
        periods: the periods, the worst first.
        x: the axis of time.
        area: the upper and the lower end.
    """
    for period in periods[:_MOST_SHADED]:
        begin, end = x(period.begin_ns / SECOND_NS), x(period.end_ns / SECOND_NS)
        title = (
            f"{moment_text(period.begin_ns)}: {plain(period.reason, _MOST_OF_A_NAME)}, "
            f"severity {period.peak_severity:.0f}"
        )
        yield Box("period", min(begin, x.end - 2.0), area[0], max(end - begin, 2.0), area[1] - area[0], title)


def _field(pipeline: Pipeline, field: str, plot: SeriesPlot, x: Axis, area: Point) -> Iterator[Shape]:
    """Yield the row of a field."""
    function = pipeline.aggregate[0]
    unit = next((each.unit for each in pipeline.watched_of(plot.series.key) if each.name == field), None)
    name = plain(field, _MOST_OF_A_NAME)
    title = name if function in ("mean", "last") else f"{function} of {name}"
    title += f", {plain(unit, _MOST_OF_A_NAME)}" if unit and function != "count" else ""
    yield Text(title, _LEFT, area[0] - 6, "start", "label")
    known = [(step, *step.values[field]) for step in plot.steps]
    values = [value for _, low, high, _, _ in known for value in (low, high) if value is not None]
    if not values:
        yield Text("no values in the results", (_LEFT + x.end) / 2, (area[0] + area[1]) / 2, "middle")
        return
    y = _value_axis(values, [end for *_, low, high in known for end in (low, high) if end is not None], area)
    yield from _ticks(y, x)
    bands = [(step, low, high) for step, _, _, low, high in known if low is not None and high is not None]
    for run in _runs([step for step, _, _ in bands], plot.step_ns):
        # The middle of each step, and the outer sides of the first and of the last.
        places = [(_middle(bands[at][0], x), at) for at in run]
        places.insert(0, (_sides(bands[run[0]][0], x)[0], run[0]))
        places.append((_sides(bands[run[-1]][0], x)[1], run[-1]))
        part = [(place, y(bands[at][1]), y(bands[at][2])) for place, at in places]
        yield Area("band", [*((at, low) for at, low, _ in part), *((at, high) for at, _, high in reversed(part))])
    drawn = [(step, low, high) for step, low, high, _, _ in known if low is not None and high is not None]
    for run in _runs([step for step, _, _ in drawn], plot.step_ns):
        points: list[Point] = []
        for at in run:
            step, low, high = drawn[at]
            middle = _middle(step, x)
            points += [(middle, y(low))] if low == high else [(middle, y(low)), (middle, y(high))]
        yield Curve("value", points)


def _severity(pipeline: Pipeline, plot: SeriesPlot, x: Axis, area: Point) -> Iterator[Shape]:
    """Yield the row of the severity, with those at which periods open and close."""
    yield Text("severity, 0 to 100", _LEFT, area[0] - 6, "start", "label")
    y = Axis(0.0, 100.0, area[1], area[0])
    yield from _ticks(y, x)
    known = [(step, step.severity) for step in plot.steps if step.severity is not None]
    for run in _runs([step for step, _ in known], plot.step_ns):
        points = [(side, y(known[at][1])) for at in run for side in _sides(known[at][0], x)]
        yield Area("severity", [(points[0][0], y(0.0)), *points, (points[-1][0], y(0.0))])
    for name, severity in (("opens", pipeline.periods.open), ("closes", pipeline.periods.close)):
        yield Stroke("threshold", x.start, x.end, y(severity), y(severity))
        yield Text(name, x.end - 2, y(severity) - 3, "end")


def _value_axis(values: Sequence[float], ends: Sequence[float], area: Point) -> Axis:
    """Return an axis that has all values, and of their expected range what does not flatten them."""
    low, high = _within(min(values)), _within(max(values))
    near = (high - low) * _MOST_BAND
    # What does not vary is drawn in the middle of its range.
    inside = [_within(end if near == 0.0 else min(max(end, low - near), high + near)) for end in ends]
    low, high = min([low, *inside]), max([high, *inside])
    if high - low <= _LEAST_SHARE * max(abs(low), abs(high), _LEAST):
        around = abs(low) * 0.1 or 1.0
        low, high = low - around, high + around
    margin = (high - low) * 0.05
    return Axis(low - margin, high + margin, area[1], area[0])


def _within(value: float) -> float:
    return min(max(value, -_MOST), _MOST)


def _ticks(y: Axis, x: Axis) -> Iterator[Shape]:
    step = round_step(y.high - y.low, 3)
    for number in range(math.ceil(y.low / step - 1e-9), math.floor(y.high / step + 1e-9) + 1):
        value = number * step
        yield Stroke("grid", x.start, x.end, y(value), y(value))
        yield Text(f"{value:.10g}" if abs(value) < 1e7 else f"{value:.3g}", x.start - 6, y(value) + 4, "end")


def _runs(steps: Sequence[Step], step_ns: int) -> Iterator[range]:
    """Yield the places of steps that follow each other without a gap."""
    begin = 0
    for at, (step, after) in enumerate(pairwise(steps), start=1):
        if after.begin_ns - step.begin_ns > _GAP_STEPS * step_ns:
            yield range(begin, at)
            begin = at
    if steps:
        yield range(begin, len(steps))


def _sides(step: Step, x: Axis) -> Point:
    return x(step.begin_ns / SECOND_NS), x(step.end_ns / SECOND_NS)


def _middle(step: Step, x: Axis) -> float:
    return x((step.begin_ns + step.end_ns) / 2 / SECOND_NS)
