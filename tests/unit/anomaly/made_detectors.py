"""Fitted detectors, and data to try them on.

`python -m tests.unit.anomaly.made_detectors` writes their scores into scores.json. Raise
`anomaly.models.manifest.SCHEMA` first where a change of our own code changes scores: a model's thresholds belong to the
scores that its training saw. Do not raise it where a new version of a library makes other forests: models keep theirs.
"""

import json
from pathlib import Path

import numpy as np

from anomaly.detectors import registry
from anomaly.detectors.base import Detector, FeatureHistory, follow
from anomaly.detectors.declaration import FitRequest, HoldOut
from anomaly.detectors.wrappers.context import KINDS
from anomaly.models.manifest import SCHEMA

SCORES = Path(__file__).with_name("scores.json")
MINUTE = 60_000_000_000
SEASON = 360
PARAMETERS = {"trees": 20, "samples": 64, "neighbours": 5}
LENGTH = 3_000


def walk(seed: int, length: int = LENGTH) -> np.ndarray:
    """Make two features, noise with a swing of six hours and a slow walk, with a jump in the first near the end."""
    rng = np.random.default_rng(seed)
    swing = np.sin(np.arange(length) * (2 * np.pi / SEASON))
    x = np.stack([rng.normal(0, 1, length) + 3 * swing, np.cumsum(rng.normal(0, 0.05, length))], axis=1)
    x[-300:-290, 0] += 15
    return x


X = walk(1)
# A hole, and a step back in time.
TIMES = np.arange(LENGTH, dtype=np.int64) * MINUTE
TIMES[2_000:] += 90 * MINUTE
TIMES[2_500:] -= 500 * MINUTE
TRAINED = 1_200

_DESCRIPTIONS = {declaration.name: declaration.description for declaration in registry.declarations()}
_WITH_CONTEXT = [name for name, description in _DESCRIPTIONS.items() if "context" in description.parameters]
_PER_SERIES = [name for name, description in _DESCRIPTIONS.items() if description.per_series]
# All detectors; those with a forest also with a short history and with context; and those with models for each series.
MADE = {
    **{f"{name}-long": (name, "long") for name in registry.NAMES},
    **{f"{name}-{kind}": (name, kind) for name in _WITH_CONTEXT for kind in ("short", "context")},
    **{f"{name}-own": (name, "own") for name in _PER_SERIES},
}


def made(kind: str) -> Detector:
    """Fit one of MADE to two series."""
    name, variant = MADE[kind]
    is_long = variant != "short"
    parameters = {**PARAMETERS, "context": KINDS if variant == "context" else ()}
    both = np.concatenate([X[:TRAINED], walk(2, TRAINED)])
    series = np.repeat([0, 1], TRAINED).astype(np.intp)
    per_series = np.array([True, True]) if variant == "own" else None
    history = FeatureHistory(
        both,
        series,
        2,
        np.tile(TIMES[:TRAINED], 2),
        MINUTE,
        is_long,
        seasons_ns=(SEASON * MINUTE,),
        per_series=per_series,
    )
    declaration = registry.declaration(name)
    request = FitRequest(history, parameters)
    fitted = [part.fit(request).detector for part in declaration.parts]
    scores = np.random.default_rng(3).exponential(1.0, (1_000, len(fitted)))
    return declaration.combine(fitted, HoldOut(scores, 1440.0, is_long)).detector


def sampled(detector: Detector) -> list[float]:
    """Return each 20th score after training, with a shift that no single window shows."""
    x = X.copy()
    x[1_700:1_800, 1] += 1.5
    scores = follow(detector, 1).explain(TIMES[TRAINED:], x[TRAINED:])[0]
    return [round(score, 6) for score in scores[::20].tolist()]


if __name__ == "__main__":
    scores = {kind: sampled(made(kind)) for kind in MADE}
    SCORES.write_text(json.dumps({"schema": SCHEMA, "scores": scores}) + "\n")
