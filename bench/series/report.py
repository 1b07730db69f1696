"""From figures to build/bench-series.json, and to a table."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.series.measure import RowFigures, SeriesRow
from bench.udf.report import Target

# Figure, its heading, and how it is printed.
_COLUMNS = (
    ("windows_per_s", "windows/s", ",.0f"),
    ("windows_per_processor_s", "a processor s", ",.0f"),
    ("points_per_s", "points/s", ",.0f"),
    ("p50_ms", "p50, ms", ",.0f"),
    ("p99_ms", "p99, ms", ",.0f"),
    ("udf_busy", "UDF busy", ".2f"),
    ("kapacitord_busy", "kapacitord", ".2f"),
    ("udf_mb", "UDF, MB", ",.0f"),
    ("kapacitord_mb", "kapacitord", ",.0f"),
    ("feature_kb", "KB a feature", ".1f"),
    ("feature_kb_estimated", "estimated", ".1f"),
    ("state_s", "state, s", ".2f"),
    ("state_bytes", "bytes", ",.0f"),
)


def report(figures: Mapping[SeriesRow, RowFigures], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what build/bench-series.json holds; `about`: the machine."""
    return {
        "rows": [{**asdict(row), **asdict(found)} for row, found in figures.items()],
        "targets": [{**asdict(target), "reached": target.reached} for target in targets(figures)],
        **about,
    }


def targets(figures: Mapping[SeriesRow, RowFigures]) -> list[Target]:
    """Return what is to be reached, as far as the measured rows tell."""
    targets_of_rows = []
    thousand, most = figures.get(SeriesRow(1_000, "10s")), figures.get(SeriesRow(10_000, "10s"))
    if thousand is not None:
        targets_of_rows.append(Target("1,000 series, 10s: windows/s", thousand.windows_per_s, ">=", 5_000))
    if most is not None:
        targets_of_rows.append(Target("10,000 series, 10s: p99, ms", most.p99_ms, "<=", 2_000))
        targets_of_rows.append(Target("10,000 series, 10s: UDF, MB", most.udf_mb, "<=", 1_500))
        targets_of_rows.append(Target("10,000 series, 10s: KB a feature and series", most.feature_kb, "<=", 12))
        # With fewer series, what the process keeps for itself is too large a part of it.
        share = most.feature_kb / most.feature_kb_estimated
        targets_of_rows.append(Target("10,000 series, 10s: memory by its estimate", share, ">=", 0.75))
        targets_of_rows.append(Target("10,000 series, 10s: memory by its estimate", share, "<=", 1.25))
    return targets_of_rows


def print_report(console: Console, figures: Mapping[SeriesRow, RowFigures]) -> None:
    """Print the table, and what is to be reached."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("series", "window", *(heading for _, heading, _ in _COLUMNS)):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, found in figures.items():
        values = asdict(found)
        table.add_row(_name(row), row.window, *(f"{values[name]:{form}}" for name, _, form in _COLUMNS))
    console.print(table)
    for target in targets(figures):
        verdict = Text("reached", "green") if target.reached else Text("missed", "bold red")
        value = f"{target.value:,.0f}" if target.value >= 100 else f"{target.value:.3g}"
        console.print(f"{target.what} {target.relation} {target.limit:g}: {value},", verdict)


def _name(row: SeriesRow) -> str:
    """Return the number of series, and how many of them are incomplete or new."""
    others = [f"{number:,} {what}" for number, what in ((row.incomplete, "incomplete"), (row.new, "new")) if number]
    return ", ".join([f"{row.series:,}", *others])
