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
    """edges: (d, 9), the deciles of each feature. shares: (d, BINS), of training's windows. windows: (d,), how many had
    it."""

    edges: Floats
    shares: Floats
    windows: Floats

    @cached_property
    def used(self) -> Floats:
        """(d,): how many bins have a share that is more than single windows."""
        return np.asarray((self.shares > 1e-3).sum(axis=1), dtype=np.float64)

    def arrays(self) -> dict[str, AnyArray]:
        """Everything as arrays, for the model's file."""
        return {
            "reference_edges": self.edges,
            "reference_shares": self.shares,
            "reference_windows": self.windows,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Reference":
        """The inverse of `arrays`. Raises KeyError where one is missing."""
        names = ("edges", "shares", "windows")
        return cls(*(np.asarray(arrays[f"reference_{name}"], dtype=np.float64) for name in names))


def reference(x: Floats) -> Reference:
    """Of feature vectors (n, d), NaN where a feature is not known."""
    columns = [column[~np.isnan(column)] for column in x.T]
    # Values that are there, so that one that was taken often is an edge itself.
    deciles = np.arange(1, _EDGES + 1) / (_EDGES + 1)
    edges = np.array([np.quantile(column, deciles, method="lower") for column in columns])
    shares = [
        np.bincount(bins(row[None], column[:, None])[:, 0], minlength=BINS) / len(column)
        for row, column in zip(edges, columns, strict=True)
    ]
    return Reference(edges, np.array(shares), np.array([len(column) for column in columns], dtype=np.float64))


def bins(edges: Floats, x: Floats) -> Ints:
    """The bins (n, d), 0 to BINS - 1, of feature vectors (n, d) between edges (d, 9); UNKNOWN for NaN."""
    places = [
        np.searchsorted(row, column, side="left") + np.searchsorted(row, column, side="right")
        for row, column in zip(edges, x.T, strict=True)
    ]
    return np.where(np.isnan(x), UNKNOWN, np.stack(places, axis=1)).astype(np.intp)
