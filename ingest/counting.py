"""Makes whole numbers that happen at random of a mean and noise, so that faults change them as they should."""

import math

import numpy as np

from ingest.grid import Array

_erf = np.frompyfunc(math.erf, 1, 1)


def poisson(mean: Array, noise: Array) -> Array:
    """Return Poisson numbers.

    Args:
        mean: their means, shape (n,), at least 0.
        noise: normal noise of unit variance, shape (n,), whose share below it decides a number's share below it.

    Returns:
        Whole numbers, shape (n,).
    """
    share = (1 + np.asarray(_erf(noise / math.sqrt(2)), dtype=np.float64)) / 2
    probability = np.exp(-mean)
    total, numbers = probability.copy(), np.zeros(len(mean))
    # No number is farther from its mean than this by a share that a double can tell from 1.
    for number in range(1, int(np.max(mean, initial=0.0) + 10 * math.sqrt(np.max(mean, initial=0.0)) + 40)):
        above = share > total
        if not above.any():
            break
        numbers[above] = number
        probability = probability * mean / number
        total = total + probability
    return numbers
