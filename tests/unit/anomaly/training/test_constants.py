"""Fields that never change in a history are named, with what to write; others are not."""

import numpy as np
import pytest

from anomaly.pipeline import normalize
from anomaly.training.constants import constant_notes
from anomaly.windows.arrays import Floats
from anomaly.windows.windows import Windows

LEVELS = np.repeat([3.0, 7.0], 50)
MOVING = np.where(np.arange(100) == 60, 8.0, LEVELS)


def notes(*columns: Floats, fields: list[object], **more: object) -> list[str]:
    """Return the notes on two series of 50 windows; a column is the mean of a field."""
    mapping = {"name": "p", "database": "d", "measurement": "m", "fields": fields, "window": "1m", "group_by": ["t"]}
    (pipeline,) = normalize([{**mapping, **more}])
    values = np.stack([each for column in columns for each in (column, np.zeros(100))], axis=1)
    begin_ns = np.tile(np.arange(50, dtype=np.int64) * pipeline.window_ns, 2)
    counts = np.full((100, len(fields)), 6.0)
    return list(constant_notes(pipeline, Windows((("a",), ("b",)), np.repeat([0, 1], 50), begin_ns, values, counts)))


def test_a_field_that_never_changes_in_any_series_is_named_with_the_fix() -> None:
    (note,) = notes(LEVELS, MOVING, fields=["total", "used"])
    assert note == (
        "total never changes in this history, so each other value opens a period: give it a `min_deviation`, from "
        "which a change matters, or leave it out of `fields`"
    )


def test_several_fields_are_named_in_one_note() -> None:
    (note,) = notes(LEVELS, np.where(LEVELS == 3.0, np.nan, LEVELS), fields=["total", "swap"])
    assert note.startswith("total, swap never change in this history")


@pytest.mark.parametrize("column", [MOVING, np.full(100, np.nan)], ids=["moves once", "missing"])
def test_a_field_that_moves_or_is_missing_is_not_named(column: Floats) -> None:
    assert notes(column, fields=["used"]) == []


def test_a_field_with_a_least_deviation_is_not_named() -> None:
    assert notes(LEVELS, fields=[{"name": "total", "min_deviation": 1}]) == []


@pytest.mark.parametrize(("series", "is_noted"), [(["a", "b"], False), (["a"], True)])
def test_a_field_is_named_unless_overrides_give_each_series_a_least_deviation(
    series: list[str], is_noted: bool
) -> None:
    override = {"where": {"t": series}, "fields": [{"name": "total", "min_deviation": 1}]}

    assert bool(notes(LEVELS, fields=["total"], overrides=[override])) == is_noted
