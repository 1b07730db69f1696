"""Parts of a score as shares of it."""

import numpy as np

from anomaly.windows.arrays import Bools, Floats


def shares(parts: Floats) -> Floats:
    """Divide parts by their sums.

    Args:
        parts: shape (n, d), 0 or more.

    Returns:
        Shares, shape (n, d), whose rows sum to 1; all are equal in a row whose sum is 0.
    """
    # Relative to the greatest first: a sum may overflow.
    greatest = parts.max(axis=1, keepdims=True)
    parts = parts / np.where(greatest > 0, greatest, 1.0)
    total = parts.sum(axis=1, keepdims=True)
    return np.where(total > 0, parts / np.where(total > 0, total, 1.0), 1.0 / parts.shape[1])


def shares_of_known(shares: Floats, known: Bools) -> Floats:
    """Take their shares from features that are unknown.

    Args:
        shares: shape (n, d), whose rows sum to 1.
        known: which features are known, shape (n, d), at least one in each row.

    Returns:
        Shares, shape (n, d), 0 for unknown features; equal among the others of a row where they had none.
    """
    if known.all():
        return shares
    kept = np.where(known, shares, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    return np.where(total > 0, kept / np.where(total > 0, total, 1.0), known / known.sum(axis=1, keepdims=True))
