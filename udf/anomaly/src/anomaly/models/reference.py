"""The distribution of each feature in training, by which serving notices drift (`anomaly.scoring.drift`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anomaly.windows.arrays import AnyArray, Floats, Ints

_EDGES = 9
# Between the edges, beyond them, and on each.
BINS = 2 * _EDGES + 1
UNKNOWN = -1


@dataclass(frozen=True)
class Reference:
    """The distribution of each of d features in training.

    Attributes:
        edges: the deciles of each feature, shape (d, 9).
        shares: the share of windows in each bin, shape (d, BINS).
        windows: the number of windows that had the feature, shape (d,).
    """

    edges: Floats
    shares: Floats
    windows: Floats

    @cached_property
    def used(self) -> Floats:
        """The number of bins that hold more than single windows, shape (d,)."""
        return np.asarray((self.shares > 1e-3).sum(axis=1), dtype=np.float64)

    def arrays(self) -> dict[str, AnyArray]:
        """Return everything as arrays, for the model's file."""
        return {
            "reference_edges": self.edges,
            "reference_shares": self.shares,
            "reference_windows": self.windows,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Reference":
        """Return the distribution that `arrays` returned. Raises KeyError where an array is missing."""
        names = ("edges", "shares", "windows")
        return cls(*(np.asarray(arrays[f"reference_{name}"], dtype=np.float64) for name in names))


def reference(x: Floats) -> Reference:
    """Return the distribution of feature vectors, shape (n, d), NaN where a feature is unknown."""
    columns = [column[~np.isnan(column)] for column in x.T]
    # An edge is a value that occurs, so a value that was taken often is an edge itself.
    deciles = np.arange(1, _EDGES + 1) / (_EDGES + 1)
    edges = np.array([np.quantile(column, deciles, method="lower") for column in columns])
    shares = [
        np.bincount(bins(row[None], column[:, None])[:, 0], minlength=BINS) / len(column)
        for row, column in zip(edges, columns, strict=True)
    ]
    return Reference(edges, np.array(shares), np.array([len(column) for column in columns], dtype=np.float64))


def bins(edges: Floats, x: Floats) -> Ints:
    """Return the bins, 0 to BINS - 1, of feature vectors, both of shape (n, d); UNKNOWN for NaN."""
    places = [
        np.searchsorted(row, column, side="left") + np.searchsorted(row, column, side="right")
        for row, column in zip(edges, x.T, strict=True)
    ]
    return np.where(np.isnan(x), UNKNOWN, np.stack(places, axis=1)).astype(np.intp)
