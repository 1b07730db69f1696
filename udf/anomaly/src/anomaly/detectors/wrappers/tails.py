"""Tails: beyond its 1 % quantiles, a feature is measured in units of its tail's mean excess, each side for itself.

Skewed and heavy tails become alike and nearly exponential. Features can then be put together, and scores beyond those
of training can be extrapolated.

Reference: peaks over threshold, as in Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD
2017.
"""

from dataclasses import dataclass

import numpy as np

from anomaly.detectors.base import Memoryless
from anomaly.detectors.declaration import Arrays
from anomaly.windows.arrays import AnyArray, Floats

_TAIL = 0.01
_TAIL_POINTS = 20
_MIN_EXCESS = 0.1
# A value adds at most this many medians to the mean excess. One glitch of a sensor would make all else seem near.
_MOST_MEDIANS = 10.0


@dataclass(frozen=True, slots=True)
class Tails:
    """The tails of d features.

    Attributes:
        low: where the lower tails begin, shape (d,), in units of the features.
        high: where the upper tails begin, shape (d,).
        excess_low: mean excess beyond `low`, shape (d,).
        excess_high: mean excess beyond `high`, shape (d,).
    """

    low: Floats
    high: Floats
    excess_low: Floats
    excess_high: Floats

    def apply(self, x: Floats) -> Floats:
        """Measure features beyond their quantiles in units of their tails.

        Args:
            x: features, shape (n, d).

        Returns:
            Features, shape (n, d), unchanged between `low` and `high`.
        """
        x = np.where(x > self.high, self.high + (x - self.high) / self.excess_high, x)
        return np.where(x < self.low, self.low + (x - self.low) / self.excess_low, x)


def fit_tails(x: Floats) -> Tails:
    """Find the tails of features.

    Args:
        x: features, shape (n, d), n > 0.

    Returns:
        Their tails.
    """
    share = min(0.25, max(_TAIL, _TAIL_POINTS / len(x)))
    low, high = np.quantile(x, [share, 1 - share], axis=0)
    return Tails(low, high, _mean_excess(low - x), _mean_excess(x - high))


def _mean_excess(beyond: Floats) -> Floats:
    """Return the mean of what is beyond 0 in each column, shape (d,); no value adds more than ten medians."""
    means = np.full(beyond.shape[1], _MIN_EXCESS)
    for column, values in enumerate(beyond.T):
        excesses = values[values > 0]
        if len(excesses):
            most = _MOST_MEDIANS * np.median(excesses)
            means[column] = max(_MIN_EXCESS, float(np.minimum(excesses, most).mean()))
    return means


class Tailed(Memoryless):
    """A detector that is given features with their tails measured.

    Attributes:
        tails: the tails.
        inner: the detector.
    """

    def __init__(self, tails: Tails, inner: Memoryless) -> None:
        self.tails = tails
        self.inner = inner

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """Score windows by the inner detector, as `Memoryless.explain` says."""
        return self.inner.explain(self.tails.apply(x))

    def arrays(self) -> dict[str, AnyArray]:
        """Return the tails and the inner detector's arrays."""
        return {
            **{f"tails_{name}": getattr(self.tails, name) for name in Tails.__slots__},
            **self.inner.arrays(),
        }


def are_tails_in(arrays: Arrays) -> bool:
    """Tell whether arrays are those of a detector that is given features with their tails measured."""
    return "tails_low" in arrays


def tails_from_arrays(arrays: Arrays) -> Tails:
    """Make tails from the arrays of equal ones.

    Args:
        arrays: what `Tailed.arrays` returned, and perhaps others.

    Returns:
        The tails.

    Raises:
        KeyError: an array is missing.
    """
    return Tails(*(np.asarray(arrays[f"tails_{name}"], dtype=np.float64) for name in Tails.__slots__))
