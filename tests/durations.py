"""Where the time of a test run goes: the slowest modules, and how long each worker had something to do."""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

PROCESSOR = "processor_s"
"""The attribute of a report that holds the processor time of its phase."""
_SLOWEST = 10


@dataclass
class _Module:
    seconds: float = 0
    processor_s: float = 0
    tests: set[str] = field(default_factory=set)


@dataclass
class _Worker:
    begin: float
    end: float
    busy_s: float = 0


class ProcessorClock:
    """Measures what this process and its ended children worked, from one question to the next."""

    def __init__(self) -> None:
        self._worked_s = self._read_s()

    def lap_s(self) -> float:
        """Return the processor time since the last call, in seconds."""
        before, self._worked_s = self._worked_s, self._read_s()
        return self._worked_s - before

    @staticmethod
    def _read_s() -> float:
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Durations:
    """Adds up the reports of a session by module and by worker."""

    def __init__(self) -> None:
        self._modules: dict[str, _Module] = defaultdict(_Module)
        self._workers: dict[str, _Worker] = {}

    def add(self, report: pytest.TestReport, worker: str) -> None:
        """Add the report of a test's setup, call or teardown.

        Args:
            report: the report; its attribute `PROCESSOR` may be missing.
            worker: the process that ran the test.
        """
        module = self._modules[report.nodeid.partition("::")[0]]
        module.seconds += report.duration
        module.processor_s += getattr(report, PROCESSOR, 0.0)
        module.tests.add(report.nodeid)
        place = self._workers.setdefault(worker, _Worker(report.start, report.stop))
        place.end = max(place.end, report.stop)
        place.busy_s += report.duration

    def lines(self) -> Iterator[str]:
        """Yield the slowest modules, slowest first, and then the workers in the order in which they ended.

        The processor time of a module does not have the work of containers, nor that of processes that live on.
        """
        modules = sorted(self._modules.items(), key=lambda item: item[1].seconds, reverse=True)
        for name, module in modules[:_SLOWEST]:
            worked = f"{module.processor_s:6.0f} s of processor time"
            yield f"{module.seconds:6.0f} s  {worked}  {len(module.tests):4} tests  {name}"
        begin = min((worker.begin for worker in self._workers.values()), default=0.0)
        for name, worker in sorted(self._workers.items(), key=lambda item: item[1].end):
            yield f"{worker.busy_s:6.0f} s  busy, until second {worker.end - begin:.0f}  {name}"
