"""The use case "report": from pipelines and a range to a page with a bitmap and tables beside it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly.backtest.drawing import Drawing
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.source import resolved
from anomaly.influxdb.times import resolve_range
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.refusal import Refused
from anomaly.report.bitmap import write_png
from anomaly.report.page import PipelineReport, html
from anomaly.report.plots import series_plot
from anomaly.report.read import MOST_FIELDS, MOST_SERIES, RangeOverview, read_overview, read_plot
from anomaly.report.summary import series_name
from anomaly.report.tables import write_periods, write_values
from anomaly.scoring.wording import plain

# The most rows of plots in a page, which keep it below 3 MB, and the most pictures of the bitmap.
MOST_PLOT_ROWS = 70
MOST_PICTURES = 6


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A request for a report.

    Attributes:
        pipelines: the pipelines; at least one.
        results_database: the database of the results.
        page: the path of the page, which ends in .html; the other files lie beside it.
        begin: where the range begins, as a duration before now or an RFC 3339 time.
        end: where it ends, likewise.
    """

    pipelines: Sequence[Pipeline]
    results_database: str
    page: Path
    begin: str = "24h"
    end: str = "0s"


def run_report(
    request: ReportRequest, connect: Callable[[], InfluxClient], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Write a report.

    Args:
        request: the pipelines, the range and the path.
        connect: makes the client of the server that holds the results; called once the range is known to make sense.
        say: is told a line for people.

    Returns:
        A mapping for programs of each pipeline, in the order of the request.

    Raises:
        SpecError: a time is not a time, or no window lies in the range.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        Refused: no pipeline has scores or periods in the range.
        OSError: a file cannot be written.
    """
    reports = read_reports(request, connect, say)
    files = write(request.page, reports)
    say(f"the report is in {request.page}, beside {', '.join(files)}")
    by_name = {report.overview.pipeline.name: report for report in reports}
    return [_entry(by_name[pipeline.name], request.page) for pipeline in request.pipelines]


def read_reports(
    request: ReportRequest, connect: Callable[[], InfluxClient], say: Callable[[str], None]
) -> list[PipelineReport]:
    """Return what a report has of each pipeline, the worst first; arguments and errors are those of `run_report`."""
    now_ns = time.time_ns()
    spans = [resolve_range(pipeline, request.begin, request.end, now_ns) for pipeline in request.pipelines]
    influx, database = connect(), request.results_database
    overviews = []
    for pipeline, span in zip(request.pipelines, spans, strict=True):
        say(f"reading {pipeline.name}, {rfc3339(span.begin_ns)} to {rfc3339(span.end_ns)}")
        overviews.append(read_overview(influx, database, resolved(lambda: influx, pipeline), span))
    if all(overview.is_empty for overview in overviews):
        names = ", ".join(pipeline.name for pipeline in request.pipelines)
        raise Refused(
            f"{names}: the database {database!r} has neither scores nor periods from {rfc3339(spans[0].begin_ns)} to "
            f"{rfc3339(spans[0].end_ns)}: choose a range with --from and --to in which detection ran, or score it by a "
            "catch-up first"
        )
    return list(_plotted(influx, database, sorted(overviews, key=_badness)))


def write(page: Path, reports: Sequence[PipelineReport]) -> list[str]:
    """Write the files of a report.

    Args:
        page: the path of the page.
        reports: what it has of each pipeline, the worst first.

    Returns:
        The names of the files beside the page.

    Raises:
        OSError: a file cannot be written.
    """
    bitmap = page.with_suffix(".png")
    tables = {page.with_name(f"{page.stem}-{name}.csv"): to for name, to in _TABLES.items()}
    pictures = _pictures(reports)
    for path, write_table in tables.items():
        write_table(path, reports)
    names = [path.name for path in tables]
    if pictures:
        write_png(bitmap, pictures)
        names = [bitmap.name, *names]
    page.write_text(html(reports, names), encoding="utf-8")
    return names


_TABLES = {"periods": write_periods, "values": write_values}


def _badness(overview: RangeOverview) -> tuple[float, float, str]:
    """Return the key by which the worst pipeline is first."""
    peak = max((period.peak_severity for period in overview.periods), default=-1.0)
    return -peak, -(overview.worst or 0.0), overview.pipeline.name


def _plotted(influx: InfluxClient, database: str, overviews: Sequence[RangeOverview]) -> Iterator[PipelineReport]:
    """Yield what the page has of each pipeline, the plots of which fit into one page together."""
    rows_left = MOST_PLOT_ROWS
    for number, overview in enumerate(overviews):
        # Each field is a row, and so is the severity.
        rows = min(len(overview.pipeline.fields), MOST_FIELDS) + 1
        share = max(rows_left // (len(overviews) - number), rows)
        most = min(MOST_SERIES, min(share, rows_left) // rows)
        chosen = overview.worst_series[:most]
        rows_left -= rows * len(chosen)
        yield PipelineReport(overview, tuple(read_plot(influx, database, overview, series) for series in chosen))


def _pictures(reports: Sequence[PipelineReport]) -> list[tuple[str, Drawing]]:
    """Return headings and pictures of the worst series, at most MOST_PICTURES, each pipeline's worst one first."""
    pictures: list[tuple[str, Drawing]] = []
    for place in range(MOST_SERIES):
        for report in reports:
            if place < len(report.plots) and len(pictures) < MOST_PICTURES:
                pipeline, plot = report.overview.pipeline, report.plots[place]
                heading = f"{plain(pipeline.name, 60)}: {series_name(pipeline.result_tags, plot.series.key)}"
                pictures.append((heading, series_plot(report.overview, plot)))
    return pictures


def _entry(report: PipelineReport, page: Path) -> dict[str, Any]:
    overview = report.overview
    return {
        "status": "done",
        "pipeline": overview.pipeline.name,
        "from": rfc3339(overview.span.begin_ns),
        "to": rfc3339(overview.span.end_ns),
        "series": overview.series,
        "windows": overview.windows,
        "anomalous": overview.anomalous,
        "periods": overview.all_periods,
        "page": str(page),
        "message": " ".join(report.sentences()),
    }
