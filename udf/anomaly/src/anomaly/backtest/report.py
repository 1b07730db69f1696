"""A backtest for people and programs: one document, and tables of it as text, Markdown and HTML.

The renderings share their tables, and HTML shares its style with the demonstration's report. No template library: the
image that scores is the one that serves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

from anomaly.backtest.evaluate import Evaluation, Found, Outcome
from anomaly.model import Model
from anomaly.scoring import Key
from anomaly.spec import Pipeline
from anomaly.training.range import Range, rfc3339

# Of labels and of false periods, for people; the document has all.
_MOST_ROWS = 200


def document(
    pipeline: Pipeline,
    model: Model,
    asked: Range,
    series: int,
    counts: Mapping[str, int],
    evaluations: Mapping[float, Evaluation],
) -> dict[str, Any]:
    """Everything that is known, as plain data. Times are RFC 3339; what cannot be said without labels is null."""
    chosen = evaluations[pipeline.periods.open]
    return {
        "status": "done",
        "pipeline": pipeline.name,
        "fingerprint": pipeline.fingerprint,
        "model": model.version,
        "from": rfc3339(asked.begin_ns),
        "to": rfc3339(asked.end_ns),
        "window": pipeline.window,
        "series": series,
        "windows": dict(counts),
        "days": chosen.days,
        "open": pipeline.periods.open,
        **_figures(chosen),
        "sweep": [{"open": severity, **_figures(evaluation)} for severity, evaluation in evaluations.items()],
        "kinds": [
            {
                "kind": kind,
                "labels": figures.labels,
                "found": figures.found,
                "delay_windows": figures.delay_windows,
            }
            for kind, figures in (chosen.by_kind().items() if chosen.outcomes else ())
        ],
        "labels": [_label(outcome) for outcome in chosen.outcomes],
        "false_periods": [_found(pipeline.group_by, each) for each in chosen.false],
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "recall": evaluation.recall,
        "precision": evaluation.precision,
        "f1": evaluation.f1,
        "labelled": len(evaluation.outcomes),
        "found": evaluation.found,
        "true": evaluation.true,
        "false": len(evaluation.false),
        "silent": evaluation.silent,
        "false_per_day": evaluation.false_per_day,
        "delay_windows": evaluation.delay_windows,
        "delay_seconds": None if evaluation.delay_ns is None else evaluation.delay_ns / 1e9,
    }


def _label(outcome: Outcome) -> dict[str, Any]:
    label = outcome.label
    return {
        "from": rfc3339(label.begin_ns),
        "to": rfc3339(label.end_ns),
        "kind": label.kind,
        "tags": dict(label.tags),
        "found": bool(outcome.found),
        "delay_seconds": None if outcome.delay_ns is None else outcome.delay_ns / 1e9,
        "peak_severity": max((each.period.peak_severity for each in outcome.found), default=None),
        "reasons": sorted({each.period.reason for each in outcome.found}),
    }


def _found(group_by: Sequence[str], found: Found) -> dict[str, Any]:
    return {
        "from": rfc3339(found.period.begin_ns),
        "to": rfc3339(found.period.end_ns),
        "tags": _tags(group_by, found.key),
        "peak_severity": found.period.peak_severity,
        "reason": found.period.reason,
    }


def _tags(group_by: Sequence[str], key: Key) -> dict[str, str]:
    return dict(zip(group_by, key, strict=True))


@dataclass(frozen=True, slots=True)
class _Table:
    """Cells as text; columns of numbers are set to the right."""

    title: str
    columns: tuple[str, ...]
    numbers: frozenset[str]
    rows: list[tuple[str, ...]]
    left_out: int = 0


def text(content: Mapping[str, Any]) -> str:
    """For a terminal."""
    parts = [headline(content), *_facts(content)]
    for table in _tables(content):
        widths = [max(len(name), *(len(row[index]) for row in table.rows)) for index, name in enumerate(table.columns)]
        parts += ["", table.title]
        for row in (table.columns, *table.rows):
            cells = (
                cell.rjust(width) if name in table.numbers else cell.ljust(width)
                for cell, width, name in zip(row, widths, table.columns, strict=True)
            )
            parts.append("  ".join(cells).rstrip())
        parts += _rest(table)
    return "\n".join(parts)


def markdown(content: Mapping[str, Any]) -> str:
    """As GitHub renders it."""
    parts = [f"# {headline(content)}", "", *_facts(content)]
    for table in _tables(content):
        parts += ["", f"## {table.title}", ""]
        rule = ("---:" if name in table.numbers else "---" for name in table.columns)
        for row in (table.columns, tuple(rule), *table.rows):
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
        parts += _rest(table)
    return "\n".join(parts) + "\n"


def html(content: Mapping[str, Any]) -> str:
    """One self-contained page."""
    style = resources.files("anomaly").joinpath("report.css").read_text(encoding="utf-8")
    title = escape(headline(content))
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<h1>{title}</h1>",
        *(f'<p class="soft">{escape(fact)}</p>' for fact in _facts(content)),
    ]
    for table in _tables(content):
        parts.append(f'<h2>{escape(table.title)}</h2>\n<div class="scroll"><table>')
        for tag, row in (("th", table.columns), *(("td", row) for row in table.rows)):
            cells = (
                f'<{tag} class="number">{escape(cell)}</{tag}>'
                if name in table.numbers
                else f"<{tag}>{escape(cell)}</{tag}>"
                for cell, name in zip(row, table.columns, strict=True)
            )
            parts.append(f"<tr>{''.join(cells)}</tr>")
        parts += ["</table></div>", *(f'<p class="soft">{escape(line)}</p>' for line in _rest(table))]
    return "\n".join([*parts, "</body>\n</html>\n"])


def headline(content: Mapping[str, Any]) -> str:
    """What came out, in a line."""
    false = f"{content['false']} false period{'' if content['false'] == 1 else 's'}"
    if content["labelled"]:
        return f"{content['pipeline']}: {content['found']} of {content['labelled']} labels found, {false}"
    return f"{content['pipeline']}: {content['false']} period{'' if content['false'] == 1 else 's'}, no labels given"


def _facts(content: Mapping[str, Any]) -> list[str]:
    windows = ", ".join(f"{count} {name}" for name, count in sorted(content["windows"].items()))
    return [
        f"Model {content['model']} on {content['series']} series from {content['from']} to {content['to']}: {windows}."
    ]


def _tables(content: Mapping[str, Any]) -> list[_Table]:
    tables = [
        _table(
            "By the severity that opens a period",
            ("open", "recall", "precision", "F1", "delay, windows", "delay, s", "false", "false a day"),
            (
                (
                    f"{row['open']:g}" + (" *" if row["open"] == content["open"] else "  "),
                    _number(row["recall"], 3),
                    _number(row["precision"], 3),
                    _number(row["f1"], 3),
                    _number(row["delay_windows"], 1),
                    _number(row["delay_seconds"], 0),
                    str(row["false"]),
                    _number(row["false_per_day"], 3),
                )
                for row in content["sweep"]
            ),
            words=(),
        ),
        _table(
            "By kind",
            ("kind", "labels", "found", "delay, windows"),
            (
                (row["kind"] or "-", str(row["labels"]), str(row["found"]), _number(row["delay_windows"], 1))
                for row in content["kinds"]
            ),
            words=("kind",),
        ),
        _table(
            "Labels",
            ("from", "to", "kind", "series", "found", "delay, s", "severity", "reasons"),
            (
                (
                    row["from"],
                    row["to"],
                    row["kind"] or "-",
                    _series(row["tags"]),
                    "found" if row["found"] else "MISSED",
                    _number(row["delay_seconds"], 0),
                    _number(row["peak_severity"], 0),
                    ", ".join(row["reasons"]) or "-",
                )
                for row in content["labels"]
            ),
            words=("from", "to", "kind", "series", "found", "reasons"),
        ),
        _table(
            "False periods" if content["labelled"] else "Periods",
            ("from", "to", "series", "severity", "reason"),
            (
                (row["from"], row["to"], _series(row["tags"]), _number(row["peak_severity"], 0), row["reason"])
                for row in content["false_periods"]
            ),
            words=("from", "to", "series", "reason"),
        ),
    ]
    return [table for table in tables if table.rows]


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], words: tuple[str, ...]) -> _Table:
    cells = list(rows)
    return _Table(title, columns, frozenset(columns) - set(words), cells[:_MOST_ROWS], len(cells[_MOST_ROWS:]))


def _rest(table: _Table) -> list[str]:
    return [f"{table.left_out} more are in the JSON."] if table.left_out else []


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _series(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in tags.items()) or "all"
