"""The page What if: a changed pipeline on history, next to how it is now, and the YAML to keep the change."""

import json
import time
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from anomaly.console.advice import for_pages
from anomaly.console.asked import pipeline_of
from anomaly.console.guard import API, user_of
from anomaly.console.pages import console_of, page
from anomaly.console.trial import changed_pipeline, short_specification
from anomaly.console.trials import Busy, Ended, TrialState
from anomaly.influxdb.times import parse_time_or_age
from anomaly.pipeline import Pipeline, SpecError, load_schema
from anomaly.pipeline.detectors import descriptions

RANGES = ("6h", "24h", "7d")
DIRECTIONS = ("both", "high", "low")
# What the page has fields of its own for.
_OWN = ("name", "database", "measurement", "fields", "window", "aggregate", "detector", "periods")


def show(request: Request) -> Response:
    """Show a pipeline's settings to change, and the last trial."""
    console = console_of(request)
    names = [each.name for each in console.stack.pipelines()]
    state = console.trials.state
    name = request.query_params.get("pipeline") or (state.pipeline if state else names[0] if names else "")
    if not name:
        return page(request, "what_if.html", {"title": "What if", "names": names, "pipeline": None})
    pipeline = _pipeline(request, name)
    is_shown = state is not None and state.pipeline == name
    changed = _changed(pipeline, state.changes) if state is not None and is_shown else pipeline
    user = user_of(request)
    context = {
        "title": "What if",
        "names": names,
        "pipeline": pipeline,
        "changed": changed,
        "fields": [_field(entry) for entry in changed.as_dict()["fields"]],
        "aggregates": aggregates(),
        "detectors": list(descriptions()),
        "directions": DIRECTIONS,
        "others": yaml_lines({key: value for key, value in short_specification(changed).items() if key not in _OWN}),
        "ranges": RANGES,
        "asked": state.asked if state is not None and is_shown else ("24h", "0s"),
        "state": state if is_shown else None,
        "may_start": user is not None and user.is_operator,
    }
    return page(request, "what_if.html", context)


def answer(request: Request) -> Response:
    """Answer with the last trial."""
    return JSONResponse(_answer(console_of(request).trials.state))


def start(request: Request) -> Response:
    """Start a trial, of the page's form or of a script's `changes`."""
    console, form = console_of(request), request.state.form
    pipeline = _pipeline(request, _text(form, "pipeline"))
    begin, end = _text(form, "from", "24h"), _text(form, "to", "0s")
    for name, text in (("from", begin), ("to", end)):
        parse_time_or_age(text, name, time.time_ns())
    is_script = request.url.path.startswith(API)
    changes = form.get("changes", {}) if is_script else _changes(pipeline, form)
    if not isinstance(changes, Mapping):
        raise HTTPException(400, "changes: is not a mapping of keys of the pipeline.")
    changed_pipeline(pipeline, changes)
    user = user_of(request)
    try:
        state = console.trials.start(pipeline.name, user.display_name if user is not None else "", changes, begin, end)
    except Busy as error:
        raise HTTPException(409, str(error)) from None
    if is_script:
        return JSONResponse(_answer(state))
    address = request.url_for("what_if").include_query_params(pipeline=pipeline.name)
    return RedirectResponse(f"{address.path}?{address.query}#result", 303)


def move(request: Request) -> Response:
    """Answer with what the last trial finds with other severities."""
    console = console_of(request)
    try:
        opening, closing = (float(request.query_params.get(name, "")) for name in ("open", "close"))
    except ValueError:
        raise HTTPException(400, "open and close: write two numbers from 0 to 100.") from None
    try:
        said = console.trials.move(opening, closing)
    except Ended as error:
        raise HTTPException(409, str(error)) from None
    if "error" in said:
        raise HTTPException(400, said["error"])
    state = console.trials.state
    result = dict(state.result or {}) if state is not None else {}
    specification = {**result.get("specification", {})}
    specification["periods"] = {**specification.get("periods", {}), "open": opening, "close": closing}
    return JSONResponse({"then": said["moved"], "yaml": yaml_entry(specification)})


def cancel(request: Request) -> Response:
    """End the trial that runs."""
    console = console_of(request)
    console.trials.cancel()
    if request.url.path.startswith(API):
        return JSONResponse(_answer(console.trials.state))
    return RedirectResponse(request.url_for("what_if").path, 303)


def aggregates() -> list[str]:
    """Return the aggregates that a pipeline may choose from."""
    names: list[str] = load_schema()["properties"]["aggregate"]["items"]["enum"]
    return names


def yaml_entry(specification: Mapping[str, Any]) -> str:
    """Return a pipeline as an entry of the inventory's list, in YAML."""
    lines = yaml_lines(specification).splitlines()
    return "\n".join(f"{'  ' if number else '- '}{line}" for number, line in enumerate(lines))


