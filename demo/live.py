"""Lets a device fall silent in the present, beside the day that is replayed, and measures when the stack tells it.

A day that is over has the clock of its points, so its gaps are known when data return. Data of the present have the
host's clock, and their silence is told while it lasts. So one more device writes the present, and stops for good. It
has a series of its own, which the day's verdict does not see, and stays silent for people to look at.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from demo.errors import DemoError
from demo.stack import DemoPipeline
from ingest.points import SeriesPoint
from ingest.process import Process
from ingest.stream import DeviceStream
from ingest.times import now_ms

_LEAD_IN_WINDOWS = 6
"""Windows of data before the silence, written at once, so that some of them are scored by then."""

LONGEST_MS = 180_000
"""A silence that is told later than this is not demonstrated, as nobody would wait for it."""

_SLACK_MS = 60_000
"""How much longer than it should take is waited, for a machine that is busy."""

_POLL_S = 0.5


def told_within_ms(pipeline: DemoPipeline) -> int | None:
    """Return how long after a device's last window its silence is to be told; None if nobody knows.

    Nothing came for `periods.silence` and the window that ends it. Where points may be later than a silence lasts,
    windows wait for them.
    """
    if pipeline.silence_ms is None or pipeline.lateness_ms is None:
        return None
    waits_ms = pipeline.lateness_ms if pipeline.lateness_ms > pipeline.silence_ms else 0
    return pipeline.silence_ms + pipeline.window_ms + waits_ms


def device_name(process: Process) -> str:
    """Return the name of the live device, which no device of the day has."""
    return f"{process.name}-live"


@dataclass(frozen=True)
class LiveSilence:
    """What became of the silence of a live device.

    Attributes:
        device: the device's name.
        begin_ms: the end of its last window before the silence, in milliseconds since 1970.
        within_ms: how long after that the silence is to be told.
        delay_ms: how long after that it was told; None if nobody was told while it lasted.
    """

    device: str
    begin_ms: int
    within_ms: int
    delay_ms: int | None

    @property
    def problem(self) -> str | None:
        """Why the silence was not told as it should; None if it was."""
        if self.delay_ms is None:
            return f"{self.device} wrote live and fell silent, and that was not told while it lasted"
        return None


class LiveGap:
    """A live device that falls silent, in a thread beside the stream of the day.

    Args:
        pipeline: the pipeline that watches the device.
        process: the process whose device it is.
        seed: the seed of its noise.
        within_ms: how long after its last window its silence is to be told, in milliseconds.
        write: writes points.
        state: returns the state of the device's silence that begins at or after a time in milliseconds; None for none.
        clock_ms: returns milliseconds since 1970; tests replace it.
        sleep: waits for seconds; likewise.
    """

    def __init__(
        self,
        pipeline: DemoPipeline,
        process: Process,
        seed: int,
        within_ms: int,
        write: Callable[[Sequence[SeriesPoint]], None],
        state: Callable[[str, int], str | None],
        clock_ms: Callable[[], int] = now_ms,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pipeline = pipeline
        self._process = process
        self._seed = seed
        self._within_ms = within_ms
        self._write = write
        self._state = state
        self._clock_ms = clock_ms
        self._sleep = sleep
        # The end of what was written, in milliseconds since 1970.
        self._written_ms = 0
        self._outcome: LiveSilence | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._try, name="live device", daemon=True)

    @property
    def device(self) -> str:
        """The device's name."""
        return device_name(self._process)

    def start(self) -> None:
        """Begin in a thread."""
        self._thread.start()

    def result(self) -> LiveSilence:
        """Wait for the end, and return what became of the silence. Raises DemoError if that cannot be said."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._outcome is None:
            raise DemoError(f"{self.device} wrote nothing. Fix: run the demonstration again")
        return self._outcome

    def _try(self) -> None:
        try:
            self._outcome = self.run()
        except Exception as error:
            # A thread has nobody to raise to.
            self._error = error

    def run(self) -> LiveSilence:
        """Write up to the end of a window, stop, and wait until the silence is told."""
        window_ms = self._pipeline.window_ms
        end_ms = (self._clock_ms() // window_ms + 1) * window_ms
        self._written_ms = end_ms - _LEAD_IN_WINDOWS * window_ms
        while self._written_ms < end_ms:
            self._write_up_to(min(self._clock_ms(), end_ms - 1))
            self._sleep(_POLL_S)
        until_ms = self._clock_ms() + self._within_ms + _SLACK_MS
        while self._state(self.device, end_ms) != "open":
            if self._clock_ms() > until_ms:
                return LiveSilence(self.device, end_ms, self._within_ms, None)
            self._sleep(_POLL_S)
        return LiveSilence(self.device, end_ms, self._within_ms, self._clock_ms() - end_ms)

    def _write_up_to(self, now_ms: int) -> None:
        """Write the points up to a time that were not written yet."""
        step_ms = self._process.step_ms
        begin_ms, end_ms = self._written_ms, now_ms // step_ms * step_ms + step_ms
        if begin_ms < end_ms:
            stream = DeviceStream(begin_ms, end_ms, step_ms, 1, self._seed, (), self._process)
            self._write([point._replace(tags={self._process.name: self.device}) for point in stream.points()])
            self._written_ms = end_ms
