"""Computes the sensor values of the dummy printers at any time, from a seed.

The noise of a sample depends only on the seed, the printer's number, and the sample's index on the grid of the step
since 1970. The grid is cut into blocks, each with a counter-based random stream (Philox) of its own. So a stretch of
time can be computed without the time before it, and has the same digits in any order. AR(1) noise has a memory: each
block computes it from early enough that the rest of the memory lies below the resolution of a double.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ingest.times import DAY_MS

BLOCK = 4_096
"""Samples of one random stream. Streams are computed block by block, so this also limits their memory."""

DECIMALS = 3
"""The sensors' resolution is 0.001 degrees. It also hides the last bit of exp and cos, which differs by machine."""

_CORRELATION_MS = 4_000.0
_FORGOTTEN = 1e-17


@dataclass(frozen=True)
class Sensor:
    """The behaviour of one sensor, in degrees Celsius.

    Attributes:
        name: the field's name in InfluxDB.
        level: the mean over all printers.
        sigma: the standard deviation of the noise.
        spread: the standard deviation of a printer's mean from this level.
        swing: the amplitude of the daily swing, which is highest at 15:00 UTC.
    """

    name: str
    level: float
    sigma: float
    spread: float
    swing: float


FIELDS = (
    Sensor("hotend", level=215.0, sigma=1.0, spread=0.2, swing=0.0),
    Sensor("bed", level=60.0, sigma=0.5, spread=0.1, swing=0.0),
    Sensor("air", level=34.0, sigma=0.3, spread=0.06, swing=0.3),
)
FIELD_NAMES = tuple(field.name for field in FIELDS)

_LEVEL = np.array([field.level for field in FIELDS])
_SPREAD = np.array([field.spread for field in FIELDS])
_SWING = np.array([field.swing for field in FIELDS])
SIGMA = np.array([field.sigma for field in FIELDS])
"""The sensors' sigmas, shape (3,), in the order of ``FIELDS``."""


Array = NDArray[np.float64]
"""Values of shape (samples, 3), with one column for each of ``FIELDS``."""


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
    def of(cls, start_ms: int, step_ms: int) -> "Grid":
        """Return the grid with a step of ``step_ms`` that has a sample at ``start_ms``."""
        return cls(step_ms, start_ms % step_ms)

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
class Printer:
    """One imaginary printer without faults.

    Attributes:
        number: its number, from 1.
        seed: the seed, at least 0; the printers of one seed are independent of each other.
        grid: its sampling times.
    """

    number: int
    seed: int
    grid: Grid

    @property
    def name(self) -> str:
        """The value of its tag."""
        return f"printer-{self.number}"

    def level(self, begin: int, end: int) -> Array:
        """Return the means without noise of the samples ``begin <= index < end``, shape (end - begin, 3)."""
        angle = (self.grid.times_ms(begin, end) % DAY_MS) * (2 * math.pi / DAY_MS)
        means = _LEVEL + _SPREAD * _deviations(self.seed, self.number)
        levels: Array = means + _SWING * np.cos(angle - 2 * math.pi * 15 / 24)[:, np.newaxis]
        return levels

    def noise(self, begin: int, end: int) -> Array:
        """Return the noise of these samples, of unit variance, shape (end - begin, 3)."""
        parts = []
        for block in range(begin // BLOCK, (end - 1) // BLOCK + 1):
            first = block * BLOCK
            whole = _noise(self.seed, self.number, block, self.grid.step_ms)
            parts.append(whole[max(begin - first, 0) : end - first])
        return np.concatenate(parts) if parts else np.empty((0, len(FIELDS)))


@lru_cache(maxsize=64)
def _deviations(seed: int, number: int) -> Array:
    """Return the deviations of a printer's means from the sensors' levels, shape (3,), unit variance."""
    return _generator(seed, number).standard_normal(len(FIELDS))


@lru_cache(maxsize=8)
def _innovations(seed: int, number: int, block: int) -> Array:
    """Return the white noise of a block, shape (BLOCK, 3)."""
    return _generator(seed, number, block).standard_normal((BLOCK, len(FIELDS)))


@lru_cache(maxsize=64)
def _noise(seed: int, number: int, block: int, step_ms: int) -> Array:
    """Return the AR(1) noise of a block, shape (BLOCK, 3), unit variance."""
    memory = math.exp(-step_ms / _CORRELATION_MS)
    warm_up = max(1, math.ceil(math.log(_FORGOTTEN) / math.log(memory))) if memory > 0 else 1
    blocks_before = min(math.ceil(warm_up / BLOCK), block)
    white = np.concatenate([_innovations(seed, number, b) for b in range(block - blocks_before, block + 1)])
    white = white[max(len(white) - BLOCK - warm_up, 0) :] * math.sqrt(1 - memory * memory)
    # A plain recursion over floats does equal operations in equal order for each length. A filter with a fast path
    # for some lengths would not guarantee that.
    columns = [list(accumulate(column, lambda x, e: memory * x + e)) for column in white.T.tolist()]
    return np.array(columns).T[-BLOCK:]


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))
