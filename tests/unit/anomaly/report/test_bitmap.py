"""Pictures as bitmaps: each shape is where it is in the SVG, in the colour of its style."""

from pathlib import Path
from typing import cast

from PIL import Image

from anomaly.backtest.drawing import Area, Box, Curve, Drawing, Stroke
from anomaly.report.bitmap import write_png

PAGE, RED, BLUE, INK = (251, 251, 250), (192, 57, 43), (47, 111, 179), (29, 35, 43)
SHAPES = (
    Box("lane-false", 0, 0, 20, 10, ""),
    Area("severity", ((40.0, 0.0), (60.0, 0.0), (60.0, 20.0), (40.0, 20.0))),
    Stroke("threshold", 0, 100, 30, 30),
    Curve("value", ((10.0, 40.0), (90.0, 40.0))),
)


def colour(image: Image.Image, x: float, y: float, top: float) -> tuple[int, int, int]:
    """Return the colour at a place of a picture whose upper side is at `top`; a picture has a margin of 16."""
    return cast("tuple[int, int, int]", image.getpixel((round((x + 16) * 2), round((y + top) * 2))))


def test_shapes_are_drawn_where_they_are_below_each_other(tmp_path: Path) -> None:
    path = tmp_path / "report.png"

    write_png(path, [("first", Drawing("", 100, 50)), ("second", Drawing("", 100, 50, SHAPES))])

    with Image.open(path) as image:
        # A picture has a heading of 24 above it.
        first, second = 16 + 24, 16 + 24 + 50 + 16 + 24
        assert image.size == (2 * (100 + 32), 2 * (second + 50 + 16))
        places = {(10, 5): RED, (50, 10): BLUE, (50, 30): RED, (50, 40): INK, (80, 20): PAGE}
        assert {place: colour(image, *place, second) for place in places} == places
        assert {colour(image, *place, first) for place in places} == {PAGE}
