"""How much of a processor the keeper and its jobs take: for the metrics at each look, and for people once an hour."""

import os
from dataclasses import dataclass

# How often people are told.
_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Processor time since the keeper was started.

    Attributes:
        looks_s: the seconds of the keeper's own process.
        jobs_s: the seconds of catch-ups, trainings and deletions that have ended.
    """

    looks_s: float
    jobs_s: float


def processor_time() -> ProcessorTime:
    """Return what has been taken so far."""
    times = os.times()
    return ProcessorTime(times.user + times.system, times.children_user + times.children_system)


@dataclass(slots=True)
class LoadReport:
    """Says once an hour what was taken in it."""

    _begin_s: float | None = None
    _before: ProcessorTime = ProcessorTime(0.0, 0.0)

    def look(self, taken: ProcessorTime, now_s: float) -> str:
        """Return a sentence for people if an hour has passed since the last one; empty otherwise.

        Args:
            taken: what has been taken so far.
            now_s: when, by a clock that never jumps.
        """
        if self._begin_s is None:
            self._begin_s, self._before = now_s, taken
        elapsed_s = now_s - self._begin_s
        if elapsed_s < _EVERY_S:
            return ""
        looks, jobs = (
            100 * (after - before) / elapsed_s
            for after, before in ((taken.looks_s, self._before.looks_s), (taken.jobs_s, self._before.jobs_s))
        )
        self._begin_s, self._before = now_s, taken
        return (
            f"in the last {elapsed_s / 60:.0f} minutes looks took {looks:.1f} % of a processor, and catch-ups, "
            f"trainings and deletions {jobs:.1f} %"
        )
