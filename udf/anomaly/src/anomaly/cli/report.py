"""`anomaly report`: writes what the results say of a range as a page, with a bitmap and tables beside it."""

import argparse
from pathlib import Path

from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose_several, connect, read_pipelines, result, say
from anomaly.report.run import ReportRequest, run_report


def report(options: argparse.Namespace) -> int:
    """Write a report, and print a line for each pipeline.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification or a time is not valid.
        UsageError: a pipeline is not there, or a file cannot be read or written.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        Refused: no pipeline has scores or periods in the range.
    """
    page = Path(options.report)
    if page.suffix != ".html":
        raise UsageError(f"--report: {options.report} does not end in .html: name a page such as report.html")
    if not page.parent.is_dir():
        raise UsageError(f"--report: there is no folder {page.parent}: make it, or name another path")
    pipelines = choose_several(read_pipelines(options.spec), options.pipelines)
    request = ReportRequest(pipelines, options.results_database, page, options.begin or "24h", options.end or "0s")
    try:
        entries = run_report(request, lambda: connect(options), say)
    except OSError as error:
        raise UsageError(f"--report: {page} cannot be written: {error.strerror}") from error
    for entry in entries:
        result(entry)
    return codes.DONE
