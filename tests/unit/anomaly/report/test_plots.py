"""The plots of a report."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.backtest.drawing import Area, Box, Curve, Text
from anomaly.report.plots import series_plot
from anomaly.report.read import SeriesPlot
from tests.unit.anomaly.report.made import STEP_NS, StepValues, overview, period, plot, step

OVERVIEW = overview(period())
PLOT = plot(OVERVIEW, OVERVIEW.worst_series[0])


def drawn(*values: StepValues, at: tuple[int, ...] | None = None) -> SeriesPlot:
    places = at or tuple(range(len(values)))
    steps = (step(n, 50.0, {"bed": each}) for n, each in zip(places, values, strict=True))
    return replace(PLOT, fields=("bed",), steps=tuple(steps))


def test_each_period_is_shaded_behind_all_rows() -> None:
    boxes = [shape for shape in series_plot(OVERVIEW, PLOT).shapes if isinstance(shape, Box)]

    assert [box.style for box in boxes] == ["period"]
    assert "bed, severity 98" in boxes[0].title
    assert boxes[0].height > 200


def test_a_gap_interrupts_line_and_band() -> None:
    shapes = series_plot(OVERVIEW, drawn((1, 2, 0, 3), (1, 2, 0, 3), (1, 2, 0, 3), at=(0, 1, 9))).shapes

    assert [len(shape.points) for shape in shapes if isinstance(shape, Curve)] == [4, 2]
    assert len([shape for shape in shapes if isinstance(shape, Area) and shape.style == "band"]) == 2


def test_a_step_that_the_clock_makes_longer_is_drawn_up_to_its_end() -> None:
    usual = drawn((1, 1, 0, 3), (2, 2, 0, 3))
    longer = replace(usual, steps=(usual.steps[0], replace(usual.steps[1], end_ns=usual.steps[1].end_ns + STEP_NS)))

    ends, ends_longer = (
        {
            shape.style: max(x for x, _ in shape.points)
            for shape in series_plot(OVERVIEW, each).shapes
            if isinstance(shape, (Area, Curve))
        }
        for each in (usual, longer)
    )

    step_width = (840.0 - 62.0 - 42.0) * STEP_NS / (OVERVIEW.span.end_ns - OVERVIEW.span.begin_ns)
    further = {style: ends_longer[style] - end for style, end in ends.items()}
    assert further == {
        "band": pytest.approx(step_width),
        "severity": pytest.approx(step_width),
        "value": pytest.approx(step_width / 2),
    }


def test_the_lowest_and_the_highest_value_of_a_step_are_drawn() -> None:
    shapes = series_plot(OVERVIEW, drawn((1.0, 1.0, 0.0, 2.0), (1.0, 9.0, 0.0, 2.0), (1.0, 1.0, 0.0, 2.0))).shapes

    (curve,) = [shape for shape in shapes if isinstance(shape, Curve)]
    assert len(curve.points) == 4
    assert min(y for _, y in curve.points) < curve.points[0][1] - 30


def test_an_expected_range_that_is_very_wide_does_not_flatten_the_values() -> None:
    shapes = series_plot(OVERVIEW, drawn((1.0, 1.0, -1e6, 1e6), (2.0, 2.0, -1e6, 1e6))).shapes

    (curve,) = [shape for shape in shapes if isinstance(shape, Curve)]
    heights = [y for _, y in curve.points]
    assert max(heights) - min(heights) > 20


def test_a_field_without_values_says_so() -> None:
    texts = [
        shape.text for shape in series_plot(OVERVIEW, drawn((None, None, None, None))).shapes if isinstance(shape, Text)
    ]

    assert "no values in the results" in texts


number = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(number, number, number, number), max_size=8))
def test_any_numbers_are_drawn_within_the_picture(values: list[StepValues]) -> None:
    ordered: list[StepValues] = [
        (None, None, *ends) if low is None or high is None else (min(low, high), max(low, high), *ends)
        for (low, high), ends in (((each[0], each[1]), (each[2], each[3])) for each in values)
    ]
    drawing = series_plot(OVERVIEW, drawn(*ordered))

    points = [p for shape in drawing.shapes if isinstance(shape, (Curve, Area)) for p in shape.points]
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in points)
    assert len(drawing.shapes) < 120
