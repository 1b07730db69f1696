"""Defines the sampling times of a stream, and noise that depends only on the seed and the sample's index.

The noise of a sample depends only on the seed, the device's number, and the sample's index on the grid of the step
since 1970. The grid is cut into blocks, each with a counter-based random stream (Philox) of its own. So a stretch of
time can be computed without the time before it, and has the same digits in any order. AR(1) noise has a memory: each
block computes it from early enough that the rest of the memory lies below the resolution of a double.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ingest.times import DAY_MS

BLOCK = 4_096
"""Samples of one random stream. Streams are computed block by block, so this also limits their memory."""

DECIMALS = 3
"""The sensors' resolution is 0.001. It also hides the last bit of exp and cos, which differs by machine."""

_CORRELATION_MS = 4_000.0
_FORGOTTEN = 1e-17

Array = NDArray[np.float64]
"""Values of shape (samples, d), with one column for each of a process's fields."""


@dataclass(frozen=True)
class Grid:
    """The sampling times ``phase_ms + index * step_ms``, with indices counted from 1970.

    Attributes:
        step_ms: milliseconds between samples.
        phase_ms: the time of index 0, less than a step.
    """

    step_ms: int
    phase_ms: int

    @classmethod
    def of(cls, begin_ms: int, step_ms: int) -> "Grid":
        """Return the grid with a step of ``step_ms`` that has a sample at ``begin_ms``."""
        return cls(step_ms, begin_ms % step_ms)

    def at_or_after(self, time_ms: int) -> int:
        """Return the index of the first sample at or after a time."""
        return -((self.phase_ms - time_ms) // self.step_ms)

    def time_ms(self, index: int) -> int:
        """Return the time of a sample, in milliseconds since 1970."""
        return self.phase_ms + index * self.step_ms

    def times_ms(self, begin: int, end: int) -> NDArray[np.int64]:
        """Return the times of the samples ``begin <= index < end``, in milliseconds since 1970."""
        return self.phase_ms + np.arange(begin, end, dtype=np.int64) * self.step_ms


@dataclass(frozen=True)
class Noise:
    """The noise of a device's sensors, of unit variance.

    Attributes:
        seed: the seed, at least 0.
        number: the device's number, from 1.
        step_ms: milliseconds between samples.
        fields: how many sensors there are.
        process: tells the noise of one kind of device from that of others; empty for the printers.
    """

    seed: int
    number: int
    step_ms: int
    fields: int
    process: tuple[int, ...] = ()

    def between(self, begin: int, end: int) -> Array:
        """Return the noise of the samples ``begin <= index < end``, shape (end - begin, fields)."""
        return from_blocks(lambda block: _ar1(self, block), begin, end, self.fields)


def from_blocks(values_of: Callable[[int], Array], begin: int, end: int, fields: int) -> Array:
    """Return a stretch of values that are computed block by block.

    Args:
        values_of: returns the values of a block, shape (BLOCK, fields).
        begin: the index of the first sample.
        end: the index after the last one.
        fields: how many fields there are.

    Returns:
        The values, shape (end - begin, fields).
    """
    parts = []
    for block in range(begin // BLOCK, (end - 1) // BLOCK + 1):
        first = block * BLOCK
        parts.append(values_of(block)[max(begin - first, 0) : end - first])
    return np.concatenate(parts) if parts else np.empty((0, fields))


@lru_cache(maxsize=8)
def _innovations(noise: Noise, block: int) -> Array:
    """Return the white noise of a block, shape (BLOCK, fields)."""
    rng = generator(noise.seed, noise.number, block, *noise.process)
    return rng.standard_normal((BLOCK, noise.fields))


@lru_cache(maxsize=64)
def _ar1(noise: Noise, block: int) -> Array:
    """Return the AR(1) noise of a block, shape (BLOCK, fields), unit variance."""
    memory = math.exp(-noise.step_ms / _CORRELATION_MS)
    warm_up = max(1, math.ceil(math.log(_FORGOTTEN) / math.log(memory))) if memory > 0 else 1
    blocks_before = min(math.ceil(warm_up / BLOCK), block)
    white = np.concatenate([_innovations(noise, b) for b in range(block - blocks_before, block + 1)])
    white = white[max(len(white) - BLOCK - warm_up, 0) :] * math.sqrt(1 - memory * memory)
    # A plain recursion over floats does equal operations in equal order for each length. A filter with a fast path
    # for some lengths would not guarantee that.
    columns = [list(accumulate(column, lambda x, e: memory * x + e)) for column in white.T.tolist()]
    return np.array(columns).T[-BLOCK:]


def is_weekend(times_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which times lie in a weekend of UTC, shape (n,)."""
    # 1970 began with a Thursday.
    weekend: NDArray[np.bool_] = (times_ms // DAY_MS + 3) % 7 >= 5
    return weekend


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the random stream of a key."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))
