"""The quality gate: what is too little, too odd or too noisy to become a model."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from anomaly.calibration import calibrate
from anomaly.features import Floats, features
from anomaly.spec import Pipeline
from anomaly.windows import Windows

MIN_WINDOWS = 200
# Held-back windows beyond `periods.open`: from the one share on it is said, from the other on it is refused. By
# calibration there should be hardly any.
_SAID = 0.001
_REFUSED = 0.05


class Refused(Exception):
    """Training that must not become a model; the message says why and what to do."""


@dataclass(frozen=True)
class Quality:
    """expected_per_day, observed_per_day: windows of a series beyond `periods.open`, by calibration and on windows
    held back from fitting and calibration alike. warnings: sentences for people."""

    expected_per_day: float
    observed_per_day: float
    warnings: tuple[str, ...]


def check_windows(pipeline: Pipeline, windows: Windows, usable: int) -> None:
    """Raises Refused when fewer than MIN_WINDOWS windows are usable, and names what is missing in the others."""
    if usable >= MIN_WINDOWS:
        return
    message = (
        f"pipeline {pipeline.name}: {usable} usable windows of {pipeline.window}, at least {MIN_WINDOWS} are needed"
    )
    if len(windows) >= MIN_WINDOWS:
        missing = ~np.isfinite(windows.values)
        worst = int(missing.sum(axis=0).argmax())
        feature = features(pipeline)[worst]
        share = missing[:, worst].mean()
        if share > 0.5 and feature.aggregate == "stddev":
            raise Refused(
                f"{message}: {feature.name} is missing in {share:.0%} of {len(windows)} windows, as it needs two "
                "points in a window: "
                "choose a longer window, or aggregate: [mean]"
            )
        raise Refused(
            f"{message}: {feature.name} is missing in {share:.0%} of {len(windows)} windows: remove the field "
            f"{feature.field!r} from the "
            "pipeline, choose a longer window, or have it written more often"
        )
    raise Refused(f"{message}: train on a longer range (training.from, --from), or choose a shorter window")


def check_quality(pipeline: Pipeline, windows: Windows, held_back: Floats, fold: NDArray[np.intp]) -> Quality:
    """Compares, fold by fold, what a calibration without the fold says of the fold. Raises Refused if a model would
    alarm at more than a twentieth of its own history."""
    limit = pipeline.periods.open
    loud = np.zeros(len(held_back), dtype=bool)
    for number in np.unique(fold):
        inside = fold == number
        others = calibrate(held_back[~inside] if (~inside).any() else held_back)
        loud[inside] = others.severity(held_back[inside], pipeline.windows_per_day) >= limit
    share = float(loud.mean())
    warnings = []
    if share > _SAID:
        where = _densest(windows, loud)
        sentence = (
            f"{share:.1%} of the windows held back from training would reach severity {limit:g} (by calibration, "
            "hardly any should); most "
            f"of them around {where}: the range holds anomalies, or changes for good"
        )
        if share > _REFUSED:
            raise Refused(
                f"pipeline {pipeline.name}: {sentence}: choose another range (training.from, training.to, --from, --to)"
            )
        warnings.append(sentence)
    expected = 1.0 / 10.0 ** ((limit - 50.0) / 12.5)
    return Quality(expected, share * pipeline.windows_per_day, tuple(warnings))


def _densest(windows: Windows, loud: NDArray[np.bool_]) -> str:
    counts, edges = np.histogram(windows.begin_ns[loud], bins=50)
    begin = int(edges[int(counts.argmax())])
    return datetime.fromtimestamp(begin / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
