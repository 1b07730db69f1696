"""The distribution of each feature in training, by which serving notices drift (`anomaly.drift`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EDGES = 9
# Between the edges, beyond them, and on each.
BINS = 2 * _EDGES + 1


@dataclass(frozen=True)
class Reference:
    """edges: (d, 9), the deciles of each feature. shares: (d, BINS), of training's windows. windows: how many."""

    edges: Floats
    shares: Floats
    windows: int

    @cached_property
    def used(self) -> Floats:
        """(d,): how many bins have a share that is more than single windows."""
        return np.asarray((self.shares > 1e-3).sum(axis=1), dtype=np.float64)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as arrays, for the model's file."""
        return {
            "reference_edges": self.edges,
            "reference_shares": self.shares,
            "reference_windows": np.array(self.windows),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "Reference":
        """The inverse of `arrays`. Raises KeyError where one is missing."""
        edges, shares = (np.asarray(arrays[f"reference_{name}"], dtype=np.float64) for name in ("edges", "shares"))
        return cls(edges, shares, int(arrays["reference_windows"]))


def reference(x: Floats) -> Reference:
    """Of feature vectors (n, d)."""
    # Values that are there, so that one that was taken often is an edge itself.
    edges = np.quantile(x, np.arange(1, _EDGES + 1) / (_EDGES + 1), axis=0, method="lower").T
    number = bins(edges, x)
    shares = [np.bincount(column, minlength=BINS) / len(x) for column in number.T]
    return Reference(np.ascontiguousarray(edges), np.array(shares), len(x))


def bins(edges: Floats, x: Floats) -> NDArray[np.intp]:
    """The bins (n, d), 0 to BINS - 1, of feature vectors (n, d) between edges (d, 9)."""
    places = [
        np.searchsorted(row, column, side="left") + np.searchsorted(row, column, side="right")
        for row, column in zip(edges, x.T, strict=True)
    ]
    return np.stack(places, axis=1).astype(np.intp)
