"""What a request asks for: a pipeline, a series of it, a range, numbers; each with one clear error."""

import time
from collections.abc import Mapping

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request

from anomaly.console.pages import console_of
from anomaly.influxdb.times import TimeRange, parse_time_or_age
from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import Key
from anomaly.windows.cut import cut_of


def pipeline_of(request: Request, name: str | None = None) -> Pipeline:
    """Return the pipeline that a request names, its patterns resolved.

    Args:
        request: the request.
        name: the name; None: that of its query.

    Raises:
        HTTPException: no pipeline is named, or there is none of the name.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        Refused: a pattern of the pipeline means nothing.
    """
    stack = console_of(request).stack
    name = request.query_params.get("pipeline", "") if name is None else name
    known = ", ".join(pipeline.name for pipeline in stack.pipelines()) or "none"
    if not name:
        raise HTTPException(400, f"pipeline: is missing: name one (there is {known}).")
    pipeline = stack.pipeline(name)
    if pipeline is None:
        raise HTTPException(404, f"pipeline: there is no pipeline {name!r} (there is {known}).")
    return stack.resolved(pipeline)


def key_of(pipeline: Pipeline, texts: list[str]) -> Key:
    """Return the key of a series that is named by texts such as `printer=p1`.

    Args:
        pipeline: the pipeline.
        texts: TAG=VALUE for each of its tags; a tag that is not named is one that the series lacks.

    Raises:
        HTTPException: a text is not of this form, or the pipeline's series have no such tag.
    """
    tags = pipeline.result_tags
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in tags:
            known = ", ".join(f"{tag}=..." for tag in tags) or "nothing, as it has one series"
            raise HTTPException(400, f"series: {text!r} is not a tag of pipeline {pipeline.name}: write {known}.")
        given[name] = value
    return tuple(given.get(tag, "") for tag in tags)


def series_parameters(pipeline: str, series: Mapping[str, str]) -> str:
    """Return the query of an address that names a series."""
    pairs = [("pipeline", pipeline), *(("series", f"{name}={value}") for name, value in series.items() if value)]
    return str(QueryParams(pairs))


def span_of(pipeline: Pipeline, parameters: Mapping[str, str], default: str) -> TimeRange:
    """Return the range between `from` and `to`, window edges.

    Args:
        pipeline: the pipeline.
        parameters: the query of the request.
        default: `from` where it is not given.

    Raises:
        SpecError: one of them is not a time.
        HTTPException: the range is empty.
    """
    now_ns, cut = time.time_ns(), cut_of(pipeline)
    begin_ns = parse_time_or_age(parameters.get("from") or default, "from", now_ns)
    end_ns = parse_time_or_age(parameters.get("to") or "0s", "to", now_ns)
    # Both are rounded up, so that the last hour of minutes has 60 windows, and the one that is not over is among them.
    begin_ns, end_ns = cut.first(begin_ns), cut.first(end_ns)
    if begin_ns >= end_ns:
        raise HTTPException(400, f"from: {parameters.get('from') or default!r} is not before to.")
    if begin_ns < 0:
        raise HTTPException(400, f"from: {parameters.get('from') or default!r} is before 1970.")
    return TimeRange(begin_ns, end_ns)


def number_of(parameters: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number of a query. Raises HTTPException if it is not one, or out of bounds."""
    text = parameters.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
        raise HTTPException(400, f"{name}: {text!r} is not a whole number from {least} to {most}.")
    return int(text)


def one_of(parameters: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Return one of the choices of a query, the first where none is given. Raises HTTPException for any other."""
    text = parameters.get(name) or choices[0]
    if text not in choices:
        raise HTTPException(400, f"{name}: {text!r} is not one of {', '.join(choices)}.")
    return text
