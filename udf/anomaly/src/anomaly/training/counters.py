"""Tells people of a field that looks like a counter and is watched as if it was not.

The values of a counter are always new, so that a detector takes most of them for anomalies; what people want to know is
its rate. A counter rises, or stays, and falls to near zero when it is reset.
"""

from collections.abc import Iterator

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.pipeline.specification import SHAPES
from anomaly.windows.arrays import Bools
from anomaly.windows.windows import Windows

# A series that rises this often, and falls in at most this share of its changes, looks like a counter.
_LEAST_RISES = 20
_MOST_FALLS = 0.02
# A reset ends below this share of the value before.
_RESET_SHARE = 0.5


def counter_warnings(pipeline: Pipeline, windows: Windows) -> Iterator[str]:
    """Yield a warning for each field that looks like a counter, and of which no rate is watched.

    Args:
        pipeline: the pipeline.
        windows: its history.
    """
    level = next((at for at, name in enumerate(pipeline.aggregate) if name not in SHAPES and name != "sum"), None)
    if level is None:
        return
    for number, field in enumerate(pipeline.watched):
        if field.is_derived:
            continue
        looks, moves = _counters(windows, number * len(pipeline.aggregate) + level)
        if looks.any() and 2 * looks.sum() >= moves.sum():
            series = f"{looks.sum()} of {len(windows.keys)} series" if len(windows.keys) > 1 else "the history"
            yield (
                f"field {field.name!r} looks like a counter: in {series} it only rises, but for resets: if it is one, "
                f"watch its rate, {{name: {field.name}, rate: 1s}}"
            )


def _counters(windows: Windows, column: int) -> tuple[Bools, Bools]:
    """Return which series look like counters by a column of values, and which move as often, shape (s,)."""
    present = np.isfinite(windows.values[:, column])
    series, values = windows.series[present], windows.values[present, column]
    order = np.argsort(series, kind="stable")
    series, values = series[order], values[order]
    same = series[1:] == series[:-1]
    before, after = values[:-1][same], values[1:][same]
    of, length = series[1:][same], len(windows.keys)
    rises = np.bincount(of[after > before], minlength=length)
    falls = np.bincount(of[after < before], minlength=length)
    # A window of a reset has points of before and after it, so that two steps may make one fall.
    shallow = (after < before) & (after > _RESET_SHARE * before)
    only_resets = np.bincount(of[shallow], minlength=length) <= np.ceil(falls / 2)
    positive = np.bincount(of[(before < 0) | (after < 0)], minlength=length) == 0
    looks = (rises >= _LEAST_RISES) & (falls <= _MOST_FALLS * (rises + falls)) & only_resets & positive
    return looks, rises + falls >= _LEAST_RISES
