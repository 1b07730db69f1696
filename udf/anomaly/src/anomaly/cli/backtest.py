"""`anomaly backtest`: scores history with the code that serves, and compares the periods with labels."""

import argparse
import json
from pathlib import Path
from typing import Any

from anomaly.backtest import report
from anomaly.backtest.replay import SWEEP
from anomaly.backtest.run import BacktestRequest, run_backtest
from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, connect, out, read_pipelines, say
from anomaly.pipeline import Pipeline

_RENDERERS = {".html": report.html, ".md": report.markdown}


def backtest(options: argparse.Namespace) -> int:
    """Backtest a model on a range of history, and print the report.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification, a time or a label is not valid.
        UsageError: the options do not go together, or a file cannot be read or written.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        StoreError: the model cannot be read, or there is none.
        Refused: a field is missing, or no window of the range could be scored.
    """
    pipeline = choose(read_pipelines(options.spec), options.pipeline)
    options.pipeline = pipeline.name
    page = _page(options.report)
    request = BacktestRequest(
        pipeline=pipeline,
        models=options.models,
        results_database=options.results_database,
        begin=options.begin,
        end=options.end,
        version=options.model,
        labels=options.labels,
        sweep=_sweep(options.open, pipeline),
    )
    content = run_backtest(request, lambda: connect(options), say)
    if page is not None:
        _write(page, content)
    out(json.dumps(content, ensure_ascii=False) if options.json else report.text(content))
    return codes.DONE


def _sweep(asked: list[float] | None, pipeline: Pipeline) -> tuple[float, ...]:
    """Return the opening severities to look at. Raises UsageError if one of them cannot open a period."""
    for severity in asked or ():
        if not pipeline.periods.close < severity <= 100:
            raise UsageError(
                f"--open: {severity:g} is not a severity that opens a period: write one above the pipeline's "
                f"periods.close ({pipeline.periods.close:g}), up to 100"
            )
    return tuple(asked) if asked else SWEEP


def _page(name: str | None) -> Path | None:
    """Return the path of the report's page. Raises UsageError if its suffix names no form of a report."""
    if name is None:
        return None
    page = Path(name)
    if page.suffix not in _RENDERERS:
        raise UsageError(f"--report: {name} is neither {' nor '.join(_RENDERERS)}: name a file with one of these")
    return page


def _write(page: Path, content: dict[str, Any]) -> None:
    try:
        page.write_text(_RENDERERS[page.suffix](content), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--report: {page} cannot be written: {error.strerror}") from error
    say(f"the report is in {page}")
