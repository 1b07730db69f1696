"""Streams the points of all printers in time order, with their faults, with one block in memory at a time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.faults import Fault, of_printer
from ingest.points import SeriesPoint
from ingest.printer import BLOCK, DECIMALS, FIELD_NAMES, SIGMA, Array, Grid, Printer


@dataclass(frozen=True)
class PrinterStream:
    """The points of some printers in ``[start_ms, end_ms)``.

    Attributes:
        start_ms: the time of the first sample, in milliseconds since 1970.
        end_ms: the end of the range, likewise, exclusive.
        step_ms: milliseconds between samples.
        printers: how many printers there are.
        seed: the seed of their noise, at least 0.
        faults: the faults in absolute time; a fault that began before the range goes on in it.
    """

    start_ms: int
    end_ms: int
    step_ms: int
    printers: int
    seed: int
    faults: tuple[Fault, ...] = ()

    @property
    def grid(self) -> Grid:
        """The sampling times."""
        return Grid.of(self.start_ms, self.step_ms)

    @property
    def samples(self) -> int:
        """How many samples each printer has, gaps included."""
        return self.grid.at_or_after(self.end_ms) - self.grid.at_or_after(self.start_ms)

    @property
    def precision(self) -> str:
        """The largest unit that holds all timestamps exactly: ``s`` or ``ms``."""
        return "s" if self.step_ms % 1_000 == 0 and self.start_ms % 1_000 == 0 else "ms"

    def blocks(self) -> Iterator[tuple[int, list[Array]]]:
        """Yield the values block by block.

        Yields:
            The index of the first sample, and the values of each printer, shape (n, 3), NaN in gaps.
        """
        grid = self.grid
        printers = [Printer(number, self.seed, grid) for number in range(1, self.printers + 1)]
        faults = [of_printer(self.faults, printer.number) for printer in printers]
        begin, last = grid.at_or_after(self.start_ms), grid.at_or_after(self.end_ms)
        while begin < last:
            end = min(last, (begin // BLOCK + 1) * BLOCK)
            yield begin, [values(p, f, begin, end) for p, f in zip(printers, faults, strict=True)]
            begin = end

    def points(self) -> Iterator[SeriesPoint]:
        """Yield the points by time, then by printer. A sample without any value is not a point."""
        grid = self.grid
        tags = [{"printer": Printer(number, self.seed, grid).name} for number in range(1, self.printers + 1)]
        for begin, blocks in self.blocks():
            rows = [block.tolist() for block in blocks]
            for offset, simultaneous in enumerate(zip(*rows, strict=True)):
                time_ns = grid.time_ms(begin + offset) * 1_000_000
                for tag, row in zip(tags, simultaneous, strict=True):
                    fields = {
                        name: value for name, value in zip(FIELD_NAMES, row, strict=True) if not math.isnan(value)
                    }
                    if fields:
                        yield SeriesPoint(time_ns, tag, fields)


def values(printer: Printer, faults: Sequence[Fault], begin: int, end: int) -> Array:
    """Return the values of a printer's sensors, rounded.

    Faults that overlap add up. ``stuck`` is applied after all faults that change the value, and ``gap`` last.

    Args:
        printer: the printer.
        faults: its faults.
        begin: the index of the first sample.
        end: the index after the last sample.

    Returns:
        The values, shape (end - begin, 3), NaN in gaps.
    """
    grid = printer.grid
    times = grid.times_ms(begin, end)
    noise = printer.noise(begin, end)
    result = printer.level(begin, end)
    ordered = sorted(faults, key=lambda fault: ("stuck", "gap").index(fault.kind) if fault.strength == 0 else -1)
    for fault in ordered:
        if fault.kind == "sigma" and _touches(fault, grid, begin, end):
            noise[np.ix_(_inside(fault, times), _columns(fault))] *= fault.strength
    result += SIGMA * noise
    for fault in ordered:
        if fault.kind == "sigma" or not _touches(fault, grid, begin, end):
            continue
        inside = _inside(fault, times)
        columns = _columns(fault)
        where = np.ix_(inside, columns)
        # The middle of each sample's step, as a share of the fault, so that a spike of one sample is at its peak.
        share = (times[inside] - fault.begin_ms + grid.step_ms / 2) / (fault.end_ms - fault.begin_ms)
        height = (fault.strength * SIGMA[columns])[np.newaxis, :]
        match fault.kind:
            case "offset":
                result[where] += height
            case "spike":
                result[where] += height * np.clip(1 - np.abs(2 * share - 1), 0, 1)[:, np.newaxis]
            case "drift":
                result[where] += height * np.clip(share, 0, 1)[:, np.newaxis]
            case "stuck":
                result[where] = _first(printer, fault, faults)[columns]
            case "gap":
                result[where] = np.nan
    rounded: Array = np.round(result, DECIMALS)
    return rounded


def _touches(fault: Fault, grid: Grid, begin: int, end: int) -> bool:
    return fault.begin_ms < grid.time_ms(end) and fault.end_ms > grid.time_ms(begin)


def _inside(fault: Fault, times: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.flatnonzero((times >= fault.begin_ms) & (times < fault.end_ms))


def _columns(fault: Fault) -> NDArray[np.intp]:
    return np.array([FIELD_NAMES.index(name) for name in fault.fields], dtype=np.intp)


def _first(printer: Printer, stuck: Fault, faults: Sequence[Fault]) -> Array:
    """Return the values at which the sensors get stuck, shape (3,)."""
    index = printer.grid.at_or_after(stuck.begin_ms)
    others = [fault for fault in faults if fault.kind not in ("stuck", "gap")]
    first: Array = values(printer, others, index, index + 1)[0]
    return first
