"""Compares the results of two models, the current one and the shadow, on the same windows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Key

QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


@dataclass(frozen=True, slots=True)
class ComparedPeriod:
    """The part of a period that is compared.

    Attributes:
        series: the key of its series.
        begin_ms: where it begins, in milliseconds since 1970.
        end_ms: where it ends, likewise.
        peak: its peak severity.
        reason: its reason.
    """

    series: Key
    begin_ms: int
    end_ms: int
    peak: float
    reason: str

    def meets(self, other: "ComparedPeriod") -> bool:
        """Check whether both periods are of one series and overlap."""
        return self.series == other.series and self.begin_ms < other.end_ms and other.begin_ms < self.end_ms


@dataclass
class ModelResults:
    """The results of one model.

    Attributes:
        scores: severity and whether it is anomalous, for each window, by the key of its series and its begin.
        periods: the model's periods.
    """

    scores: dict[tuple[Key, int], tuple[float, bool]] = field(default_factory=dict)
    periods: list[ComparedPeriod] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the results of two models differ on the same windows.

    Attributes:
        windows: how many windows both models scored.
        only_current: windows that only the current model scored.
        only_shadow: windows that only the shadow scored.
        anomalous: how many of the windows are anomalous to both, to the current model alone, and to the shadow alone.
        agreement: the share of the windows with the same label.
        quantiles: quantiles of the severities, of the current model and of the shadow.
        periods: how many periods of the current model overlap one of the shadow.
        current_periods: periods of the current model that overlap none of the shadow.
        shadow_periods: periods of the shadow that overlap none of the current model.
    """

    windows: int
    only_current: int
    only_shadow: int
    anomalous: tuple[int, int, int]
    agreement: float
    quantiles: dict[float, tuple[float, float]]
    periods: int
    current_periods: Sequence[ComparedPeriod]
    shadow_periods: Sequence[ComparedPeriod]


def compare(current: ModelResults, shadow: ModelResults) -> Comparison:
    """Compare the results of two models on the windows that both scored.

    Args:
        current: the results of the current model.
        shadow: the results of the shadow.

    Raises:
        ValueError: no window was scored by both.
    """
    both = sorted(current.scores.keys() & shadow.scores.keys())
    if not both:
        raise ValueError("no window was scored by both models")
    severities = np.array([(current.scores[window][0], shadow.scores[window][0]) for window in both])
    labels: NDArray[np.bool_] = np.array([(current.scores[window][1], shadow.scores[window][1]) for window in both])
    one, other = labels.T
    quantiles = np.quantile(severities, QUANTILES, axis=0)
    only_current = _alone(current.periods, shadow.periods)
    return Comparison(
        windows=len(both),
        only_current=len(current.scores) - len(both),
        only_shadow=len(shadow.scores) - len(both),
        anomalous=(int((one & other).sum()), int((one & ~other).sum()), int((~one & other).sum())),
        agreement=float((one == other).mean()),
        quantiles={
            quantile: (float(row[0]), float(row[1])) for quantile, row in zip(QUANTILES, quantiles, strict=True)
        },
        periods=len(current.periods) - len(only_current),
        current_periods=only_current,
        shadow_periods=_alone(shadow.periods, current.periods),
    )


def _alone(periods: Sequence[ComparedPeriod], others: Sequence[ComparedPeriod]) -> list[ComparedPeriod]:
    """Return the periods that meet none of the others."""
    return [period for period in periods if not any(period.meets(other) for other in others)]
