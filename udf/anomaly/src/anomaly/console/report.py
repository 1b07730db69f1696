"""The report of a range, by a button: the same page, pictures and tables that `anomaly report` writes."""

import io
import tempfile
import threading
import zipfile
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from anomaly.console.asked import one_of
from anomaly.console.pages import console_of, page
from anomaly.pipeline import Pipeline
from anomaly.report.page import html
from anomaly.report.run import ReportRequest, read_reports, write

RANGES = (("24h", "1 day"), ("7d", "7 days"), ("30d", "30 days"))
# A report has a style sheet within, and no script. It may do nothing else, either.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox allow-popups"
# A report of many pipelines takes seconds and memory, so they are made one after the other.
_WAIT_SECONDS = 60.0
_one_at_a_time = threading.Lock()


def show(request: Request) -> Response:
    """Show what may be asked for."""
    chosen = request.query_params.getlist("pipeline")
    context = {
        "title": "Report",
        "pipelines": [each.name for each in console_of(request).stack.pipelines()],
        "chosen": chosen,
        "ranges": RANGES,
    }
    return page(request, "report.html", context)


def make(request: Request) -> Response:
    """Answer with a report, as a page or as an archive of all its files."""
    stack = console_of(request).stack
    kind = one_of(request.query_params, "format", ("html", "zip"))
    known = {pipeline.name: pipeline for pipeline in stack.pipelines()}
    names = request.query_params.getlist("pipeline") or list(known)
    pipelines = [_of(known, name) for name in dict.fromkeys(names)]
    begin, end = request.query_params.get("from") or "24h", request.query_params.get("to") or "0s"
    if not pipelines:
        raise HTTPException(400, "There is no pipeline, so there is nothing to report.")
    if not _one_at_a_time.acquire(timeout=_WAIT_SECONDS):
        raise HTTPException(503, "Other reports are being made. Try again in a minute.", {"Retry-After": "60"})
    try:
        with tempfile.TemporaryDirectory() as folder:
            asked = ReportRequest(pipelines, stack.results_database, Path(folder) / "report.html", begin, end)
            reports = read_reports(asked, lambda: stack.influx, lambda line: None)
            if kind == "html":
                return HTMLResponse(html(reports, ()), headers={"Content-Security-Policy": _POLICY})
            files = [asked.page.name, *write(asked.page, reports)]
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
                for name in files:
                    made.write(Path(folder) / name, name)
    finally:
        _one_at_a_time.release()
    disposition = {"Content-Disposition": 'attachment; filename="report.zip"'}
    return Response(archive.getvalue(), media_type="application/zip", headers=disposition)


def _of(known: dict[str, Pipeline], name: str) -> Pipeline:
    if name not in known:
        there = ", ".join(known) or "none"
        raise HTTPException(404, f"pipeline: there is no pipeline {name!r} (there is {there}).")
    return known[name]
