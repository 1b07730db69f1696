"""Parts of a score as shares of it."""

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Floats


def shares(parts: Floats) -> Floats:
    """Rows of parts (n, d), none negative, relative to their sums; even where a sum is 0."""
    # Relative to the greatest first: a sum may overflow.
    greatest = parts.max(axis=1, keepdims=True)
    parts = parts / np.where(greatest > 0, greatest, 1.0)
    total = parts.sum(axis=1, keepdims=True)
    return np.where(total > 0, parts / np.where(total > 0, total, 1.0), 1.0 / parts.shape[1])


def shares_of_known(shares: Floats, known: NDArray[np.bool_]) -> Floats:
    """Shares (n, d) without those of features that are not known (n, d); even, where the others had none."""
    if known.all():
        return shares
    kept = np.where(known, shares, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    return np.where(total > 0, kept / np.where(total > 0, total, 1.0), known / known.sum(axis=1, keepdims=True))
