"""When a pipeline's calendars mean something, for many windows at once.

Occurrences are expanded for a stretch of some months at once, and kept.
"""

import numpy as np

from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import Bools, Times

_STRETCH_NS = 120 * DAY_NS
# Stretches that are kept: thirty years of history.
_MOST_STRETCHES = 100


class CalendarTimes:
    """The times of a pipeline's calendars, by their meaning."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._zone = pipeline.timezone
        self._calendars = pipeline.calendars
        # By meaning, number of the stretch and stretches after it: begins and ends of times that do not overlap.
        self._known: dict[tuple[str, int, int], tuple[Times, Times]] = {}

    def has(self, means: str) -> bool:
        """Return whether a calendar has this meaning."""
        return any(calendar.means == means for calendar in self._calendars)

    def meet(self, means: str, begin_ns: Times, length_ns: int | Times) -> Bools:
        """Return which stretches of time meet a time with a meaning.

        Args:
            means: the meaning.
            begin_ns: the begins of n stretches, shape (n,), nanoseconds since 1970.
            length_ns: their length, or their lengths, shape (n,), at least 1.

        Returns:
            Which of them meet one, shape (n,).
        """
        met = np.zeros(len(begin_ns), dtype=np.bool_)
        if not self.has(means) or not len(begin_ns):
            return met
        end_ns = begin_ns + length_ns
        longest_ns = int(np.max(end_ns - begin_ns))
        number = begin_ns // _STRETCH_NS
        for each in np.unique(number).tolist():
            has_number = number == each
            begins, ends = self._times(means, each, 1 + longest_ns // _STRETCH_NS)
            if len(begins):
                before = np.searchsorted(begins, end_ns[has_number], side="left") - 1
                met[has_number] = (before >= 0) & (ends[before] > begin_ns[has_number])
        return met

    def _times(self, means: str, number: int, after: int) -> tuple[Times, Times]:
        """Return begins and ends of the times in the stretch with this number and in some stretches after it."""
        spans = self._known.get((means, number, after))
        if spans is None:
            if len(self._known) >= _MOST_STRETCHES:
                self._known.clear()
            spans = self._known[means, number, after] = self._expanded(means, number, after)
        return spans

    def _expanded(self, means: str, number: int, after: int) -> tuple[Times, Times]:
        first_ns = number * _STRETCH_NS
        spans = sorted(
            span
            for calendar in self._calendars
            if calendar.means == means
            for span in calendar.spans(self._zone, first_ns, first_ns + (1 + after) * _STRETCH_NS)
        )
        merged: list[list[int]] = []
        for begin_ns, end_ns in spans:
            if merged and begin_ns <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end_ns)
            else:
                merged.append([begin_ns, end_ns])
        begins, ends = np.array(merged, dtype=np.int64).reshape(-1, 2).T
        return begins, ends
