"""Findings as the measurement `health`, and as metrics in the format of Prometheus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge

from anomaly.influxdb.lines import line
from anomaly.keeper.checks import Finding
from anomaly.keeper.load import ProcessorTime
from anomaly.nanoseconds import MINUTE_NS
from anomaly.scoring.results import Fields, Result

# A finding is written when it changes, and again after this time.
_AGAIN_NS = MINUTE_NS


@dataclass(slots=True)
class HealthLines:
    """Writes findings when they change, and once a minute.

    A point of the measurement `health` has the tags `check` and, unless it is of the whole stack, `pipeline`, and the
    fields `ok` (integer, 1 or 0) and `text` (string, empty if all is well). A finding that cannot be known writes
    nothing.
    """

    _written: dict[tuple[str, str], tuple[Finding, int]] = field(default_factory=dict)

    def lines(self, findings: Iterable[Finding], now_ns: int) -> list[str]:
        """Return the points to write after a look, in line protocol."""
        lines = []
        for finding in findings:
            key = finding.pipeline, finding.check
            before, at_ns = self._written.get(key, (None, 0))
            is_same = before is not None and before.ok == finding.ok
            # A clock that was set back must not end the points.
            if finding.ok is None or (is_same and abs(now_ns - at_ns) < _AGAIN_NS):
                continue
            self._written[key] = finding, now_ns
            tags = {"check": finding.check, "pipeline": finding.pipeline}
            fields: Fields = {"ok": int(finding.ok), "text": finding.text}
            lines.append(line(Result("health", tags, now_ns, fields)))
        return lines


class KeeperMetrics:
    """The keeper's metrics.

    Attributes:
        registry: what is served.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._shown: set[tuple[str, str]] = set()
        self._ok = Gauge(
            "influx_anomaly_ok", "Whether a check finds all well.", ["check", "pipeline"], registry=self.registry
        )
        self._scored = Gauge(
            "influx_anomaly_caught_up_seconds",
            "Up to which time the last catch-up has scored all that can be scored, since 1970.",
            ["pipeline"],
            registry=self.registry,
        )
        self._starts = Counter(
            "influx_anomaly_task_starts", "How often a task was started again.", ["pipeline"], registry=self.registry
        )
        self._windows = Counter(
            "influx_anomaly_caught_up_windows", "Scores that catch-ups wrote.", ["pipeline"], registry=self.registry
        )
        self._look = Gauge("influx_anomaly_look_seconds", "How long the last look took.", registry=self.registry)
        self._processor = Counter(
            "influx_anomaly_processor_seconds",
            "The processor time of the keeper's looks, and of its catch-ups, trainings and deletions that have ended.",
            ["part"],
            registry=self.registry,
        )
        self._taken = ProcessorTime(0.0, 0.0)
        self._time = Gauge(
            "influx_anomaly_looked_seconds", "When the last look was, since 1970.", registry=self.registry
        )

    def look(self, findings: Iterable[Finding], caught_up_ns: Mapping[str, int], time_ns: int, seconds: float) -> None:
        """Show the outcome of a look."""
        known = {(finding.check, finding.pipeline): finding.ok for finding in findings if finding.ok is not None}
        for labels, ok in known.items():
            self._ok.labels(*labels).set(ok)
        # What is not known any more has no value, rather than an old one.
        for labels in self._shown - known.keys():
            self._ok.remove(*labels)
        self._shown = set(known)
        for pipeline, end_ns in caught_up_ns.items():
            self._scored.labels(pipeline).set(end_ns / 1e9)
        self._look.set(seconds)
        self._time.set(time_ns / 1e9)

    def taken(self, taken: ProcessorTime) -> None:
        """Show the processor time that has been taken so far."""
        self._processor.labels("looks").inc(max(taken.looks_s - self._taken.looks_s, 0.0))
        self._processor.labels("jobs").inc(max(taken.jobs_s - self._taken.jobs_s, 0.0))
        self._taken = taken

    def started(self, pipeline: str) -> None:
        """Count a task that was started again."""
        self._starts.labels(pipeline).inc()

    def caught_up(self, pipeline: str, windows: int) -> None:
        """Count the scores that a catch-up wrote."""
        self._windows.labels(pipeline).inc(windows)
