"""Coupling: how far each feature is from what the other fields of the same window say of it.

Fields of one process go together: the current of a pump follows its flow and its pressure. Where that breaks, each
field may stay in its range. A forest sees little of it, as each of its cuts looks at one feature. So it is given one
more column for each feature of which the features of other fields tell at least half of the variance: the residual of a
linear regression on them, in units of its own scatter.

A residual compares features, so features of which not all deviations count take no part: what `direction` and
`min_deviation` take away from one of them would look like a break of the coupling. Where a feature is unknown, all
residuals of the window are 0.

References: Hawkins, "Multivariate Quality Control Based on Regression-Adjusted Variables", Technometrics 33 (1), 1991;
the regression is Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 12
(1), 1970, as some features follow from others exactly.
"""

from dataclasses import dataclass

import numpy as np

from anomaly.detectors.base import FeatureHistory, Memoryless, filled
from anomaly.detectors.declaration import Arrays
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints

_WEIGHTS, _OFFSETS, _TARGETS = "coupling_weights", "coupling_offsets", "coupling_targets"
# A feature has a residual where other fields tell this share of its variance; otherwise the residual nearly equals
# the feature.
_LEAST_TOLD = 0.5
# There are at least this many windows for each feature.
_LEAST_WINDOWS = 3
# What is added to the variance of each feature, as a share of it.
_RIDGE = 1e-3
# Features count up to these quantiles, so that a few odd windows do not turn the regression.
_CLIPPED = 0.005
# The least scatter of a residual, in scales of its feature: what always follows exactly differs by rounding.
_SMALLEST_SCATTER = 0.02
# Features beyond this many scales count as if they were there, so that residuals are numbers whatever values are.
_FARTHEST = 1e9
_MAD_TO_SIGMA = 1.4826
# The width of the middle 95 % of a normal distribution.
_MIDDLE = 3.92


@dataclass(frozen=True, slots=True)
class Coupling:
    """The residuals of k of the first d features.

    Attributes:
        weights: what each feature adds to each residual, shape (k, d).
        offsets: what each residual is where all features are at the center, shape (k,).
        targets: the feature that each residual is of, shape (k,).
    """

    weights: Floats
    offsets: Floats
    targets: Ints

    @property
    def features(self) -> int:
        """The number d of features."""
        return int(self.weights.shape[1])

    def apply(self, x: Floats) -> Floats:
        """Put the residuals beside the features.

        Args:
            x: features and perhaps other columns, shape (n, w), NaN where a feature is unknown.

        Returns:
            Features and residuals, shape (n, w + k), 0 instead of NaN.
        """
        residuals = np.repeat(self.offsets[None], len(x), axis=0)
        # One feature after the other, so that a window has the same residuals whichever windows come with it.
        for number, weights in enumerate(self.weights.T):
            residuals += np.clip(x[:, number, None], -_FARTHEST, _FARTHEST) * weights
        return filled(np.concatenate([x, residuals], axis=1))

    def folded(self, share: Floats) -> Floats:
        """Add the shares of the residuals, shape (n, w + k), to those of their features; return shape (n, w)."""
        width = share.shape[1] - len(self.targets)
        own = share[:, :width].copy()
        for column, target in enumerate(self.targets.tolist(), width):
            own[:, target] += share[:, column]
        return own


class Coupled(Memoryless):
    """A detector that is given residuals beside the features.

    Attributes:
        coupling: the residuals.
        inner: the detector.
    """

    def __init__(self, coupling: Coupling, inner: Memoryless) -> None:
        self.coupling = coupling
        self.inner = inner

    def explain(self, x: Floats) -> tuple[Floats, Floats]:
        """Score windows by the inner detector; a feature's share includes its residual's."""
        scores, share = self.inner.explain(self.coupling.apply(x))
        return scores, self.coupling.folded(share)

    def explain_incomplete(self, x: Floats) -> tuple[Floats, Floats]:
        """Score windows that may lack features, as `explain` does."""
        return self.explain(x)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the coupling and the inner detector's arrays."""
        coupling = {_WEIGHTS: self.coupling.weights, _OFFSETS: self.coupling.offsets, _TARGETS: self.coupling.targets}
        return {**coupling, **self.inner.arrays()}


