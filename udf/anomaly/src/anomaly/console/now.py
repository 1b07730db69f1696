"""The first page: what is going on now."""

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from anomaly.console.pages import console_of, page
from anomaly.influxdb.overview import read_problems


def show(request: Request) -> Response:
    """Show the pipelines, and what the keeper finds wrong."""
    stack = console_of(request).stack
    problems = read_problems(stack.influx, stack.results_database, time.time_ns())
    context = {"title": "Now", "problems": problems, "pipelines": stack.pipelines()}
    return page(request, "now.html", context)


def answer(request: Request) -> Response:
    """Answer a script."""
    stack = console_of(request).stack
    problems = read_problems(stack.influx, stack.results_database, time.time_ns())
    return JSONResponse({"problems": None if problems is None else [each.text for each in problems]})
