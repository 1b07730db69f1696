"""Computes series of every kind that people have: each of a dummy source's fields is a kind for itself.

- ``daily`` swings with the day, ``weekly`` with the hours of offices, which are closed at the weekend.
- ``growth`` rises by 0.8 a day, as a disk fills, and begins anew after eight weeks.
- ``steps`` changes its level once in four weeks, some days after their begin, and stays there.
- ``bursts`` is calm, with some twenty bursts a day whose heights have a heavy tail.
- ``counts`` are whole numbers that happen at random (Poisson), more of them by day than at night.
- ``night`` is nothing at night, and by day what the sun and clouds let through.

The fields have nothing to do with each other, so a pipeline watches one of them. Everything is an explicit function of
time and the seed, and the sources of a seed differ in phase and size.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ingest.grid import Array, generator, is_weekend
from ingest.process import REPLAY, SCHEDULES, Device, Process
from ingest.times import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from ingest.faults import Fault

FIELDS = ("daily", "weekly", "growth", "steps", "bursts", "counts", "night")
SIGMA = np.array([1.0, 1.0, 0.2, 1.0, 0.5, 1.0, 0.5])

GROWTH_DAYS, STEP_DAYS = 56, 28
"""After this many days since 1970 the growth begins anew, and a level changes."""
_GROWTH_A_DAY = 0.8
_CALM, _BURST, _TAIL, _HIGHEST = 10.0, 5.0, 2.2, 60.0
_BURSTS_AN_HOUR = 0.8
_SUN, _CLOUDS, _DARK = 40.0, 0.25, -8.0
# Tells these streams of random numbers from those of other processes.
_STREAM = (11,)


class ImaginarySource(Device):
    """One imaginary source."""

    fields = len(FIELDS)
    stream = _STREAM

    def level(self, begin: int, end: int, faults: "Sequence[Fault]" = ()) -> Array:
        """Return the means without noise of the samples ``begin <= index < end``, shape (end - begin, 7)."""
        times_ms = self.grid.times_ms(begin, end)
        hour = (times_ms % DAY_MS) / HOUR_MS
        size, late, *waves = _traits(self.seed, self.number)
        day = np.cos(2 * math.pi * (hour - 15 - late) / 24)
        open_ = np.where(is_weekend(times_ms), 0.15, 1.0)
        busy = np.clip((hour - 7 - late) / 2, 0, 1) * np.clip((19 + late - hour) / 2, 0, 1)
        clouds = 1 - _CLOUDS * (1 + _waves(times_ms, waves)) / 2
        sun = _SUN * size * np.cos(2 * math.pi * (hour - 12.5) / 24) * clouds
        kinds = (
            50 + size * (20 * day + 5 * np.cos(4 * math.pi * (hour - 9) / 24)),
            30 + 25 * size * open_ * busy,
            20 + 10 * late + _GROWTH_A_DAY * (times_ms % (GROWTH_DAYS * DAY_MS)) / DAY_MS,
            _steps(self, times_ms),
            _CALM + _bursts(self, times_ms),
            np.maximum(3 * size * (1 + 0.7 * day), 0.0),
            # Below zero by more than the noise is, so that it is nothing at night.
            np.where(sun > 0, sun, _DARK),
        )
        return np.stack(kinds, axis=1)


def _steps(source: ImaginarySource, times_ms: NDArray[np.int64]) -> Array:
    """Return the level that changes once in `STEP_DAYS`, shape (n,)."""
    epoch_ms = STEP_DAYS * DAY_MS
    levels = np.empty(len(times_ms))
    for epoch in range(int(times_ms[0] // epoch_ms), int(times_ms[-1] // epoch_ms) + 1):
        (before, _), (after, share) = (_step(source.seed, source.number, each) for each in (epoch - 1, epoch))
        inside = times_ms // epoch_ms == epoch
        is_over = times_ms[inside] % epoch_ms >= share * epoch_ms
        levels[inside] = np.where(is_over, after, before)
    return levels


@lru_cache(maxsize=64)
def _step(seed: int, number: int, epoch: int) -> tuple[float, float]:
    """Return the level that begins in an epoch, and at which share of it."""
    level, share = generator(seed, number, epoch, 2, *_STREAM).random(2).tolist()
    # Levels of epochs alternate between a lower and a higher band, so that each step can be seen.
    return (30.0 if epoch % 2 else 50.0) + 10.0 * level, 0.15 + 0.25 * share


def _bursts(source: ImaginarySource, times_ms: NDArray[np.int64]) -> Array:
    """Return what bursts add, shape (n,)."""
    total = np.zeros(len(times_ms))
    for hour in range(int(times_ms[0] // HOUR_MS) - 1, int(times_ms[-1] // HOUR_MS) + 1):
        for begin_ms, end_ms, height in _bursts_of(source.seed, source.number, hour):
            first, last = np.searchsorted(times_ms, (begin_ms, end_ms))
            total[first:last] += height
    return total


@lru_cache(maxsize=4_096)
def _bursts_of(seed: int, number: int, hour: int) -> tuple[tuple[int, int, float], ...]:
    """Return begin, end and height of the bursts that begin in an hour since 1970."""
    rng = generator(seed, number, hour, 3, *_STREAM)
    count = int(rng.poisson(_BURSTS_AN_HOUR))
    begins, lengths, tails = rng.random((3, count)).tolist()
    return tuple(
        (
            begin_ms := hour * HOUR_MS + int(begin * HOUR_MS),
            begin_ms + int((2 + 13 * length) * MINUTE_MS),
            min(_BURST * (1 - tail) ** (-1 / _TAIL), _HIGHEST),
        )
        for begin, length, tail in zip(begins, lengths, tails, strict=True)
    )


def _waves(times_ms: NDArray[np.int64], phases: Sequence[float]) -> Array:
    """Return slow waves between -1 and 1, shape (n,)."""
    hours = times_ms[:, np.newaxis] / HOUR_MS / np.array([1.3, 3.7, 11.0])[: len(phases)]
    waves: Array = np.sin(2 * math.pi * (hours + np.array(phases))).mean(axis=1)
    return waves


@lru_cache(maxsize=64)
def _traits(seed: int, number: int) -> tuple[float, ...]:
    """Return a source's size, about 1, its delay in hours, from 0 to 1, and three phases."""
    size, late, *phases = generator(seed, number, 0, 1, *_STREAM).random(5).tolist()
    return (0.8 + 0.4 * size, late, *phases)


SOURCES = Process(
    name="source",
    title="sources",
    measurement="kinds",
    step_ms=60_000,
    history_ms=14 * DAY_MS,
    fields=FIELDS,
    sigma=SIGMA,
    least=np.array([-np.inf, -np.inf, -np.inf, -np.inf, 0.0, 0.0, 0.0]),
    device=ImaginarySource,
    more_kinds=(REPLAY,),
    schedules=SCHEDULES / "source",
    counts=frozenset({"counts"}),
)
"""The dummy sources."""
