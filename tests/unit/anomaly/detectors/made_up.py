"""A made-up detector, which `test_declaration` registers in one line: how far the worst feature is beyond a reach."""

import numpy as np

from anomaly.detectors.base import Memoryless
from anomaly.detectors.declaration import Arrays, Declaration, FitRequest, Fitted
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray, Floats


class MadeUp(Memoryless):
    def __init__(self, reach: Floats) -> None:
        self._reach = reach

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        beyond = np.maximum(np.abs(x) - self._reach, 0.0)
        return beyond.max(axis=1), (beyond + 1e-9) / (beyond + 1e-9).sum(axis=1, keepdims=True)

    def arrays(self) -> dict[str, AnyArray]:
        return {"made_up_reach": self._reach}


def fit(request: FitRequest) -> Fitted:
    return Fitted(MadeUp(np.std(request.history.filled.x, axis=0) * request.parameters["reach"]))


def load(arrays: Arrays) -> MadeUp:
    return MadeUp(np.asarray(arrays["made_up_reach"], dtype=np.float64))


DECLARATION = Declaration(
    description=Description(
        name="made_up",
        summary="how far the worst feature is beyond a reach",
        sees="values that are far away",
        misses="all else",
        parameters={
            "reach": {
                "description": "How many standard deviations are usual.",
                "type": "number",
                "minimum": 0,
                "maximum": 10,
                "default": 1.5,
                "examples": [2],
            }
        },
        part_bytes=16,
    ),
    fit=fit,
    load=load,
)
