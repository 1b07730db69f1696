"""Points from the future, told once for each series and not for each point.

A point is ahead where its time is later than the host's clock by more than a window, or by more than 10 s where a
window is shorter. The pipeline's `future` decides which of them are refused (`anomaly.windows.assembler`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anomaly.nanoseconds import SECOND_NS
from anomaly.pipeline import Pipeline, format_duration
from anomaly.scoring.notices import CLOCK, Notice
from anomaly.scoring.wording import moment_text
from anomaly.windows.arrays import Key

# A notice closes after this many windows without a point ahead, and at least after `future`.
_QUIET_WINDOWS = 10
_LEAST_AHEAD_NS = 10_000_000_000
_GREATEST_NS = 253_402_300_799 * SECOND_NS


@dataclass(slots=True)
class _Ahead:
    """The points ahead of the clock of one series, as far as they are one event.

    Attributes:
        begin_ns: the clock at the arrival of the first.
        last_ns: the clock at the arrival of the last.
        points: their number.
        text: what people read.
    """

    begin_ns: int
    last_ns: int
    points: int
    text: str


class ClockNotices:
    """The notices of the kind `clock` of a pipeline's series.

    Args:
        pipeline: the pipeline.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._quiet_ns = max(_QUIET_WINDOWS * pipeline.window_ns, pipeline.future_ns)
        self._future_ns = pipeline.future_ns
        self.least_ahead_ns = max(pipeline.window_ns, _LEAST_AHEAD_NS)
        self._series: dict[Key, _Ahead] = {}

    def ahead(self, key: Key, points: int, time_ns: int, now_ns: int) -> Notice | None:
        """Take points ahead of the clock into account.

        Args:
            key: the series.
            points: their number.
            time_ns: the time of the one that is furthest ahead.
            now_ns: the clock.

        Returns:
            The notice that they open; None if it is open.
        """
        series = self._series.get(key)
        if series is not None:
            series.last_ns = now_ns
            series.points += points
            return None
        ahead_ns = (time_ns - now_ns) // SECOND_NS * SECOND_NS
        what = "refused" if time_ns - now_ns > self._future_ns else "taken, but its windows wait for the clock"
        text = f"a point of {_written(time_ns)} is {format_duration(ahead_ns)} ahead of this host's clock: {what}"
        self._series[key] = _Ahead(now_ns, now_ns, points, text)
        return Notice(CLOCK, now_ns, now_ns, "open", text, points)

    def look(self, now_ns: int) -> Iterator[tuple[Key, Notice]]:
        """Yield the notices that close, as no point was ahead of the clock for some time."""
        for key, series in list(self._series.items()):
            if now_ns - series.last_ns > self._quiet_ns:
                del self._series[key]
                yield key, _closed(series)

    def forget(self, key: Key) -> Notice | None:
        """Forget a series; return its open notice, which closes."""
        series = self._series.pop(key, None)
        return None if series is None else _closed(series)

    def state(self) -> list[list[Any]]:
        """Return the open notices for JSON."""
        return [
            [list(key), series.begin_ns, series.last_ns, series.points, series.text]
            for key, series in self._series.items()
        ]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Go on where `state` was taken. Raises TypeError or ValueError for a state of another form."""
        self._series = {
            tuple(key): _Ahead(int(begin_ns), int(last_ns), int(points), str(text))
            for key, begin_ns, last_ns, points, text in state
        }


def _closed(series: _Ahead) -> Notice:
    """Return the end of a notice."""
    return Notice(CLOCK, series.begin_ns, series.last_ns, "closed", series.text, series.points)


def _written(time_ns: int) -> str:
    """Return a time for people; years beyond 9999 as such."""
    if not 0 <= time_ns <= _GREATEST_NS:
        return f"{time_ns} ns"
    return moment_text(time_ns)
