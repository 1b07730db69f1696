"""`make_model.py DIRECTORY`: one forest, 100 trees on three features, as forest.joblib and as forest.npz for ours."""

import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.ensemble import IsolationForest

from anomaly.detectors.forest.fit import flatten
from bench.udf.data import FIELDS

directory = Path(sys.argv[1])
means, deviations = zip(*FIELDS.values(), strict=True)
x = np.random.default_rng(0).normal(means, deviations, (5000, len(FIELDS)))
forest = IsolationForest(n_estimators=100, max_samples=256, random_state=0).fit(x)
joblib.dump(forest, directory / "forest.joblib")
arrays: dict[str, Any] = dict(flatten(forest, x).arrays())
np.savez(directory / "forest.npz", **arrays)