def yaml_lines(mapping: Mapping[str, Any]) -> str:
    """Return a mapping in YAML: a line for each key, and the values as JSON, which is YAML, too."""
    return "\n".join(f"{key}: {json.dumps(_plain(value), ensure_ascii=False)}" for key, value in mapping.items())


def _plain(value: Any) -> Any:
    """Return a value with whole numbers written as such."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _answer(state: TrialState | None) -> dict[str, Any]:
    if state is None:
        return {"status": "none"}
    begin, end = state.asked
    result = state.result
    if result is not None:
        notes = [for_pages(note) for note in result["notes"]]
        result = {**result, "notes": notes, "yaml": yaml_entry(result["specification"])}
    return {
        "pipeline": state.pipeline,
        "by": state.by,
        "changes": state.changes,
        "from": begin,
        "to": end,
        "status": state.status,
        "progress": state.progress,
        "share": state.share,
        "error": state.error,
        "result": result,
    }


def _changed(pipeline: Pipeline, changes: Mapping[str, Any]) -> Pipeline:
    """Return a pipeline with the changes of a trial; as it is, if they no longer fit what it has become meanwhile."""
    try:
        return changed_pipeline(pipeline, changes)
    except SpecError:
        return pipeline


def _field(entry: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form shows of a field."""
    known = {"name": entry} if isinstance(entry, str) else entry
    deviation = known.get("min_deviation", "")
    return {
        "name": known["name"],
        "direction": known.get("direction", DIRECTIONS[0]),
        "min_deviation": deviation if isinstance(deviation, str) else f"{deviation:g}",
        "unit": known.get("unit", ""),
    }


def _changes(pipeline: Pipeline, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form changes: the keys that have fields of their own, and others as YAML."""
    chosen = form.get("aggregate", [])
    others, before = _others(form), short_specification(pipeline)
    if _text(form, "detector") != pipeline.detector and others.get("parameters") == _plain(before.get("parameters")):
        # They are those of the detector that it was.
        others.pop("parameters", None)
    from_form = {
        "window": _text(form, "window"),
        "aggregate": [chosen] if isinstance(chosen, str) else list(chosen),
        "detector": _text(form, "detector"),
        "fields": [_changed_field(entry, number, form) for number, entry in enumerate(pipeline.as_dict()["fields"])],
        "periods": {"open": _number(form, "open"), "close": _number(form, "close")},
    }
    # What the form no longer holds goes back to its default.
    gone = {key: None for key in before if key not in _OWN and key not in others}
    return {**gone, **others, **from_form}


def _pipeline(request: Request, name: str) -> Pipeline:
    """Return a pipeline as the inventory has it, patterns and all."""
    pipeline_of(request, name)
    pipeline = console_of(request).stack.pipeline(name)
    assert pipeline is not None  # noqa: S101 (there is one of this name)
    return pipeline


def _changed_field(entry: str | Mapping[str, Any], number: int, form: Mapping[str, Any]) -> str | dict[str, Any]:
    changed: dict[str, Any] = {"name": entry} if isinstance(entry, str) else dict(entry)
    direction, deviation = _text(form, f"direction-{number}", ""), _text(form, f"min_deviation-{number}", "").strip()
    changed.pop("min_deviation", None)
    if direction:
        changed["direction"] = direction
    if deviation:
        changed["min_deviation"] = deviation if deviation.endswith("%") else _as_number("min_deviation", deviation)
    return changed


def _others(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that the form takes as text: YAML whose values are JSON, as the page shows them, or JSON."""
    text = _text(form, "others", "").strip()
    if text.startswith("{"):
        return _json("Other keys", text)
    values = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.partition(":")
        if not colon or line != line.lstrip():
            raise HTTPException(400, f"Other keys: {line.strip()!r} is not `key: value` on one line.")
        values[key.strip()] = _value(key.strip(), value.strip())
    return values


def _value(key: str, text: str) -> Any:
    """Return a value of YAML on one line: JSON, or a word as people write it."""
    try:
        return json.loads(text)
    except ValueError:
        if text[:1] in "[{\"'&*!|>%@`" or not text:
            raise HTTPException(
                400, f"Other keys: the value of {key} is not JSON ({text!r}): write lists and mappings as JSON."
            ) from None
        return text


def _json(name: str, text: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise HTTPException(400, f"{name}: is not JSON ({error}).") from None
    return document


def _number(form: Mapping[str, Any], name: str) -> float:
    return _as_number(name, _text(form, name))


def _as_number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise HTTPException(400, f"{name}: {text!r} is not a number.") from None


def _text(form: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = form.get(name, default)
    if not isinstance(value, str):
        raise HTTPException(400, f"{name}: is missing, or is not one text.")
    return value
