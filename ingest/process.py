"""Defines what a dummy process tells the rest of this package: its devices, their fields and what may go wrong."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest.grid import Array, Grid, Noise

if TYPE_CHECKING:
    from ingest.faults import Fault

SENSOR_KINDS = ("sigma", "offset", "spike", "drift", "stuck", "gap")
"""Faults of single sensors, which every process knows."""

SCHEDULES = Path(__file__).parent / "faults"
"""The schedules of faults that come with this package."""


@dataclass(frozen=True)
class Device(ABC):
    """One imaginary device of a process.

    Attributes:
        fields: how many sensors the devices of the process have.
        stream: tells their streams of random numbers from those of other processes; empty for the printers.
        number: its number, from 1.
        seed: the seed, at least 0.
        grid: its sampling times.
    """

    fields: ClassVar[int]
    stream: ClassVar[tuple[int, ...]] = ()

    number: int
    seed: int
    grid: Grid

    @abstractmethod
    def level(self, begin: int, end: int, faults: "Sequence[Fault]" = ()) -> Array:
        """Return what happens in the device, without its sensors' noise and faults.

        Args:
            begin: the index of the first sample.
            end: the index after the last one.
            faults: the device's faults; those of single sensors change nothing here.

        Returns:
            Values, shape (end - begin, d).
        """

    def noise(self, begin: int, end: int) -> Array:
        """Return the noise of these samples, of unit variance, shape (end - begin, d)."""
        return Noise(self.seed, self.number, self.grid.step_ms, self.fields, self.stream).between(begin, end)


@dataclass(frozen=True)
class MoreKind:
    """A kind of fault that only some processes know.

    Attributes:
        name: the kind.
        unit: what its strength is measured in.
        most: its greatest strength.
        of_device: whether it is of the whole device, and not of single sensors.
    """

    name: str
    unit: str
    most: float
    of_device: bool = True


REPLAY = MoreKind("replay", "hours before, whose values are shown", 24.0, of_device=False)
"""A sensor's fault that needs a process whose values are not always alike."""


@dataclass(frozen=True)
class Process:
    """A dummy process.

    Attributes:
        name: what the command line calls it. It is also the tag that tells its devices apart, and their database.
        title: what people call its devices.
        measurement: the measurement that its points are written to by default.
        step_ms: milliseconds between its samples by default.
        history_ms: how much of it a model needs to be trained on, in milliseconds.
        fields: the names of its d fields.
        sigma: the standard deviations of its sensors' noise, shape (d,).
        least: the least values that its sensors show, shape (d,).
        device: makes the device of a number, a seed and sampling times.
        more_kinds: faults beside those of single sensors; their names are unique.
        schedules: the folder of its schedules of faults.
        counts: the fields that are whole numbers which happen at random; their level is the mean of a number.
    """

    name: str
    title: str
    measurement: str
    step_ms: int
    history_ms: int
    fields: tuple[str, ...]
    sigma: NDArray[np.float64]
    least: NDArray[np.float64]
    device: Callable[[int, int, Grid], Device]
    more_kinds: tuple[MoreKind, ...] = ()
    schedules: Path = SCHEDULES
    counts: frozenset[str] = frozenset()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of faults that it knows."""
        return (*SENSOR_KINDS, *(kind.name for kind in self.more_kinds))

    def device_name(self, number: int) -> str:
        """Return the value of a device's tag."""
        return f"{self.name}-{number}"

    def device_names(self, count: int) -> tuple[str, ...]:
        """Return the tag values of the first devices."""
        return tuple(self.device_name(number) for number in range(1, count + 1))