def fit_coupling(history: FeatureHistory, width: int) -> Coupling:
    """Find the features that others tell.

    Args:
        history: n windows; those that feedback confirms as usual are left out, and so are those that lack a feature.
        width: how many columns of the history are features, d; the others are of their past or of the time.

    Returns:
        The residuals; none where no feature is told by others.
    """
    x = history.unconfirmed[:, :width]
    x = np.clip(x[np.isfinite(x).all(axis=1)], -_FARTHEST, _FARTHEST)
    weights, offsets, targets = [], [], []
    field = fields(history, width)
    if len(x) >= _LEAST_WINDOWS * width:
        low, high = np.quantile(x, [_CLIPPED, 1.0 - _CLIPPED], axis=0)
        clipped = np.clip(x, low, high)
        center, spread = clipped.mean(axis=0), clipped.std(axis=0)
        takes_part = spread > 0.0
        if history.counted_whole is not None:
            takes_part &= history.counted_whole
        z = np.divide(clipped - center, spread, out=np.zeros_like(clipped), where=takes_part)
        for target in np.flatnonzero(takes_part).tolist():
            of_z = _residual(z, takes_part & (field != field[target]), target)
            if of_z is None:
                continue
            weight = np.divide(of_z, spread, out=np.zeros(width), where=takes_part) * spread[target]
            residual = x @ weight
            middle, scatter = _scatter(residual)
            weights.append(weight / scatter)
            offsets.append(-middle / scatter)
            targets.append(target)
    return Coupling(np.reshape(weights, (-1, width)), np.array(offsets), np.array(targets, dtype=np.intp))


def fields(history: FeatureHistory, width: int) -> Ints:
    """Return the number of each feature's field, shape (d,)."""
    return np.arange(width) if history.field is None else history.field


def _residual(z: Floats, others: Bools, target: int) -> Floats | None:
    """Return what each feature adds to a feature's residual, shape (d,); None where the others tell too little of it.

    Args:
        z: features of mean 0 and variance 1, shape (n, d).
        others: the features that the residual may take, shape (d,).
        target: the feature.
    """
    if not others.any():
        return None
    known = z[:, others]
    squares = known.T @ known / len(z) + _RIDGE * np.eye(known.shape[1])
    told = np.linalg.solve(squares, known.T @ z[:, target] / len(z))
    # As many degrees of freedom are lost as there are other features.
    untold = float(((z[:, target] - known @ told) ** 2).sum()) / (len(z) - known.shape[1])
    if untold > 1.0 - _LEAST_TOLD:
        return None
    weight = np.zeros(z.shape[1])
    weight[others], weight[target] = -told, 1.0
    return weight


def _scatter(residual: Floats) -> tuple[float, float]:
    """Return the median and the scatter of a residual, shape (n,).

    The scatter is the first of these that is not too small: MAD, the middle 95 %, the standard deviation. Where most
    fields stand still, most windows follow exactly, and those in which they move tell how far a residual is usual.
    """
    middle = float(np.median(residual))
    low, high, lowest, highest = np.quantile(residual, [0.025, 0.975, _CLIPPED, 1.0 - _CLIPPED])
    for scatter in (
        _MAD_TO_SIGMA * float(np.median(np.abs(residual - middle))),
        float(high - low) / _MIDDLE,
        float(np.clip(residual, lowest, highest).std()),
    ):
        if scatter > _SMALLEST_SCATTER:
            return middle, scatter
    return middle, _SMALLEST_SCATTER


def coupling_from_arrays(arrays: Arrays) -> Coupling | None:
    """Make the coupling from the arrays of an equal one.

    Args:
        arrays: what `Coupled.arrays` returned, and perhaps others.

    Returns:
        The coupling; None where the arrays hold none.

    Raises:
        KeyError: an array is missing.
        ValueError: the arrays do not fit each other.
    """
    if _WEIGHTS not in arrays:
        return None
    weights, offsets = (np.asarray(arrays[name], dtype=np.float64) for name in (_WEIGHTS, _OFFSETS))
    targets = np.asarray(arrays[_TARGETS], dtype=np.intp)
    if weights.ndim != 2 or offsets.shape != weights.shape[:1] or targets.shape != weights.shape[:1]:
        shapes = f"{weights.shape}, {offsets.shape} and {targets.shape}"
        raise ValueError(f"the arrays of the coupling have the shapes {shapes}, which do not fit each other")
    if not np.isin(targets, np.arange(weights.shape[1])).all():
        raise ValueError(f"{_TARGETS} names features beyond the {weights.shape[1]} that there are")
    return Coupling(weights, offsets, targets)
