"""Results that are made up, for tests of what a report makes of them."""

from collections.abc import Mapping
from typing import Any

from anomaly.influxdb.times import TimeRange
from anomaly.pipeline import Pipeline, normalize
from anomaly.report.page import PipelineReport
from anomaly.report.read import RangeOverview, ReportedPeriod, ReportedSeries, SeriesPlot, Step
from anomaly.windows.arrays import Key

SECOND_NS = 10**9
BEGIN_NS = 1_767_225_600 * SECOND_NS
SPAN = TimeRange(BEGIN_NS, BEGIN_NS + 86_400 * SECOND_NS)
STEP_NS = 180 * SECOND_NS
StepValues = tuple[float | None, float | None, float | None, float | None]


def pipeline(**more: Any) -> Pipeline:
    entry = {"name": "printer", "database": "d", "measurement": "m", "fields": ["bed", "air"], "group_by": ["printer"]}
    return normalize([{**entry, "window": "1s", "detector": "isolation_forest", **more}])[0]


def period(key: Key = ("p1",), at_s: int = 3_600, **more: Any) -> ReportedPeriod:
    begin_ns = BEGIN_NS + at_s * SECOND_NS
    entry = {
        "end_ns": begin_ns + 600 * SECOND_NS,
        "is_open": False,
        "peak_severity": 97.5,
        "windows": 600,
        "reason": "bed",
        "text": "anomalous from then; at 2026-01-01 01:00:00 UTC bed was 97 °C, above the expected 88 to 92 °C",
    }
    return ReportedPeriod(key, begin_ns, **{**entry, **more})


def overview(*periods: ReportedPeriod, of: Pipeline | None = None, **more: Any) -> RangeOverview:
    worst = {each.key: ReportedSeries(each.key, 97.5) for each in periods}
    entry = {
        "windows": 172_800,
        "anomalous": 600,
        "series": 2,
        "worst": 97.5,
        "periods": periods,
        "all_periods": len(periods),
        "worst_series": tuple(worst.values()) or (ReportedSeries(("p1",), 12.0),),
    }
    return RangeOverview(of or pipeline(), SPAN, **{**entry, **more})


def step(at: int, severity: float | None, values: Mapping[str, StepValues]) -> Step:
    begin_ns = BEGIN_NS + at * STEP_NS
    return Step(begin_ns, begin_ns + STEP_NS, severity, values)


def plot(of: RangeOverview, series: ReportedSeries, steps: int = 480) -> SeriesPlot:
    fields = of.pipeline.fields[:6]
    made = tuple(
        step(at, 20.0 + at % 70, dict.fromkeys(fields, (89.5, 90.0 + at % 3, 88.0, 92.0))) for at in range(steps)
    )
    periods = tuple(each for each in of.periods if each.key == series.key)
    return SeriesPlot(series, fields, len(of.pipeline.fields) - len(fields), STEP_NS, made, periods)


def report(of: RangeOverview, steps: int = 480) -> PipelineReport:
    return PipelineReport(of, tuple(plot(of, series, steps) for series in of.worst_series))
