"""The dummy printers: what their sensors would have said at any time, from a seed.

Strategy: the noise at a sample depends on nothing but the seed, the printer's number and the sample's index on the grid
of the step since 1970. The grid is cut into blocks, each with a counter-based random stream (Philox) of its own, so
that any stretch of time can be made alone, in any order, and comes out the same to the last digit. AR(1) noise has a
memory; a block starts it from enough of the blocks before that what is cut off lies below the resolution of a double.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ingest.times import DAY_MS

BLOCK = 4_096
"""Samples of one random stream, and the unit of memory: nothing larger is ever held."""

DECIMALS = 3
"""The sensors' resolution is 0.001 degrees, which also hides how the last bit of exp and sin differs by machine."""

_CORRELATION_MS = 4_000.0
_FORGOTTEN = 1e-17


@dataclass(frozen=True)
class Sensor:
    """How one sensor behaves, in degrees Celsius.

    Attributes:
        name: the field's name in InfluxDB.
        level: the mean.
        sigma: standard deviation of the noise.
        spread: standard deviation of the difference in level between printers.
        swing: amplitude of the daily swing, highest at 15:00 UTC.
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
"""Shape (3,), in the order of ``FIELDS``."""


Array = NDArray[np.float64]
"""Shape (samples, 3): one column for each of ``FIELDS``."""


@dataclass(frozen=True)
class Grid:
    """The sampling times ``phase_ms + index * step_ms``, index counted from 1970."""

    step_ms: int
    phase_ms: int

    @classmethod
    def of(cls, start_ms: int, step_ms: int) -> "Grid":
        """The grid of this step that a sample at ``start_ms`` lies on."""
        return cls(step_ms, start_ms % step_ms)

    def at_or_after(self, time_ms: int) -> int:
        """Index of the first sample at or after a time."""
        return -((self.phase_ms - time_ms) // self.step_ms)

    def time_ms(self, index: int) -> int:
        """Milliseconds since 1970 of a sample."""
        return self.phase_ms + index * self.step_ms

    def times_ms(self, begin: int, end: int) -> NDArray[np.int64]:
        """Milliseconds since 1970 of the samples ``begin <= index < end``."""
        return self.phase_ms + np.arange(begin, end, dtype=np.int64) * self.step_ms


@dataclass(frozen=True)
class Printer:
    """One imaginary printer in perfect order.

    Attributes:
        number: 1, 2, ...
        seed: at least 0; printers of one seed are independent of each other.
        grid: when it is sampled.
    """

    number: int
    seed: int
    grid: Grid

    @property
    def name(self) -> str:
        """The value of its tag."""
        return f"printer-{self.number}"

    def level(self, begin: int, end: int) -> Array:
        """Means without noise, shape (end - begin, 3), in degrees Celsius."""
        angle = (self.grid.times_ms(begin, end) % DAY_MS) * (2 * math.pi / DAY_MS)
        own = _LEVEL + _SPREAD * _own(self.seed, self.number)
        levels: Array = own + _SWING * np.cos(angle - 2 * math.pi * 15 / 24)[:, np.newaxis]
        return levels

    def noise(self, begin: int, end: int) -> Array:
        """Noise of unit variance, shape (end - begin, 3)."""
        parts = []
        for block in range(begin // BLOCK, (end - 1) // BLOCK + 1):
            first = block * BLOCK
            whole = _noise(self.seed, self.number, block, self.grid.step_ms)
            parts.append(whole[max(begin - first, 0) : end - first])
        return np.concatenate(parts) if parts else np.empty((0, len(FIELDS)))


@lru_cache(maxsize=64)
def _own(seed: int, number: int) -> Array:
    """How this printer's levels differ from the others', shape (3,), unit variance."""
    return _generator(seed, number).standard_normal(len(FIELDS))


@lru_cache(maxsize=8)
def _innovations(seed: int, number: int, block: int) -> Array:
    """White noise of a block, shape (BLOCK, 3)."""
    return _generator(seed, number, block).standard_normal((BLOCK, len(FIELDS)))


@lru_cache(maxsize=64)
def _noise(seed: int, number: int, block: int, step_ms: int) -> Array:
    """AR(1) noise of a block, shape (BLOCK, 3), unit variance."""
    memory = math.exp(-step_ms / _CORRELATION_MS)
    warm_up = max(1, math.ceil(math.log(_FORGOTTEN) / math.log(memory))) if memory > 0 else 1
    blocks_before = min(math.ceil(warm_up / BLOCK), block)
    white = np.concatenate([_innovations(seed, number, b) for b in range(block - blocks_before, block + 1)])
    white = white[max(len(white) - BLOCK - warm_up, 0) :] * math.sqrt(1 - memory * memory)
    # A plain recursion over floats: the same operations in the same order whatever is asked for, which a filter
    # with a fast path for some lengths would not promise.
    columns = [list(accumulate(column, lambda x, e: memory * x + e)) for column in white.T.tolist()]
    return np.array(columns).T[-BLOCK:]


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))
