"""Tails: beyond its 1 % quantiles, a feature in units of its tail's mean excess, each side for itself.

Skewed and heavy tails become alike, and near to exponential, so that features can be put together, and scores beyond
those of training be extrapolated. Source of the idea: peaks over threshold, e.g. Siffer et al., "Anomaly Detection in
Streams with Extreme Value Theory", KDD 2017.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import Memoryless
from anomaly.windows.arrays import Floats

_TAIL = 0.01
_TAIL_POINTS = 20
_MIN_EXCESS = 0.1


@dataclass(frozen=True, slots=True)
class Tails:
    """low, high: (d,), where the tails begin. excess_low, excess_high: (d,), mean excess beyond."""

    low: Floats
    high: Floats
    excess_low: Floats
    excess_high: Floats

    def apply(self, x: Floats) -> Floats:
        """Features (n, d) of features (n, d)."""
        x = np.where(x > self.high, self.high + (x - self.high) / self.excess_high, x)
        return np.where(x < self.low, self.low + (x - self.low) / self.excess_low, x)


def fit_tails(x: Floats) -> Tails:
    """The tails of features (n, d), n > 0."""
    share = min(0.25, max(_TAIL, _TAIL_POINTS / len(x)))
    low, high = np.quantile(x, [share, 1 - share], axis=0)
    return Tails(low, high, _mean_excess(low - x), _mean_excess(x - high))


def _mean_excess(beyond: Floats) -> Floats:
    outside = beyond > 0
    total = np.where(outside, beyond, 0.0).sum(axis=0)
    return np.asarray(np.maximum(_MIN_EXCESS, total / np.maximum(outside.sum(axis=0), 1)))


class Tailed(Memoryless):
    """A detector that is given features with their tails measured."""

    def __init__(self, tails: Tails, inner: Memoryless) -> None:
        self.tails = tails
        self.inner = inner

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """See `Memoryless.explain`."""
        return self.inner.explain(self.tails.apply(x))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Detector.arrays`."""
        return {
            **{f"tails_{name}": getattr(self.tails, name) for name in Tails.__slots__},
            **self.inner.arrays(),
        }


def tails_from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> Tails:
    """The tails in `Tailed.arrays`. Raises KeyError where one is missing."""
    return Tails(*(np.asarray(arrays[f"tails_{name}"], dtype=np.float64) for name in Tails.__slots__))
