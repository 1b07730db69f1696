"""One printer's day as SVG: what was injected, what was found, the three fields and the severity over one time axis."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from demo.database import Bucket
from demo.verdict import Outcome, Period
from ingest.printer import FIELD_NAMES
from ingest.times import format_time

LEFT, WIDTH, RIGHT = 92.0, 960.0, 12.0
LANE, ROW, SPACE, AXIS = 16.0, 76.0, 12.0, 22.0
_HOUR_MS = 3_600_000
_SEVERITY_TOP = 100.0


@dataclass(frozen=True)
class Series:
    """What is drawn of one printer. ``open_severity`` is where a period opens, if that is known."""

    printer: str
    begin_ms: int
    end_ms: int
    buckets: Sequence[Bucket]
    severities: Sequence[tuple[int, float | None]]
    outcomes: Sequence[Outcome]
    periods: Sequence[Period]
    false: Sequence[Period]
    open_severity: float | None


def chart(series: Series) -> str:
    """The SVG element."""
    scale = _Scale(series.begin_ms, series.end_ms)
    lanes_top = 4.0
    rows_top = lanes_top + 2 * (LANE + 4) + SPACE
    rows = [*FIELD_NAMES, "severity"]
    bottom = rows_top + len(rows) * (ROW + SPACE)
    parts = [
        _opening(series.printer, bottom + AXIS),
        *_grid(scale, lanes_top, bottom),
        *_lanes(series, scale, lanes_top),
    ]
    for index, name in enumerate(rows):
        top = rows_top + index * (ROW + SPACE)
        touched = [o for o in series.outcomes if name == "severity" or name in o.fault.fields]
        parts += [_band(scale, o.fault.begin_ms, o.fault.end_ms, top, ROW, "fault", _fault_title(o)) for o in touched]
        parts += [_band(scale, p.begin_ms, p.end_ms, top, ROW, "found", _period_title(p)) for p in series.periods]
        parts.append(_label(name, top + ROW / 2 + 4))
        if name == "severity":
            parts += _severity(series, scale, top)
        else:
            parts += _field(series.buckets, index, scale, top)
    parts.append("</svg>")
    return "\n".join(part for part in parts if part)


def _opening(printer: str, height: float) -> str:
    label = f"{escape(printer)}: fields, injected faults and found periods"
    return f'<svg class="chart" viewBox="0 0 {LEFT + WIDTH + RIGHT:.0f} {height:.0f}" role="img" aria-label="{label}">'


class _Scale:
    def __init__(self, begin_ms: int, end_ms: int) -> None:
        self.begin_ms = begin_ms
        self.end_ms = end_ms

    def x(self, time_ms: int) -> float:
        share = (time_ms - self.begin_ms) / (self.end_ms - self.begin_ms)
        return LEFT + WIDTH * min(max(share, 0.0), 1.0)


def _grid(scale: _Scale, top: float, bottom: float) -> Iterable[str]:
    hours = (scale.end_ms - scale.begin_ms) / _HOUR_MS
    step_ms = next((int(h * _HOUR_MS) for h in (0.25, 0.5, 1, 3, 6, 12, 24, 72) if hours / h <= 12), 168 * _HOUR_MS)
    time_ms = -(-scale.begin_ms // step_ms) * step_ms
    while time_ms <= scale.end_ms:
        x = scale.x(time_ms)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
        text = format_time(time_ms)[11:16]
        anchor = "start" if x < LEFT + 14 else "end" if x > LEFT + WIDTH - 14 else "middle"
        yield f'<text class="tick" x="{x:.1f}" y="{bottom + 14:.1f}" text-anchor="{anchor}">{text}</text>'
        time_ms += step_ms


def _lanes(series: Series, scale: _Scale, top: float) -> Iterable[str]:
    yield _label("injected", top + LANE - 4)
    for outcome in series.outcomes:
        kind = "lane-fault" if outcome.found else "lane-missed"
        yield _band(
            scale, outcome.fault.begin_ms, outcome.fault.end_ms, top, LANE, kind, _fault_title(outcome), least=3
        )
    second = top + LANE + 4
    yield _label("found", second + LANE - 4)
    for period in series.periods:
        kind = "lane-false" if period in series.false else "lane-found"
        yield _band(scale, period.begin_ms, period.end_ms, second, LANE, kind, _period_title(period), least=3)


def _field(buckets: Sequence[Bucket], index: int, scale: _Scale, top: float) -> Iterable[str]:
    lows = [b.low[index] for b in buckets if b.low[index] is not None]
    highs = [b.high[index] for b in buckets if b.high[index] is not None]
    if not lows or not highs:
        return
    least, most = min(v for v in lows if v is not None), max(v for v in highs if v is not None)
    height = (most - least) or 1.0

    def y(value: float) -> float:
        return top + ROW - (value - least) / height * ROW

    yield _tick(f"{most:.1f}", top + 8)
    yield _tick(f"{least:.1f}", top + ROW)
    for run in _runs([(b.begin_ms, b.low[index], b.high[index]) for b in buckets]):
        there = [f"{scale.x(time):.1f},{y(high):.1f}" for time, _, high in run]
        back = [f"{scale.x(time):.1f},{y(low):.1f}" for time, low, _ in reversed(run)]
        yield f'<polygon class="value" points="{" ".join(there + back)}"/>'


def _severity(series: Series, scale: _Scale, top: float) -> Iterable[str]:
    def y(value: float) -> float:
        return top + ROW - min(max(value / _SEVERITY_TOP, 0.0), 1.0) * ROW

    yield _tick("100", top + 8)
    yield _tick("0", top + ROW)
    if series.open_severity is not None:
        height = y(series.open_severity)
        yield (
            f'<line class="threshold" x1="{LEFT:.1f}" x2="{LEFT + WIDTH:.1f}" y1="{height:.1f}" y2="{height:.1f}">'
            f"<title>a period opens at {series.open_severity:g}</title></line>"
        )
    for run in _runs([(time, value, value) for time, value in series.severities]):
        points = " ".join(f"{scale.x(time):.1f},{y(value):.1f}" for time, value, _ in run)
        yield f'<polyline class="severity" points="{points}"/>'


def _runs(rows: Iterable[tuple[int, float | None, float | None]]) -> Iterable[list[tuple[int, float, float]]]:
    """Stretches without a missing value: a gap is drawn as a gap."""
    run: list[tuple[int, float, float]] = []
    for time, low, high in rows:
        if low is None or high is None:
            if run:
                yield run
            run = []
        else:
            run.append((time, low, high))
    if run:
        yield run


def _band(
    scale: _Scale, begin_ms: int, end_ms: int, top: float, height: float, kind: str, title: str, least: float = 1.0
) -> str:
    if end_ms <= scale.begin_ms or begin_ms >= scale.end_ms:
        return ""
    x = scale.x(begin_ms)
    width = max(scale.x(end_ms) - x, least)
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _label(text: str, y: float) -> str:
    return f'<text class="label" x="0" y="{y:.1f}">{escape(text)}</text>'


def _tick(text: str, y: float) -> str:
    return f'<text class="tick" x="{LEFT - 6:.1f}" y="{y:.1f}" text-anchor="end">{text}</text>'


def _fault_title(outcome: Outcome) -> str:
    fault = outcome.fault
    what = f"{fault.id} {fault.kind} on {', '.join(fault.fields)}"
    became = "found" if outcome.found else "missed"
    return f"{what}, {format_time(fault.begin_ms)} to {format_time(fault.end_ms)}: {became}"


def _period_title(period: Period) -> str:
    span = f"{format_time(period.begin_ms)} to {format_time(period.end_ms)}"
    return f"period, {span}: {period.reason}, severity {period.peak_severity:.0f}"
