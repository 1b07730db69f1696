"""Decides when which data are streamed. It is pure arithmetic on milliseconds since 1970."""

from dataclasses import dataclass

from ingest.faults import Fault, Schedule
from ingest.process import Process
from ingest.stream import DeviceStream

TAIL_WINDOWS = 12
"""Clean windows after the day: a later point completes the day's last window, and periods need windows to close."""


@dataclass(frozen=True)
class DemoPlan:
    """The times and data of one demonstration.

    Attributes:
        begin_ms: the day's begin.
        length_ms: the day's length.
        history_ms: the length of the clean history right before the day.
        devices: how many devices there are.
        seed: the seed of their noise.
        schedule: the faults of the day, all of which fit into it, and the process whose devices they are of.
        window_ms: the pipeline's window.
    """

    begin_ms: int
    length_ms: int
    history_ms: int
    devices: int
    seed: int
    schedule: Schedule
    window_ms: int

    @property
    def process(self) -> Process:
        """The process that is demonstrated."""
        return self.schedule.process

    @property
    def end_ms(self) -> int:
        """The day's end."""
        return self.begin_ms + self.length_ms

    @property
    def history_start_ms(self) -> int:
        """The history's begin; it ends where the day begins."""
        return self.begin_ms - self.history_ms

    @property
    def tail_end_ms(self) -> int:
        """The end of the clean windows after the day."""
        return self.end_ms + TAIL_WINDOWS * self.window_ms

    @property
    def names(self) -> tuple[str, ...]:
        """The devices' tag values."""
        return self.process.device_names(self.devices)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The injected faults in absolute time."""
        return self.schedule.place(self.begin_ms, self.devices)

    @property
    def history(self) -> DeviceStream:
        """The clean stream to train on."""
        return self._stream(self.history_start_ms, self.begin_ms)

    @property
    def day(self) -> DeviceStream:
        """The faulty stream, with the clean tail."""
        return self._stream(self.begin_ms, self.tail_end_ms, self.faults)

    def _stream(self, begin_ms: int, end_ms: int, faults: tuple[Fault, ...] = ()) -> DeviceStream:
        return DeviceStream(begin_ms, end_ms, self.process.step_ms, self.devices, self.seed, faults, self.process)

    def last_window_ms(self) -> int:
        """Return the begin of the last window that the day's stream completes, the same for each device."""
        last_point_ms = self.tail_end_ms - self.process.step_ms
        return last_point_ms // self.window_ms * self.window_ms - self.window_ms
