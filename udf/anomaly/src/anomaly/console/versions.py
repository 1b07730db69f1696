"""The pages of models: their versions, what made them, how two differ; operators promote, shadow and roll back.

Each change names the version that was current when the page was made. If it is not any more, because a training has
ended or somebody was faster, nothing changes, and the page says so.
"""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from anomaly.console.asked import pipeline_of
from anomaly.console.guard import API
from anomaly.console.pages import console_of, page
from anomaly.console.stack import Stack
from anomaly.influxdb.client import InfluxClientError
from anomaly.models.manifest import differences
from anomaly.models.store import ANY, Store, Version
from anomaly.pipeline import Pipeline
from anomaly.refusal import Refused

# The most characters of a value that a table shows.
_MOST_OF_A_VALUE = 300
# Keys of a manifest that say most, with names for people.
_FIRST = {
    "created": "Made at",
    "parent": "Made after",
    "range.from": "Trained from",
    "range.to": "Trained to",
    "counts.windows": "Windows",
    "counts.series": "Series",
    "calibration.threshold": "Score that opens a period",
    "quality.observed_per_day": "Periods a day in history",
    "quality.found": "Share of planted offsets found",
    "seed": "Seed",
}


def show(request: Request) -> Response:
    """Show the versions of all pipelines, or of one."""
    stack = console_of(request).stack
    name = request.query_params.get("pipeline")
    pipelines = [pipeline_of(request, name)] if name else stack.pipelines()
    context = {
        "title": "Models",
        "models": [_listed(stack.store(each.name), _resolved(stack, each)) for each in pipelines],
        "one": bool(name),
        "done": request.query_params.get("done", ""),
    }
    return page(request, "models.html", context)


def show_version(request: Request) -> Response:
    """Show the manifest of a version."""
    content = _version(request)
    return page(request, "version.html", {"title": f"Model {content['version']}", **content})


def show_comparison(request: Request) -> Response:
    """Show how two versions differ."""
    content = _comparison(request)
    return page(request, "compare.html", {"title": "Compare two versions", **content})


def listing(request: Request) -> Response:
    """Answer with the versions of one pipeline."""
    pipeline = pipeline_of(request)
    return JSONResponse(_listed(console_of(request).stack.store(pipeline.name), pipeline))


def manifest(request: Request) -> Response:
    """Answer with the manifest of a version."""
    store, name = _named(request, "version")
    return JSONResponse(store.manifest(name).to_json())


def comparison(request: Request) -> Response:
    """Answer with the differences of two versions."""
    return JSONResponse(_comparison(request))


def promote(request: Request) -> Response:
    """Make a version current."""
    store, pipeline, replaced = _changed(request)
    version = _text(request, "version")
    _fitting(store, pipeline, version)
    store.promote(version, replaced=replaced)
    return _done(request, store, "promoted", version)


def roll_back(request: Request) -> Response:
    """Make the version current that was current before."""
    store, _, replaced = _changed(request)
    return _done(request, store, "rolled back", store.rollback(replaced=replaced))


def set_shadow(request: Request) -> Response:
    """Have a version score beside the current one, or none."""
    store, pipeline, _ = _changed(request)
    version = _text(request, "version", "")
    if version:
        _fitting(store, pipeline, version)
    store.set_shadow(version or None)
    return _done(request, store, "shadowed" if version else "no shadow", version)


def _fitting(store: Store, pipeline: Pipeline, version: str) -> None:
    """Raise ModelMismatch for a version that the pipeline's UDF would refuse."""
    store.check(version, pipeline)


def _changed(request: Request) -> tuple[Store, Pipeline, str | None]:
    """Return the store and the pipeline that a change is for, and the version that it replaces.

    Pages always name the version. A script that names none replaces whatever is current.
    """
    pipeline = pipeline_of(request, _text(request, "pipeline"))
    return console_of(request).stack.store(pipeline.name), pipeline, _text(request, "current", ANY) or None


def _text(request: Request, name: str, default: str | None = None) -> str:
    value = request.state.form.get(name, default)
    if not isinstance(value, str):
        raise HTTPException(400, f"{name}: is missing, or is not one text.")
    return value


def _done(request: Request, store: Store, status: str, version: str) -> Response:
    console_of(request).now.forget()
    if request.url.path.startswith(API):
        return JSONResponse({"pipeline": store.pipeline, "status": status, "version": version or None})
    address = request.url_for("models").include_query_params(pipeline=store.pipeline, done=status)
    return RedirectResponse(f"{address.path}?{address.query}", 303)


def _resolved(stack: Stack, pipeline: Pipeline) -> Pipeline | None:
    """Return a pipeline with its patterns resolved; None where that cannot be done now, as models are shown anyway."""
    try:
        return stack.resolved(pipeline)
    except (InfluxClientError, Refused):
        return None


def _listed(store: Store, pipeline: Pipeline | None) -> dict[str, Any]:
    """Return the versions of a pipeline; without the pipeline it is not said which of them fit."""
    versions = store.versions()
    before = store.before()
    return {
        "pipeline": store.pipeline,
        "current": store.current(),
        "before": before,
        "versions": [_entry(version, pipeline) for version in reversed(versions)],
    }


def _entry(version: Version, pipeline: Pipeline | None) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "version": version.name,
        "current": version.current,
        "shadow": version.shadow,
        "created": manifest.created,
        "from": manifest.range.begin,
        "to": manifest.range.end,
        "windows": manifest.counts.windows,
        "series": manifest.counts.series,
        "doubts": list(manifest.doubts),
        "problem": version.problem or (None if pipeline is None else manifest.misfit(pipeline)),
    }


def _named(request: Request, parameter: str) -> tuple[Store, str]:
    """Return the store and the version that a request names; HTTPException if there is none."""
    pipeline = pipeline_of(request)
    store = console_of(request).stack.store(pipeline.name)
    name = request.query_params.get(parameter, "")
    if name not in {version.name for version in store.versions()}:
        raise HTTPException(404, f"{parameter}: pipeline {pipeline.name} has no version {name!r}.")
    return store, name


def _version(request: Request) -> dict[str, Any]:
    store, name = _named(request, "version")
    manifest = store.manifest(name)
    facts = {"created": manifest.created, "parent": manifest.parent, **manifest.facts()}
    first = {label: _shown(facts[key]) for key, label in _FIRST.items() if facts.get(key) is not None}
    other_facts = {key: _shown(value) for key, value in facts.items() if key not in _FIRST}
    listed = _listed(store, pipeline_of(request))
    entry = next(each for each in listed["versions"] if each["version"] == name)
    return {**entry, "pipeline": store.pipeline, "first": first, "rest": other_facts, "others": listed["versions"]}


def _comparison(request: Request) -> dict[str, Any]:
    store, before = _named(request, "before")
    _, after = _named(request, "after")
    changes = differences(store.manifest(before), store.manifest(after))
    return {
        "pipeline": store.pipeline,
        "before": before,
        "after": after,
        "differences": [
            {"what": each.what, "before": _shown(each.before), "after": _shown(each.after)} for each in changes
        ],
    }


def _shown(value: Any) -> str:
    """Return a value of a manifest as people read it."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _MOST_OF_A_VALUE else f"{text[: _MOST_OF_A_VALUE - 1]}…"
