"""`forest_cost.py DIRECTORY`: what the forest alone costs, as JSON on standard output.

Microseconds for each point, by points at once, the best of many calls, since the others were interrupted: `score` is
with the distance outside of the boxes, `paper` without, which is what scikit-learn's score_samples computes.
difference: the largest between the two.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.forest.served import IsolationForest
from bench.udf.data import FIELDS

BATCHES = (1, 256, 4096)
SECONDS = 0.5


def cost(score: Callable[[NDArray[np.float64]], object], x: NDArray[np.float64], batch: int) -> float:
    """Return the microseconds a point of one way to score, with different points in each call."""
    best = math.inf
    ends = time.perf_counter() + SECONDS
    start = 0
    while time.perf_counter() < ends or best == math.inf:
        part = x[start : start + batch]
        start = (start + batch) % (len(x) - batch + 1)
        begin = time.perf_counter()
        score(part)
        best = min(best, (time.perf_counter() - begin) / batch * 1e6)
    return best


directory = Path(sys.argv[1])
with np.load(directory / "forest.npz") as arrays:
    ours = IsolationForest.from_arrays(arrays)
theirs = joblib.load(directory / "forest.joblib")
means, deviations = zip(*FIELDS.values(), strict=True)
x = np.random.default_rng(1).normal(means, deviations, (8192, len(FIELDS)))
sys.stdout.write(
    json.dumps(
        {
            "score": {str(batch): cost(ours.score, x, batch) for batch in BATCHES},
            "paper": {str(batch): cost(ours.paper_score, x, batch) for batch in BATCHES},
            "score_samples": {str(batch): cost(theirs.score_samples, x, batch) for batch in BATCHES},
            "difference": float(np.abs(ours.paper_score(x) + theirs.score_samples(x)).max()),
        }
    )
)
