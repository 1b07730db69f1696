"""Pictures as values: shapes with a place and a style, and their SVG.

Backtest, report and demonstration draw with these shapes. A style is a class of the style sheet (report.css), which
gives the colours. The report draws the same shapes as a bitmap, too.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

_HOUR = 3600
_STEPS = (1, 5, 10, 30, 60, 300, 900, 1800, *(_HOUR * n for n in (1, 3, 6, 12, 24, 48, 168, 720)))
_MOST_TICKS = 8


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text.

    Attributes:
        text: what it says.
        x: where its anchor is.
        y: where its baseline is.
        anchor: what the anchor is: `start`, `middle` or `end`.
        style: its class.
    """

    text: str
    x: float
    y: float
    anchor: str
    style: str = "tick"

    def svg(self) -> str:
        """Return the element."""
        return (
            f'<text class="{self.style}" x="{self.x:.1f}" y="{self.y:.1f}" text-anchor="{self.anchor}">'
            f"{escape(visible(self.text))}</text>"
        )


@dataclass(frozen=True, slots=True)
class Stroke:
    """A straight line.

    Attributes:
        style: its class.
        x: where it begins.
        to_x: where it ends.
        y: where it begins.
        to_y: where it ends.
    """

    style: str
    x: float
    to_x: float
    y: float
    to_y: float

    def svg(self) -> str:
        """Return the element."""
        ends = f'x1="{self.x:.1f}" x2="{self.to_x:.1f}" y1="{self.y:.1f}" y2="{self.to_y:.1f}"'
        return f'<line class="{self.style}" {ends}/>'


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points; a single point is a dot of the line's width.

    Attributes:
        style: its class.
        points: pairs of x and y.
    """

    style: str
    points: Sequence[tuple[float, float]]

    def svg(self) -> str:
        """Return the element."""
        points = self.points if len(self.points) > 1 else [*self.points, *self.points]
        return f'<polyline class="{self.style}" points="{_pairs(points)}"/>'


@dataclass(frozen=True, slots=True)
class Area:
    """A filled polygon.

    Attributes:
        style: its class.
        points: pairs of x and y.
    """

    style: str
    points: Sequence[tuple[float, float]]

    def svg(self) -> str:
        """Return the element."""
        return f'<polygon class="{self.style}" points="{_pairs(self.points)}"/>'


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, with a text that a pointer shows.

    Attributes:
        style: its class.
        x: its left side.
        y: its upper side.
        width: its width.
        height: its height.
        title: the text.
    """

    style: str
    x: float
    y: float
    width: float
    height: float
    title: str

    def svg(self) -> str:
        """Return the element."""
        place = f'x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:g}"'
        return f'<rect class="{self.style}" {place}><title>{escape(visible(self.title))}</title></rect>'


@dataclass(frozen=True, slots=True)
class Dot:
    """A small circle, with a text that a pointer shows.

    Attributes:
        style: its class.
        x: where its centre is.
        y: where its centre is.
        title: the text.
    """

    style: str
    x: float
    y: float
    title: str

    def svg(self) -> str:
        """Return the element."""
        title = f"<title>{escape(visible(self.title))}</title>"
        return f'<circle class="{self.style}" cx="{self.x:.1f}" cy="{self.y:.1f}" r="3">{title}</circle>'


Shape = Text | Stroke | Curve | Area | Box | Dot


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture.

    Attributes:
        label: what it shows, for those who do not see it.
        width: its width; its height is in the same unit.
        height: its height.
        shapes: what is drawn, the lowest first.
        style: its classes.
    """

    label: str
    width: float
    height: float
    shapes: Sequence[Shape] = field(default_factory=list)
    style: str = "chart"

    def svg(self) -> str:
        """Return the SVG element."""
        opening = (
            f'<svg class="{self.style}" viewBox="0 0 {self.width:.0f} {self.height:.0f}" role="img" '
            f'aria-label="{escape(visible(self.label))}">'
        )
        return "\n".join([opening, *(shape.svg() for shape in self.shapes), "</svg>"])


@dataclass(frozen=True, slots=True)
class Axis:
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
        """Return the pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)


def visible(text: str) -> str:
    """Return a text without the characters that neither HTML nor a picture may hold."""
    return (
        text
        if text.isprintable()
        else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    )


def time_axis(x: Axis, top: float, bottom: float) -> Iterator[Shape]:
    """Yield the axis of time, with few enough ticks to read.

    Args:
        x: maps seconds since 1970 to pixels.
        top: where the lines of the ticks begin.
        bottom: where they end.
    """
    step = next((step for step in _STEPS if (x.high - x.low) / step <= _MOST_TICKS), None)
    if step is None:
        # Years: whole days that make as many ticks.
        step = math.ceil((x.high - x.low) / _MOST_TICKS / (24 * _HOUR)) * 24 * _HOUR
    shown = "%b %d" if step >= 24 * _HOUR else "%b %d, %H:%M" if step >= 60 else "%H:%M:%S"
    for at in range(math.ceil(x.low / step) * step, math.floor(x.high) + 1, step):
        yield Stroke("grid", x(at), x(at), top, bottom)
        yield Text(f"{datetime.fromtimestamp(at, UTC):{shown}}", x(at), bottom + 16, "middle")


def round_step(most: float, steps: int) -> float:
    """Return a round number, of which at most `steps` make `most`.

    Args:
        most: a positive number.
        steps: how many steps there may be.
    """
    power = 10.0 ** math.floor(math.log10(most / steps))
    return next(power * n for n in (1, 2, 2.5, 5, 10) if power * n * steps >= most * (1 - 1e-9))


def _pairs(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
