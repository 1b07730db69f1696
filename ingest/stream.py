"""Streams the points of a process in time order, with their faults, with one block in memory at a time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.counting import poisson
from ingest.faults import Fault, of_device
from ingest.grid import BLOCK, DECIMALS, Array, Grid
from ingest.points import SeriesPoint
from ingest.printer import PRINTERS
from ingest.process import Device, Process
from ingest.times import HOUR_MS


@dataclass(frozen=True)
class DeviceStream:
    """The points of some devices in ``[begin_ms, end_ms)``.

    Attributes:
        begin_ms: the time of the first sample, in milliseconds since 1970.
        end_ms: the end of the range, likewise, exclusive.
        step_ms: milliseconds between samples.
        devices: how many devices there are.
        seed: the seed of their noise, at least 0.
        faults: the faults in absolute time; a fault that began before the range goes on in it.
        process: the process whose devices they are.
    """

    begin_ms: int
    end_ms: int
    step_ms: int
    devices: int
    seed: int
    faults: tuple[Fault, ...] = ()
    process: Process = PRINTERS

    @property
    def grid(self) -> Grid:
        """The sampling times."""
        return Grid.of(self.begin_ms, self.step_ms)

    @property
    def samples(self) -> int:
        """How many samples each device has, gaps included."""
        return self.grid.at_or_after(self.end_ms) - self.grid.at_or_after(self.begin_ms)

    @property
    def precision(self) -> str:
        """The largest unit that holds all timestamps exactly: ``s`` or ``ms``."""
        return "s" if self.step_ms % 1_000 == 0 and self.begin_ms % 1_000 == 0 else "ms"

    def blocks(self) -> Iterator[tuple[int, list[Array]]]:
        """Yield the values block by block.

        Yields:
            The index of the first sample, and the values of each device, shape (n, d), NaN in gaps.
        """
        grid = self.grid
        devices = [self.process.device(number, self.seed, grid) for number in range(1, self.devices + 1)]
        faults = [of_device(self.faults, device.number) for device in devices]
        begin, last = grid.at_or_after(self.begin_ms), grid.at_or_after(self.end_ms)
        while begin < last:
            end = min(last, (begin // BLOCK + 1) * BLOCK)
            yield begin, [values(self.process, d, f, begin, end) for d, f in zip(devices, faults, strict=True)]
            begin = end

    def points(self) -> Iterator[SeriesPoint]:
        """Yield the points by time, then by device. A sample without any value is not a point."""
        grid = self.grid
        tags = [{self.process.name: name} for name in self.process.device_names(self.devices)]
        for begin, blocks in self.blocks():
            rows = [block.tolist() for block in blocks]
            for offset, simultaneous in enumerate(zip(*rows, strict=True)):
                time_ns = grid.time_ms(begin + offset) * 1_000_000
                for tag, row in zip(tags, simultaneous, strict=True):
                    fields = {
                        name: value
                        for name, value in zip(self.process.fields, row, strict=True)
                        if not math.isnan(value)
                    }
                    if fields:
                        yield SeriesPoint(time_ns, tag, fields)


def values(process: Process, device: Device, faults: Sequence[Fault], begin: int, end: int) -> Array:
    """Return the values of a device's sensors, rounded.

    Faults that overlap add up, and change the mean of a count. ``replay`` and then ``stuck`` are applied after all
    faults that change the value, and ``gap`` last.

    Args:
        process: the process of the device.
        device: the device.
        faults: its faults.
        begin: the index of the first sample.
        end: the index after the last sample.

    Returns:
        The values, shape (end - begin, d), NaN in gaps.
    """
    grid = device.grid
    times = grid.times_ms(begin, end)
    noise = device.noise(begin, end)
    result = device.level(begin, end, faults)
    ordered = sorted((fault for fault in faults if _touches(fault, grid, begin, end)), key=_turn)
    for fault in ordered:
        if fault.kind == "sigma":
            noise[np.ix_(_inside(fault, times), _columns(process, fault))] *= fault.strength
    is_count = np.array([name in process.counts for name in process.fields])
    result += np.where(is_count, 0.0, process.sigma) * noise
    for fault in ordered:
        _change(process, fault, grid, times, result)
    for column in np.flatnonzero(is_count):
        result[:, column] = poisson(np.maximum(result[:, column], 0.0), noise[:, column])
    for fault in ordered:
        where = np.ix_(_inside(fault, times), _columns(process, fault))
        match fault.kind:
            case "replay":
                back = round(fault.strength * HOUR_MS / grid.step_ms)
                others = [other for other in faults if other.kind != "replay"]
                result[where] = values(process, device, others, begin - back, end - back)[where]
            case "stuck":
                result[where] = _first(process, device, fault, faults)[_columns(process, fault)]
            case "gap":
                result[where] = np.nan
    least: Array = np.maximum(result, process.least)
    rounded: Array = np.round(least, DECIMALS)
    return rounded


def _change(process: Process, fault: Fault, grid: Grid, times: NDArray[np.int64], result: Array) -> None:
    """Add what a fault changes of the values at times, shape (n, d); faults of `_LAST` change nothing yet."""
    inside, columns = _inside(fault, times), _columns(process, fault)
    where = np.ix_(inside, columns)
    # The middle of each sample's step, as a share of the fault, so that a spike of one sample is at its peak.
    share = (times[inside] - fault.begin_ms + grid.step_ms / 2) / (fault.end_ms - fault.begin_ms)
    height = (fault.strength * process.sigma[columns])[np.newaxis, :]
    match fault.kind:
        case "offset":
            result[where] += height
        case "spike":
            result[where] += height * np.clip(1 - np.abs(2 * share - 1), 0, 1)[:, np.newaxis]
        case "drift":
            result[where] += height * np.clip(share, 0, 1)[:, np.newaxis]


_LAST = ("replay", "stuck", "gap")


def _turn(fault: Fault) -> int:
    """Return when a fault is applied: those of `_LAST` in their order, after all others."""
    return _LAST.index(fault.kind) if fault.kind in _LAST else -1


def _touches(fault: Fault, grid: Grid, begin: int, end: int) -> bool:
    return fault.begin_ms < grid.time_ms(end) and fault.end_ms > grid.time_ms(begin)


def _inside(fault: Fault, times: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.flatnonzero((times >= fault.begin_ms) & (times < fault.end_ms))


def _columns(process: Process, fault: Fault) -> NDArray[np.intp]:
    return np.array([process.fields.index(name) for name in fault.fields], dtype=np.intp)


def _first(process: Process, device: Device, stuck: Fault, faults: Sequence[Fault]) -> Array:
    """Return the values at which the sensors get stuck, shape (d,)."""
    index = device.grid.at_or_after(stuck.begin_ms)
    others = [fault for fault in faults if fault.kind not in ("stuck", "gap")]
    first: Array = values(process, device, others, index, index + 1)[0]
    return first
