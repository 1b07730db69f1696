"""The arrays of a forest are checked before the first walk, which checks nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from anomaly.detectors.forest.served import IsolationForest
from tests.unit.anomaly.detectors.forest.test_walk import SERVED


def _changed(name: str, index: Any, value: Any) -> IsolationForest:
    array = getattr(SERVED, name).copy()
    array[index] = value
    return replace(SERVED, **{name: array})


INNER = int(np.flatnonzero(SERVED.leaf < 0)[3])


@pytest.mark.parametrize(
    "broken",
    [
        _changed("children", INNER, [INNER, INNER]),
        _changed("children", INNER, [INNER + 1, INNER + 1]),
        _changed("children", (INNER, 0), SERVED.roots[1]),
        _changed("children", (INNER, 0), len(SERVED.feature) - 1),
        _changed("roots", 1, SERVED.roots[1] + 1),
        _changed("leaf", INNER, 0),
        _changed("leaf", SERVED.leaf.argmax(), len(SERVED.path)),
        _changed("feature", INNER, 3),
        _changed("feature", INNER, -1),
        # The compiled walk would read beyond these.
        replace(SERVED, path=SERVED.path[:-1]),
        replace(SERVED, box=SERVED.box[:-1]),
        replace(SERVED, box=SERVED.box[:, :, :-1]),
        replace(SERVED, threshold=SERVED.threshold[:-1]),
    ],
)
def test_arrays_that_are_not_a_forest_are_refused_before_the_first_walk(broken: IsolationForest) -> None:
    with pytest.raises(ValueError, match="the forest"):
        IsolationForest.from_arrays(broken.arrays())
