"""The tables of a report as CSV: its periods, and what its plots show."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from anomaly.nanoseconds import rfc3339
from anomaly.report.page import PipelineReport
from anomaly.report.summary import series_name

PERIOD_COLUMNS = ("pipeline", "series", "begin", "end", "state", "peak_severity", "windows", "reason", "text")
VALUE_COLUMNS = (
    *("pipeline", "series", "begin", "seconds", "field", "lowest", "highest", "expected_low", "expected_high"),
    "severity",
)
Cell = str | int | float | None


def write_periods(path: Path, reports: Sequence[PipelineReport]) -> None:
    """Write the periods of pipelines, the worst of each first.

    Raises:
        OSError: the file cannot be written.
    """
    _write(path, PERIOD_COLUMNS, (row for report in reports for row in _periods(report)))


def write_values(path: Path, reports: Sequence[PipelineReport]) -> None:
    """Write what the plots show: a row for each step and field.

    Raises:
        OSError: the file cannot be written.
    """
    _write(path, VALUE_COLUMNS, (row for report in reports for row in _values(report)))


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([safe_cell(cell) for cell in row] for row in rows)


def safe_cell(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet takes for a formula.

    Args:
        cell: a number, None, or a text, which may come from whoever writes points.
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _periods(report: PipelineReport) -> Iterator[tuple[Cell, ...]]:
    pipeline = report.overview.pipeline
    for period in report.overview.periods:
        yield (
            pipeline.name,
            series_name(pipeline.result_tags, period.key),
            rfc3339(period.begin_ns),
            None if period.is_open else rfc3339(period.end_ns),
            "open" if period.is_open else "closed",
            period.peak_severity,
            period.windows,
            period.reason,
            period.text,
        )


def _values(report: PipelineReport) -> Iterator[tuple[Cell, ...]]:
    pipeline = report.overview.pipeline
    for plot in report.plots:
        name = series_name(pipeline.result_tags, plot.series.key)
        for step in plot.steps:
            for field in plot.fields:
                begin, seconds = rfc3339(step.begin_ns), (step.end_ns - step.begin_ns) / 1e9
                yield (pipeline.name, name, begin, seconds, field, *step.values[field], step.severity)
