"""Pictures as values, and their SVG."""

from xml.etree import ElementTree

import pytest

from anomaly.backtest.drawing import Axis, Box, Dot, Drawing, Stroke, Text, round_step, time_axis, visible

DAY_S = 86_400


def test_texts_cannot_break_out_of_the_picture() -> None:
    text = '</title><script>"&\x00\x1b'
    shapes = (Text(text, 1, 2, "start"), Box("period", 0, 0, 1, 1, text), Dot("value", 1, 1, text))

    drawn = ElementTree.fromstring(Drawing(text, 10, 10, shapes).svg())  # noqa: S314

    assert [visible(text)] * 3 == [each for each in drawn.itertext() if each.strip()]
    assert drawn.attrib["aria-label"] == visible(text)


def test_what_cannot_be_printed_is_replaced() -> None:
    assert visible("bed \x00\n°C 数") == "bed \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}°C 数"


def test_an_axis_has_an_end() -> None:
    axis = Axis(10.0, 20.0, 100.0, 0.0)

    assert [axis(value) for value in (0.0, 10.0, 12.5, 20.0, 99.0)] == [100.0, 100.0, 75.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("seconds", "first"),
    [(7, "00:00:00"), (3_600, "Jan 01, 00:00"), (DAY_S, "Jan 01, 00:00"), (30 * DAY_S, "Jan 01"), (9_000 * DAY_S, "")],
)
def test_the_axis_of_time_has_few_ticks(seconds: int, first: str) -> None:
    shapes = list(time_axis(Axis(0.0, float(seconds), 0.0, 800.0), 0.0, 100.0))

    texts = [shape.text for shape in shapes if isinstance(shape, Text)]
    assert 3 <= len(texts) <= 9
    assert len([shape for shape in shapes if isinstance(shape, Stroke)]) == len(texts)
    assert texts[0].startswith(first)
    assert len(set(texts)) > 1


@pytest.mark.parametrize(("most", "step"), [(1.0, 0.25), (7.9, 2.0), (8.0, 2.0), (8.1, 2.5), (11.0, 5.0), (30.0, 10.0)])
def test_a_step_is_round_and_few_of_them_suffice(most: float, step: float) -> None:
    assert round_step(most, 4) == pytest.approx(step)
