"""The page of a report: one HTML file that loads nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from anomaly.backtest.chart import timeline_drawing
from anomaly.backtest.drawing import Drawing, visible
from anomaly.backtest.page import END, MOST_ROWS, NOTHING, Table, begin, make_table, table_row
from anomaly.counted import counted
from anomaly.nanoseconds import rfc3339
from anomaly.report.plots import series_plot
from anomaly.report.read import RangeOverview, ReportedPeriod, SeriesPlot
from anomaly.report.summary import headline, sentences, series_name
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.wording import duration_text, plain

# The most rows of all tables of periods of a page.
_MOST_PAGE_ROWS = 600
# The most bars of all timelines of a page, and of one at least.
_MOST_PAGE_BARS, _LEAST_BARS = 1_000, 10
_MOST_OF_A_NAME = 60
_LEGEND = (
    '<p><span class="key value"></span>value, from its lowest to its highest in each step'
    '<span class="key band"></span>expected range<span class="key severity"></span>severity'
    '<span class="key period"></span>anomalous period</p>'
)


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """What a report has of a pipeline.

    Attributes:
        overview: totals, periods and the worst series.
        plots: what is plotted of its series, the worst first.
    """

    overview: RangeOverview
    plots: tuple[SeriesPlot, ...]

    def sentences(self) -> list[str]:
        """Say what was found."""
        return sentences(self.overview, len(self.plots))

    def timeline(self, most: int) -> Drawing | None:
        """Draw the worst periods, one lane for each series; None without periods.

        Args:
            most: how many periods.
        """
        pipeline, span = self.overview.pipeline, self.overview.span
        return timeline_drawing(
            {
                "pipeline": plain(pipeline.name, _MOST_OF_A_NAME),
                "from": rfc3339(span.begin_ns),
                "to": rfc3339(span.end_ns),
                "labels": [],
                "periods": [
                    {
                        "from": rfc3339(max(period.begin_ns, 0)),
                        "to": rfc3339(period.end_ns),
                        "tags": dict(zip(pipeline.result_tags, period.key, strict=True)),
                        "verdict": "open" if period.is_open else "closed",
                        "reason": plain(period.reason, _MOST_OF_A_NAME),
                        "peak_severity": period.peak_severity,
                    }
                    for period in self.overview.periods[:most]
                ],
            }
        )


def html(reports: Sequence[PipelineReport], files: Sequence[str]) -> str:
    """Return the page.

    Args:
        reports: what it has of each pipeline, the worst first; at least one.
        files: the names of the files beside it; without any it stands alone.
    """
    parts = [begin(f"Anomaly report: {headline([report.overview for report in reports])}"), "<main>"]
    if len(reports) > 1:
        parts += _scroll(_pipelines(reports))
    rows = max(_MOST_PAGE_ROWS // len(reports), 1)
    bars = max(_MOST_PAGE_BARS // len(reports), _LEAST_BARS)
    for number, report in enumerate(reports, start=1):
        parts += _section(report, number, min(rows, MOST_ROWS), bars, is_alone=len(reports) == 1)
    named = ", ".join(f"<code>{escape(name)}</code>" for name in files)
    beside = f" Beside this file: {named}." if files else ""
    parts.append(f'<footer><p class="soft">Times are UTC.{beside}</p></footer>')
    return "\n".join([*parts, "</main>", END])


def _section(report: PipelineReport, number: int, most_rows: int, most_bars: int, *, is_alone: bool) -> Iterator[str]:
    name = escape(visible(plain(report.overview.pipeline.name)))
    yield f'<section id="pipeline-{number}">\n<h2>{"Summary" if is_alone else name}</h2>'
    yield from (f"<p>{escape(visible(sentence))}</p>" for sentence in report.sentences())
    drawing = report.timeline(most_bars)
    if drawing is not None:
        yield "<h3>Periods over time</h3>"
        yield (
            '<p><span class="key found"></span>period<span class="key false"></span>period that was open when this '
            "was made</p>"
        )
        yield f'<div class="scroll" tabindex="0">{drawing.svg()}</div>'
        if len(report.overview.periods) > most_bars:
            yield f'<p class="soft">The picture has the {most_bars:,} worst periods.</p>'
    if report.plots:
        yield f"<h3>The worst series</h3>\n{_LEGEND}"
    for plot in report.plots:
        yield from _plot(report.overview, plot)
    table = _periods(report.overview, most_rows)
    if table.rows:
        yield f"<h3>{escape(table.title)}</h3>"
        yield from _scroll(table, "periods")
        if table.left_out:
            yield f'<p class="soft">{counted(table.left_out, "more period")}: the CSV has them.</p>'
    yield "</section>"


def _plot(overview: RangeOverview, plot: SeriesPlot) -> Iterator[str]:
    facts = [f"highest severity {plot.series.worst:.1f}"] if plot.series.worst is not None else ["no scores"]
    facts += [counted(len(plot.periods), "period"), f"a step is {duration_text(plot.step_ns)}"]
    facts += [f"{counted(plot.left_out, 'field')} left out"] if plot.left_out else []
    name = escape(visible(series_name(overview.pipeline.result_tags, plot.series.key)))
    yield f'<figure>\n<figcaption><h4>{name}</h4><p class="soft">{"; ".join(facts)}</p></figcaption>'
    yield f'<div class="scroll" tabindex="0">{series_plot(overview, plot).svg()}</div>\n</figure>'


def _pipelines(reports: Sequence[PipelineReport]) -> Table:
    return make_table(
        "Pipelines, the worst first",
        ("pipeline", "series", "windows", "anomalous", "periods", "open", "highest severity"),
        (
            (
                plain(overview.pipeline.name),
                f"{overview.series:,}",
                f"{overview.windows:,}",
                f"{overview.anomalous:,}",
                f"{overview.all_periods:,}",
                f"{sum(period.is_open for period in overview.periods):,}",
                NOTHING if overview.worst is None else f"{overview.worst:.1f}",
            )
            for overview in (report.overview for report in reports)
        ),
        words=("pipeline",),
    )


def _periods(overview: RangeOverview, most: int) -> Table:
    return make_table(
        "Periods, the worst first",
        ("begin", "end", "lasted", "series", "severity", "windows", "reason", "what happened"),
        (_period(overview, period) for period in overview.periods),
        words=("begin", "end", "series", "reason", "what happened"),
        most=most,
    )


def _period(overview: RangeOverview, period: ReportedPeriod) -> tuple[str, ...]:
    return (
        rfc3339(period.begin_ns),
        "open" if period.is_open else rfc3339(period.end_ns),
        duration_text(period.end_ns - period.begin_ns),
        series_name(overview.pipeline.result_tags, period.key),
        NOTHING if period.reason == NO_DATA else f"{period.peak_severity:.1f}",
        f"{period.windows:,}",
        plain(period.reason, _MOST_OF_A_NAME) or NOTHING,
        plain(period.text.partition("; at ")[2]) or NOTHING,
    )


def _scroll(table: Table, style: str = "pipelines") -> Iterator[str]:
    """Yield a table in a frame that scrolls by itself where it is too wide."""
    yield f'<div class="scroll" tabindex="0"><table class="{style}">\n<caption>{escape(table.title)}</caption>'
    yield table_row("th", table, table.columns)
    yield from (table_row("td", table, row) for row in table.rows)
    yield "</table></div>"
