"""Decides when which data are streamed. It is pure arithmetic on milliseconds since 1970."""

from dataclasses import dataclass

from ingest.faults import Fault, Schedule
from ingest.stream import PrinterStream

STEP_MS = 1_000

TAIL_WINDOWS = 12
"""Clean windows after the day: a later point completes the day's last window, and periods need windows to close."""


@dataclass(frozen=True)
class DemoPlan:
    """The times and data of one demonstration.

    Attributes:
        start_ms: the day's begin.
        length_ms: the day's length.
        history_ms: the length of the clean history right before the day.
        printers: how many printers there are.
        seed: the seed of their noise.
        schedule: the faults of the day, all of which fit into it.
        window_ms: the pipeline's window.
    """

    start_ms: int
    length_ms: int
    history_ms: int
    printers: int
    seed: int
    schedule: Schedule
    window_ms: int

    @property
    def end_ms(self) -> int:
        """The day's end."""
        return self.start_ms + self.length_ms

    @property
    def history_start_ms(self) -> int:
        """The history's begin; it ends where the day begins."""
        return self.start_ms - self.history_ms

    @property
    def tail_end_ms(self) -> int:
        """The end of the clean windows after the day."""
        return self.end_ms + TAIL_WINDOWS * self.window_ms

    @property
    def names(self) -> tuple[str, ...]:
        """The printers' tag values."""
        return tuple(f"printer-{number}" for number in range(1, self.printers + 1))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The injected faults in absolute time."""
        return self.schedule.place(self.start_ms, self.printers)

    @property
    def history(self) -> PrinterStream:
        """The clean stream to train on."""
        return PrinterStream(self.history_start_ms, self.start_ms, STEP_MS, self.printers, self.seed)

    @property
    def day(self) -> PrinterStream:
        """The faulty stream, with the clean tail."""
        return PrinterStream(self.start_ms, self.tail_end_ms, STEP_MS, self.printers, self.seed, self.faults)

    def last_window_ms(self) -> int:
        """Return the begin of the last window that the day's stream completes, the same for each printer."""
        last_point_ms = self.tail_end_ms - STEP_MS
        return last_point_ms // self.window_ms * self.window_ms - self.window_ms
