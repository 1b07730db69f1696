"""Draws pictures as a bitmap with Pillow, in the light colours of the style sheet."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from anomaly.backtest.drawing import Area, Box, Curve, Dot, Drawing, Stroke, Text, visible

_SCALE = 2
_MARGIN, _HEADING = 16.0, 24.0
_PAGE = "#fbfbfa"
_INK, _SOFT, _LINE = "#1d232b", "#5d6773", "#dfe2e6"
_FILLS = {
    "band": "#2f6fb32e",
    "severity": "#2f6fb3",
    "period": "#c0392b29",
    "lane-found": "#2f6fb3",
    "lane-false": "#c0392b",
    "lane-unjudged": "#9aa1a9",
}
_STROKES = {"grid": _LINE, "threshold": "#c0392b", "value": "#1d232b"}
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
_SMALL, _LARGE = 11, 15


def write_png(path: Path, pictures: Sequence[tuple[str, Drawing]]) -> None:
    """Write pictures below each other, each with a heading.

    Args:
        path: the file.
        pictures: headings and pictures; at least one.

    Raises:
        OSError: the file cannot be written.
    """
    width = max(drawing.width for _, drawing in pictures) + 2 * _MARGIN
    height = sum(drawing.height + _HEADING + _MARGIN for _, drawing in pictures) + _MARGIN
    image = Image.new("RGB", (round(width * _SCALE), round(height * _SCALE)), _PAGE)
    # In this mode colours that are transparent are blended.
    canvas = ImageDraw.Draw(image, "RGBA")
    top = _MARGIN
    for heading, drawing in pictures:
        canvas.text(_at(0, 14, top), visible(heading), _INK, _font(_LARGE), anchor="ls")
        top += _HEADING
        _draw(canvas, drawing, top)
        top += drawing.height + _MARGIN
    image.save(path, "PNG")


def _draw(canvas: ImageDraw.ImageDraw, drawing: Drawing, top: float) -> None:
    for shape in drawing.shapes:
        match shape:
            case Text():
                colour = _INK if shape.style == "label" else _SOFT
                place = _at(shape.x, shape.y, top)
                canvas.text(place, visible(shape.text), colour, _font(_SMALL), anchor=_ANCHORS[shape.anchor])
            case Stroke():
                ends = [_at(shape.x, shape.y, top), _at(shape.to_x, shape.to_y, top)]
                canvas.line(ends, _STROKES.get(shape.style, _SOFT), _SCALE // 2)
            case Curve():
                points = shape.points if len(shape.points) > 1 else [*shape.points, *shape.points]
                places = [_at(x, y, top) for x, y in points]
                canvas.line(places, _STROKES.get(shape.style, _INK), _SCALE, joint="curve")
            case Area():
                canvas.polygon([_at(x, y, top) for x, y in shape.points], _FILLS.get(shape.style, _SOFT))
            case Box():
                corners = [_at(shape.x, shape.y, top), _at(shape.x + shape.width, shape.y + shape.height, top)]
                canvas.rectangle(corners, _FILLS.get(shape.style, _SOFT))
            case Dot():
                corners = [_at(shape.x - 3, shape.y - 3, top), _at(shape.x + 3, shape.y + 3, top)]
                canvas.ellipse(corners, _INK)


def _at(x: float, y: float, top: float) -> tuple[float, float]:
    return (x + _MARGIN) * _SCALE, (y + top) * _SCALE


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    # Pillow brings this font along, so the picture does not depend on those of the machine.
    return ImageFont.load_default(size * _SCALE)
