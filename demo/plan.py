"""When what is streamed: pure arithmetic on milliseconds since 1970."""

from dataclasses import dataclass

from ingest.faults import Fault, Schedule
from ingest.stream import PrinterStream

STEP_MS = 1_000

TAIL_WINDOWS = 12
"""Clean windows after the day: the last window needs a later point to be complete, and periods need some to close."""


@dataclass(frozen=True)
class DemoPlan:
    """One demonstration.

    Attributes:
        start_ms: the day's begin.
        length_ms: its length.
        history_ms: the length of the clean history right before it.
        printers: how many.
        seed: of their noise.
        schedule: what goes wrong in the day; clipped to it.
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
        """The begin of the last window that the day's stream completes, for each printer."""
        last_point_ms = self.tail_end_ms - STEP_MS
        return last_point_ms // self.window_ms * self.window_ms - self.window_ms
