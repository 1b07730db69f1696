"""What InfluxDB would answer to the pages' queries."""

import time
from collections.abc import Sequence
from typing import Any

from anomaly.influxdb.client import InfluxClientError, SeriesChunk
from anomaly.pipeline import normalize
from tests.unit.anomaly.console.made import rows
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

SECOND_NS = 10**9
NOW_NS = time.time_ns() // WINDOW_NS * WINDOW_NS
BEGIN_NS = NOW_NS - 600 * SECOND_NS
OTHER = normalize(
    [
        {
            "name": "other",
            "database": "db",
            "measurement": "m",
            "fields": ["flow"],
            "group_by": ["printer"],
            "window": "1h",
        }
    ]
)[0]
PIPELINES = (PIPELINE, OTHER)
HOSTILE = "<script>alert(1)</script>\"' &amp;"
FIELDS = PIPELINE.fields


def tags(printer: str, pipeline: str = "printer") -> dict[str, str]:
    return {"pipeline": pipeline, "printer": printer}


NOTICE = {**tags("p9"), "notice": "rate"}


class Results:
    """Two printers that are scored, one of them with an open period, a silent one, and a notice.

    Attributes:
        marks: rows of feedback: begin, kind, end_ms, note.
        series: how many further series have a score.
        is_down: whether InfluxDB is down.
    """

    def __init__(self) -> None:
        self.marks: list[list[Any]] = []
        self.series = 0
        self.is_down = False

    def __call__(self, query: str) -> Sequence[SeriesChunk]:
        if self.is_down:
            raise InfluxClientError("InfluxDB at http://127.0.0.1:1 is not reachable (Connection refused)")
        answers = [
            ('FROM "health"', self._health),
            ('FROM "incident"', lambda: [rows(["text"], [BEGIN_NS, "2 periods <b>"])]),
            (
                'FROM "notice"',
                lambda: [rows(["text"], [BEGIN_NS, "2 points a window"], tags=tags("p9") | {"notice": "rate"})],
            ),
            (
                'FROM "feedback"',
                lambda: [rows(["kind", "end_ms", "note"], *self.marks, tags=tags("p1"))] if self.marks else [],
            ),
            ('SELECT count("end_ms") FROM "period"', lambda: [rows(["count"], [0, 1])]),
            ('FROM "period"', lambda: self._periods(query)),
            ('sum("label")', lambda: [rows(["count", "sum", "max"], [0, 720, 3, 99.5])]),
            ('SELECT count("worst")', lambda: [rows(["count"], [0, 1])]),
            ('SELECT top("worst", "printer", 8)', lambda: [rows(["top", "printer"], [BEGIN_NS, 99.5, "p1"])]),
            ('count("severity")', lambda: [rows(["count"], [0, 720], tags={"pipeline": "printer"})]),
            ('SELECT last("severity")', lambda: self._last(query)),
            ("SELECT top(", lambda: self._moved(query)),
            ('max("severity"), min(', lambda: self._steps(query)),
            ('"score", ', self._anomalous),
        ]
        return next((answer() for begin, answer in answers if begin in query), [])

    def _health(self) -> list[SeriesChunk]:
        return [
            rows(["ok", "text"], [NOW_NS, 1, ""], tags={"check": "influxdb", "pipeline": ""}),
            rows(["ok", "text"], [NOW_NS, 0, "no scores for 1h"], tags={"check": "scores", "pipeline": "other"}),
        ]

    def _last(self, query: str) -> list[SeriesChunk]:
        if "GROUP BY *" not in query:
            return []
        names = {"p1": 99.5, "p2": 12.0, HOSTILE: 50.0, **{f"q{number:05}": 20.0 for number in range(self.series)}}
        return [rows(["last"], [NOW_NS - WINDOW_NS, severity], tags=tags(name)) for name, severity in names.items()]

    def _periods(self, query: str) -> list[SeriesChunk]:
        if "GROUP BY *" in query:
            return [
                rows(["reason", "peak_severity", "state"], [BEGIN_NS, "bed", 99.5, "open"], tags=tags("p1")),
                rows(["reason", "peak_severity", "state"], [BEGIN_NS, "no data", 0.0, "open"], tags=tags("p3")),
            ]
        reason, peak = ("no data", 0.0) if "'p3'" in query else ("bed", 99.5)
        text = f"anomalous; at 2026-01-01 00:00:00 UTC {FIELDS[1]} was 94 °C, above the expected 88 to 92 °C"
        row = [BEGIN_NS, (NOW_NS - WINDOW_NS) // 10**6, "open", peak, 60, reason, text, "p1"]
        return [rows([*("end_ms state peak_severity points reason text".split()), "printer"], row)]

    def _moved(self, query: str) -> list[SeriesChunk]:
        if '("pipeline" =' in query:
            return [rows(["top", "pipeline", "printer"], [BEGIN_NS, 30.0, "other", "p2"])]
        return [
            rows(["top", "pipeline", "printer"], [BEGIN_NS, 99.5, "printer", "p1"], [BEGIN_NS, 97.0, "other", "p2"])
        ]

    def _steps(self, query: str) -> list[SeriesChunk]:
        width = 5 if "contribution_" in query else 4
        first = [90.0, 91.0, 88.0, 92.0, 0.1][:width]
        second = [94.0, 95.0, 88.0, 92.0, 0.8][:width]
        calm = [BEGIN_NS, 20.0, *(first * len(FIELDS))]
        loud = [BEGIN_NS + 2 * WINDOW_NS, 99.5, *first, *second, *(first * (len(FIELDS) - 2))]
        return [rows(["severity"], calm, loud)]

    def _anomalous(self) -> list[SeriesChunk]:
        share = [0.8 if number == 1 else 0.2 / (len(FIELDS) - 1) for number in range(len(FIELDS))]
        return [
            rows(
                ["score"],
                [BEGIN_NS, 0.9, *share, *([94.0] * len(FIELDS))],
                [BEGIN_NS + 1, 1.0, *share, *([96.0] * len(FIELDS))],
            )
        ]
