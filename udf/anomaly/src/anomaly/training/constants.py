"""Tells people of fields that never change in a history, so that any other value of them is an anomaly.

A pattern such as `"*"` also means fields that hardly tell anything: a total, a process's number, a counter of errors
that never came. No history says how much of a change matters there, so people have to.
"""

from collections.abc import Iterator

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.pipeline.specification import SHAPES
from anomaly.training.naming import first_of
from anomaly.windows.windows import Windows

# This many fields are named.
_MOST_NAMED = 8


def constant_notes(pipeline: Pipeline, windows: Windows) -> Iterator[str]:
    """Yield a note on the fields that never change in any series, and have no `min_deviation` in one of them.

    Args:
        pipeline: the pipeline.
        windows: its history.
    """
    level = next((at for at, name in enumerate(pipeline.aggregate) if name not in SHAPES), None)
    if level is None:
        return
    # Without overrides, the rules of one series are those of all.
    rules = {pipeline.watched_of(key) for key in windows.keys[: None if pipeline.overrides else 1]}
    constant = [
        field.name
        for number, field in enumerate(pipeline.watched)
        if not all(watched[number].least for watched in rules)
        and _is_constant(windows, number * len(pipeline.aggregate) + level)
    ]
    if constant:
        named = first_of(constant, _MOST_NAMED, str)
        one = len(constant) == 1
        yield (
            f"{named} {'never changes' if one else 'never change'} in this history, so each other value opens a "
            f"period: give {'it' if one else 'them'} a `min_deviation`, from which a change matters, or leave "
            f"{'it' if one else 'them'} out of `fields`"
        )


def _is_constant(windows: Windows, column: int) -> bool:
    """Return whether a feature has one value in each series, and a series has several windows of it."""
    present = np.isfinite(windows.values[:, column])
    series, values = windows.series[present], windows.values[present, column]
    order = np.argsort(series, kind="stable")
    series, values = series[order], values[order]
    same = series[1:] == series[:-1]
    return bool(same.any() and (values[1:][same] == values[:-1][same]).all())
