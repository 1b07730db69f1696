"""The report of a backtest: one document for programs, and tables of it for people, as text, Markdown and HTML.

All three forms share their tables, and HTML has pictures, too. HTML shares its style with the demonstration's report.
This module does without a template library, as the image that scores also serves, and gets no dependency for a page.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from itertools import zip_longest
from typing import Any

from anomaly.backtest import chart, feedback_form
from anomaly.backtest.evaluate import Evaluation, FoundPeriod, LabelOutcome
from anomaly.backtest.page import END, MOST_ROWS, NOTHING, Table, begin, make_table, table_row
from anomaly.influxdb.times import RequestedRange
from anomaly.models.model import Model
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline
from anomaly.scoring.periods import NO_DATA
from anomaly.severity.rarity import once_in
from anomaly.windows.unscored import UnscoredSeries, listed

_SEVERITIES = "By the severity that opens a period (*: the pipeline's own)"


def document(
    pipeline: Pipeline,
    model: Model,
    asked: RequestedRange,
    series: int,
    unscored: Sequence[UnscoredSeries],
    counts: Mapping[str, int],
    evaluations: Mapping[float, Evaluation],
    results_database: str,
) -> dict[str, Any]:
    """Return the report as plain data.

    Args:
        pipeline: the pipeline.
        model: the model that scored.
        asked: the range of the backtest.
        series: how many series have windows.
        unscored: the series of which no window was scored.
        counts: how many windows were scored, and how many were not, by reason.
        evaluations: the evaluation of each opening severity, the pipeline's own among them.
        results_database: the name of the results database, to which the page writes feedback.

    Returns:
        The document; times are RFC 3339, and figures that need labels are null without them.
    """
    chosen = evaluations[pipeline.periods.open]
    return {
        "status": "done",
        "pipeline": pipeline.name,
        "results_database": results_database,
        "fingerprint": pipeline.fingerprint,
        "model": model.version,
        "from": rfc3339(asked.begin_ns),
        "to": rfc3339(asked.end_ns),
        "window": pipeline.window,
        "counting": [
            *(str(field) for field in pipeline.watched if field.entry(unit=False) != field.name),
            *map(str, pipeline.overrides),
        ],
        "series": series,
        "unscored": listed(unscored),
        "windows": dict(counts),
        "days": chosen.days,
        "complete": chosen.complete,
        "judged": chosen.judged,
        "open": pipeline.periods.open,
        **_figures(chosen),
        "sweep": [{"open": severity, **_figures(evaluation)} for severity, evaluation in evaluations.items()],
        "kinds": [
            {
                "kind": kind,
                "labels": figures.labels,
                "found": figures.found,
                "delay_windows": figures.delay_windows,
                "overrun_windows": figures.overrun_windows,
                "coverage": figures.coverage,
            }
            for kind, figures in chosen.by_kind().items()
        ],
        "labels": [_label(outcome) for outcome in chosen.outcomes],
        "false_alarms": [_label(alarm) for alarm in chosen.alarms],
        "periods": sorted(
            (
                _period(pipeline.group_by, period, verdict)
                for verdict, periods in (
                    ("true", chosen.true),
                    ("false", chosen.false),
                    ("unjudged", chosen.unjudged),
                    (NO_DATA, chosen.silent),
                )
                for period in periods
            ),
            key=lambda period: str(period["from"]),
        ),
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "recall": evaluation.recall,
        "precision": evaluation.precision,
        "f1": evaluation.f1,
        "labelled": len(evaluation.outcomes),
        "found": evaluation.found,
        "true": len(evaluation.true),
        "false": len(evaluation.false),
        "unjudged": len(evaluation.unjudged),
        "silent": len(evaluation.silent),
        "known_false": len(evaluation.alarms),
        "repeated": evaluation.repeated,
        "false_per_day": evaluation.false_per_day,
        "unjudged_per_day": evaluation.unjudged_per_day,
        "delay_windows": evaluation.delay_windows,
        "delay_seconds": None if evaluation.delay_ns is None else evaluation.delay_ns / 1e9,
        "overrun_windows": evaluation.overrun_windows,
        "coverage": evaluation.coverage,
    }


def _label(outcome: LabelOutcome) -> dict[str, Any]:
    label = outcome.label
    return {
        "from": rfc3339(label.begin_ns),
        "to": rfc3339(label.end_ns),
        "kind": label.kind,
        "tags": dict(label.tags),
        "found": bool(outcome.found),
        "delay_seconds": None if outcome.delay_ns is None else outcome.delay_ns / 1e9,
        "overrun_seconds": None if outcome.overrun_ns is None else outcome.overrun_ns / 1e9,
        "coverage": outcome.coverage,
        "peak_severity": max((period.period.peak_severity for period in outcome.found), default=None),
        "reasons": sorted({period.period.reason for period in outcome.found}),
    }


def _period(group_by: Sequence[str], found_period: FoundPeriod, verdict: str) -> dict[str, Any]:
    period = found_period.period
    return {
        "from": rfc3339(period.begin_ns),
        "to": rfc3339(period.end_ns),
        "tags": dict(zip(group_by, found_period.key, strict=True)),
        "verdict": verdict,
        "peak_severity": period.peak_severity,
        "reason": period.reason,
    }


def text(content: Mapping[str, Any]) -> str:
    """Return the report as text for a terminal.

    Args:
        content: the document.
    """
    parts = [headline(content), *_facts(content)]
    for table in _tables(content):
        right = {index for index, name in enumerate(table.columns) if name in table.numbers}
        parts += aligned([table.columns, *table.rows], right)
        parts += _rest(table)
    return "\n".join(parts)


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return rows as lines of text, with columns two spaces apart.

    Args:
        rows: the cells, with as many in each row.
        right: the numbers of the columns that are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def markdown(content: Mapping[str, Any]) -> str:
    """Return the report as Markdown, with tables as GitHub renders them.

    Args:
        content: the document.
    """
    parts = [f"# {headline(content)}", "", *_facts(content)]
    for table in _tables(content):
        parts += ["", f"## {table.title}", ""]
        rule = ("---:" if name in table.numbers else "---" for name in table.columns)
        for row in (table.columns, tuple(rule), *table.rows):
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
        parts += _rest(table)
    return "\n".join(parts) + "\n"


def html(content: Mapping[str, Any]) -> str:
    """Return the report as one self-contained HTML page.

    Args:
        content: the document.
    """
    parts = [begin(headline(content)), *(f'<p class="soft">{escape(fact)}</p>' for fact in _facts(content))]
    if picture := chart.timeline(content):
        parts.append(f'<h2>Over time</h2>\n<p>{_legend(content)}</p>\n<div class="scroll">{picture}</div>')
    pictures = {_SEVERITIES: chart.by_severity(content)}
    tables = _tables(content)
    for table in tables:
        parts.append(f'<h2>{escape(table.title)}</h2>\n<div class="scroll">{pictures.get(table.title, "")}<table>')
        parts += _rows(table, content["pipeline"])
        parts += ["</table></div>", *(f'<p class="soft">{escape(line)}</p>' for line in _rest(table))]
    if any(table.periods for table in tables):
        parts.append(feedback_form.form(content["results_database"]))
    return "\n".join([*parts, END])


def _rows(table: Table, pipeline: str) -> Iterator[str]:
    """Yield the rows of an HTML table, with a control in each row whose period a reader may mark."""
    choices = [feedback_form.choice(pipeline, period) for period in table.periods]
    yield table_row("th", table, table.columns, '<th class="judge" hidden="hidden">it was</th>' if choices else "")
    for row, choice in zip_longest(table.rows, choices):
        yield table_row("td", table, row, f"<td>{choice}</td>" if choice else "")


def _legend(content: Mapping[str, Any]) -> str:
    """Return the key to the colours of the timeline, as HTML."""
    keys = [
        ("fault", "label"),
        ("missed", "missed label"),
        ("found", "period that found one"),
        ("false", "false period"),
        ("unjudged", "no data" if content["complete"] else "unjudged period, or no data"),
    ]
    if not content["judged"]:
        keys = [("unjudged", "period")]
    return "".join(f'<span class="key {style}"></span>{text}' for style, text in keys)


def headline(content: Mapping[str, Any]) -> str:
    """Return the result in one line.

    Args:
        content: the document.
    """
    name = content["pipeline"]
    if not content["judged"]:
        return f"{name}: {_count(content['unjudged'], 'period')}, no labels given"
    if not content["complete"]:
        return (
            f"{name}: {content['found']} of {_count(content['labelled'], 'confirmed period')} found, "
            f"{content['repeated']} of {_count(content['known_false'], 'false alarm')} raised again, "
            f"{_count(content['unjudged'], 'other period')}"
        )
    labels, false = _count(content["labelled"], "label"), _count(content["false"], "false period")
    return f"{name}: {content['found']} of {labels} found, {false}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _facts(content: Mapping[str, Any]) -> list[str]:
    """Return sentences about the model, the data and the labels."""
    windows = ", ".join(f"{count} {name}" for name, count in sorted(content["windows"].items()))
    facts = [
        f"Model {content['model']} on {content['series']} series from {content['from']} to {content['to']}: {windows}."
    ]
    if content["unscored"]["count"]:
        rows = content["unscored"]["series"]
        more = content["unscored"]["count"] - len(rows)
        names = [f"{', '.join(row['series'])} ({row['reason']})" for row in rows]
        names += [f"and {more} more"] if more else []
        facts.append(f"No window could be scored of {'; '.join(names)}.")
    facts += [f"Of {rule}." for rule in content["counting"]]
    if content["judged"] and not content["complete"]:
        facts.append("A period of which nobody has said anything is unjudged, and in neither precision nor F1.")
    return facts


def _tables(content: Mapping[str, Any]) -> list[Table]:
    """Return the tables that have rows, in their order."""
    return [
        table
        for table in (
            _by_severity(content),
            _by_kind(content),
            _labels("Labels" if content["complete"] else "Confirmed periods", content["labels"], "found", "MISSED"),
            _labels("Known false alarms", content["false_alarms"], "AGAIN", "silent"),
            _periods("False periods", content, "false"),
            _periods("Unjudged periods" if content["judged"] else "Periods", content, "unjudged"),
        )
        if table.rows
    ]


def _by_severity(content: Mapping[str, Any]) -> Table:
    columns = [
        ("recall", "recall", 3),
        ("precision", "precision", 3),
        ("F1", "f1", 3),
        ("delay, windows", "delay_windows", 1),
        ("delay, s", "delay_seconds", 0),
        ("overrun, windows", "overrun_windows", 1),
        ("coverage", "coverage", 3),
    ]
    if content["judged"]:
        columns += [("false", "false", 0), ("false a day", "false_per_day", 3)]
    if not content["complete"]:
        name = "unjudged" if content["judged"] else "periods"
        columns += [(name, "unjudged", 0), (f"{name} a day", "unjudged_per_day", 3)]
    return make_table(
        _SEVERITIES,
        ("open", "once in", *(name for name, _, _ in columns)),
        (
            (
                ("* " if row["open"] == content["open"] else "") + f"{row['open']:g}",
                once_in(row["open"]),
                *(_number(row[key], digits) for _, key, digits in columns),
            )
            for row in content["sweep"]
        ),
        words=(),
    )


def _by_kind(content: Mapping[str, Any]) -> Table:
    return make_table(
        "By kind",
        ("kind", "labels", "found", "delay, windows", "overrun, windows", "coverage"),
        (
            (
                row["kind"] or NOTHING,
                str(row["labels"]),
                str(row["found"]),
                _number(row["delay_windows"], 1),
                _number(row["overrun_windows"], 1),
                _number(row["coverage"], 3),
            )
            for row in content["kinds"]
        ),
        words=("kind",),
    )


def _labels(title: str, labels: Iterable[Mapping[str, Any]], found: str, missed: str) -> Table:
    return make_table(
        title,
        ("from", "to", "kind", "series", "found", "delay, s", "overrun, s", "coverage", "severity", "reasons"),
        (
            (
                row["from"],
                row["to"],
                row["kind"] or NOTHING,
                _series(row["tags"]),
                found if row["found"] else missed,
                _number(row["delay_seconds"], 0),
                _number(row["overrun_seconds"], 0),
                _number(row["coverage"], 3),
                _number(row["peak_severity"], 0),
                ", ".join(row["reasons"]) or NOTHING,
            )
            for row in labels
        ),
        words=("from", "to", "kind", "series", "found", "reasons"),
    )


def _periods(title: str, content: Mapping[str, Any], verdict: str) -> Table:
    periods = [row for row in content["periods"] if row["verdict"] == verdict]
    table = make_table(
        title,
        ("from", "to", "series", "severity", "reason"),
        (
            (row["from"], row["to"], _series(row["tags"]), _number(row["peak_severity"], 0), row["reason"])
            for row in periods
        ),
        words=("from", "to", "series", "reason"),
    )
    return replace(table, periods=tuple(periods[:MOST_ROWS]))


def _rest(table: Table) -> list[str]:
    """Return the sentence about the rows that are not shown."""
    return [f"{table.left_out} more are in the JSON."] if table.left_out else []


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _series(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in tags.items()) or "all"
