"""Computes the sensor values of the dummy printers at any time, from a seed.

A printer regulates its temperatures to constant levels; only the air swings with the day. Its noise is that of
`ingest.grid`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ingest.grid import Array, generator
from ingest.process import Device, Process
from ingest.times import DAY_MS

if TYPE_CHECKING:
    from ingest.faults import Fault


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


class Printer(Device):
    """One imaginary printer; the printers of one seed are independent of each other."""

    fields = len(FIELDS)

    def level(self, begin: int, end: int, faults: "Sequence[Fault]" = ()) -> Array:
        """Return the means without noise of the samples ``begin <= index < end``, shape (end - begin, 3)."""
        angle = (self.grid.times_ms(begin, end) % DAY_MS) * (2 * math.pi / DAY_MS)
        means = _LEVEL + _SPREAD * _deviations(self.seed, self.number)
        levels: Array = means + _SWING * np.cos(angle - 2 * math.pi * 15 / 24)[:, np.newaxis]
        return levels


@lru_cache(maxsize=64)
def _deviations(seed: int, number: int) -> Array:
    """Return the deviations of a printer's means from the sensors' levels, shape (3,), unit variance."""
    return generator(seed, number).standard_normal(len(FIELDS))


PRINTERS = Process(
    name="printer",
    title="printers",
    measurement="temperature",
    step_ms=1_000,
    history_ms=DAY_MS,
    fields=FIELD_NAMES,
    sigma=SIGMA,
    least=np.full(len(FIELDS), -np.inf),
    device=Printer,
)
"""The dummy printers."""
