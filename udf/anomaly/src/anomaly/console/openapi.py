"""The OpenAPI document of the JSON API. Tests hold each answer to it, so it says what the API does."""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_NUMBER: Schema = {"type": "number"}
_WHOLE: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}


def _object(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    """Return the schema of an object with these properties and no others; all are required unless some are named."""
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties) if required is None else required,
        "additionalProperties": False,
    }


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _maybe(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _said(schema: Schema, text: str) -> Schema:
    return {**schema, "description": text}


def _named(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_NUMBERS = _list(_maybe(_NUMBER))
_TAGS = _said({"type": "object", "additionalProperties": _TEXT}, "The tags of a series, those that it lacks left out.")
_PERIOD = {
    "begin": _TIME,
    "begin_ns": _said(_TEXT, "Nanoseconds since 1970, as a text, since numbers of JavaScript are too short."),
    "end": _TIME,
    "length_s": _WHOLE,
    "open": _FLAG,
    "peak_severity": _NUMBER,
    "windows": _WHOLE,
    "reason": _TEXT,
    "text": _said(_TEXT, "The sentence of its alert."),
}
_SCHEMAS: dict[str, Schema] = {
    "Error": _object({"error": _said(_TEXT, "What is wrong, and what to do.")}),
    "Health": _object({"status": {"const": "ok"}}),
    "Now": _object(
        {
            "time": _said(_TIME, "When InfluxDB was asked."),
            "keeper": _said(_FLAG, "Whether the keeper has said something in the last five minutes."),
            "problems": _list(_object({"check": _TEXT, "pipeline": _maybe(_TEXT), "text": _TEXT})),
            "incidents": _list(_object({"begin": _TIME, "text": _TEXT})),
            "pipelines": _list(_named("PipelineNow")),
            "counts": _object(dict.fromkeys(("all", "open", "silent", "notice"), _WHOLE)),
            "search": _TEXT,
            "pipeline": _maybe(_TEXT),
            "state": _TEXT,
            "page": _WHOLE,
            "pages": _WHOLE,
            "size": _WHOLE,
            "total": _said(_WHOLE, "How many series are like what was asked for."),
            "series": _list(_named("SeriesNow")),
        }
    ),
    "PipelineNow": _object(
        {
            "name": _TEXT,
            "series": _said(_WHOLE, "How many series had a score of late."),
            "open_periods": _said(_WHOLE, "Silences are among them."),
            "open_notices": _WHOLE,
            "worst_severity": _said(_maybe(_NUMBER), "The highest among last scores, 0 to 100."),
            "last_score_age_s": _maybe(_WHOLE),
            "scored_last_hour": _said(_WHOLE, "Windows that were scored in the last hour."),
            "problems": _list(_TEXT),
            "model": _said(_maybe(_TEXT), "The current version."),
        }
    ),
    "SeriesNow": _object(
        {
            "pipeline": _TEXT,
            "tags": _TAGS,
            "severity": _maybe(_NUMBER),
            "last_score_age_s": _maybe(_WHOLE),
            "open_period": {
                "anyOf": [
                    _object(
                        {name: _PERIOD[name] for name in ("begin", "begin_ns", "length_s", "peak_severity", "reason")}
                    ),
                    {"type": "null"},
                ]
            },
            "notice": _maybe(_TEXT),
        }
    ),
    "Pipelines": _object(
        {"pipelines": _list(_object({"name": _TEXT, "window": _TEXT, "tags": _list(_TEXT), "detector": _TEXT}))}
    ),
    "Trial": _object(
        {
            "status": {"enum": ["none", "running", "done", "failed", "cancelled"]},
            "pipeline": _TEXT,
            "by": _said(_TEXT, "Who started it."),
            "changes": {"type": "object"},
            "from": _TEXT,
            "to": _TEXT,
            "progress": _said(_TEXT, "What it does now."),
            "share": _said(_NUMBER, "How much of that is done, 0 to 1."),
            "error": _TEXT,
            "result": {
                "anyOf": [
                    _object(
                        {
                            "pipeline": _TEXT,
                            "from": _TIME,
                            "to": _TIME,
                            "trained": _said(_FLAG, "Whether a model was trained for the change."),
                            "seen": _said(_FLAG, "Whether a model was trained on a part of the range."),
                            "now": {"anyOf": [_named("Side"), {"type": "null"}]},
                            "then": _named("Side"),
                            "without_model": _said(_TEXT, "Why there is no `now`."),
                            "notes": _said(_list(_TEXT), "What the training for the change warned of."),
                            "specification": {"type": "object"},
                            "yaml": _said(_TEXT, "The changed pipeline as an entry of the inventory."),
                        }
                    ),
                    {"type": "null"},
                ]
            },
        },
        ["status"],
    ),
    "Side": _said({"type": "object"}, "A report of a backtest, as `anomaly backtest --json` prints it."),
    "Moved": _object({"then": _named("Side"), "yaml": _TEXT}),
    "Period": _object(_PERIOD),
    "Steps": _object(
        {
            "pipeline": _TEXT,
            "series": _TAGS,
            "from": _TIME,
            "to": _TIME,
            "step_s": _said(_NUMBER, "The nominal length of a step in seconds."),
            "open_severity": _said(_NUMBER, "The severity at which a period opens."),
            "times": _said(_list(_NUMBER), "The begin of each step, in seconds since 1970."),
            "severity": _said(_NUMBERS, "The highest of each step; null without scores."),
            "fields": _list(
                _object(
                    {
                        "name": _TEXT,
                        "unit": _maybe(_TEXT),
                        "low": _NUMBERS,
                        "high": _NUMBERS,
                        "expected_low": _NUMBERS,
                        "expected_high": _NUMBERS,
                        "contribution": _said(_NUMBERS, "The share of the score, 0 to 1."),
                    }
                )
            ),
            "left_out_fields": _WHOLE,
            "periods": _list(_named("Period")),
        }
    ),
    "Kind": {"enum": ["false_alarm", "true", "maintenance"]},
    "Mark": _object(
        {
            "id": _TEXT,
            "kind": _named("Kind"),
            "name": _TEXT,
            "begin": _TIME,
            "end": _TIME,
            "series": _TAGS,
            "note": _TEXT,
            "effect": _TEXT,
        }
    ),
    "PeriodInWords": _object(
        {
            "pipeline": _TEXT,
            "series": _TAGS,
            **_PERIOD,
            "sentences": _list(_TEXT),
            "feedback": _list(_named("Mark")),
        }
    ),
    "Others": _object(
        {
            "from": _TIME,
            "to": _TIME,
            "others": _list(
                _object(
                    {
                        "pipeline": _TEXT,
                        "series": _TAGS,
                        "severity": _NUMBER,
                        "time": _TIME,
                        "before": _said(_maybe(_NUMBER), "The highest severity in as much time before."),
                    }
                )
            ),
        }
    ),
    "Given": _object(
        {"status": {"enum": ["added", "removed"]}, "id": _TEXT, "effect": _said(_TEXT, "What follows from it.")}
    ),
    "Versions": _object(
        {
            "pipeline": _TEXT,
            "current": _maybe(_TEXT),
            "before": _said(_maybe(_TEXT), "The version that a rollback would make current."),
            "versions": _said(
                _list(
                    _object(
                        {
                            "version": _TEXT,
                            "current": _FLAG,
                            "shadow": _FLAG,
                            "created": _maybe(_TEXT),
                            "from": _maybe(_TEXT),
                            "to": _maybe(_TEXT),
                            "windows": _maybe(_WHOLE),
                            "series": _maybe(_WHOLE),
                            "doubts": _list(_TEXT),
                            "problem": _said(_maybe(_TEXT), "Why it cannot be used."),
                        }
                    )
                ),
                "The newest first.",
            ),
        }
    ),
    "Manifest": _said({"type": "object"}, "As training wrote it."),
    "Differences": _object(
        {
            "pipeline": _TEXT,
            "before": _TEXT,
            "after": _TEXT,
            "differences": _list(_object({"what": _TEXT, "before": _TEXT, "after": _TEXT})),
        }
    ),
    "Changed": _object(
        {
            "pipeline": _TEXT,
            "status": {"enum": ["promoted", "rolled back", "shadowed", "no shadow"]},
            "version": _maybe(_TEXT),
        }
    ),
}


def _parameter(name: str, text: str, schema: Schema = _TEXT, *, is_required: bool = False) -> Schema:
    return {"name": name, "in": "query", "description": text, "required": is_required, "schema": schema}


_PIPELINE = _parameter("pipeline", "The name of a pipeline.", is_required=True)
_SERIES = _parameter("series", "TAG=VALUE, for each tag of the series.", _list(_TEXT))
_FROM = _parameter("from", "A duration before now, such as 24h, or an RFC 3339 time.")
_TO = _parameter("to", "Likewise; default: now.")
_BEGIN = _parameter("begin", "The begin of the period, its `begin_ns`.", is_required=True)
_PLACE = {"pipeline": _TEXT, "series": _list(_TEXT), "begin": _TEXT}
_CURRENT = _said(
    _TEXT, "The version that has to be current until then, empty for none. Without it, whatever is current is replaced."
)


def _content(schema: Schema, kind: str = "application/json") -> Schema:
    return {kind: {"schema": schema}}


def _error(text: str) -> Schema:
    return {"description": text, "content": _content(_named("Error"))}


_ERRORS = {
    "400": _error("Something that is asked for cannot be."),
    "401": _error("Nobody is logged in, or the password is wrong."),
    "404": _error("There is no such thing."),
    "503": _error("InfluxDB does not answer."),
}


def _get(name: str, summary: str, schema: str, *parameters: Schema) -> Schema:
    answer = {"description": "The answer.", "content": _content(_named(schema))}
    responses = {"200": answer, **_ERRORS}
    return {"get": {"operationId": name, "summary": summary, "parameters": list(parameters), "responses": responses}}


def _post(name: str, summary: str, schema: str, body: dict[str, Schema], optional: tuple[str, ...]) -> Schema:
    required = [key for key in body if key not in optional]
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "description": "Needs the role operator. A session sends its CSRF token as the header X-CSRF-Token.",
            "requestBody": {"required": True, "content": _content(_object(body, required))},
            "responses": {
                "200": {"description": "It is done.", "content": _content(_named(schema))},
                **_ERRORS,
                "403": _error("The role is not enough, or the CSRF token is missing."),
                "409": _error("The models have changed meanwhile, or cannot be changed."),
            },
        }
    }


_REPORT = {
    "get": {
        "operationId": "report",
        "summary": "Make a report",
        "parameters": [
            _parameter("pipeline", "Only these pipelines.", _list(_TEXT)),
            _FROM,
            _TO,
            _parameter("format", "A page, or an archive with PNG and CSV.", {"enum": ["html", "zip"]}),
        ],
        "responses": {
            "200": {
                "description": "The report.",
                "content": {
                    **_content(_TEXT, "text/html"),
                    **_content({"contentEncoding": "binary"}, "application/zip"),
                },
            },
            **_ERRORS,
        },
    }
}
DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "Console of influx-anomaly",
        "version": "1",
        "description": "What the console's pages use. Each request needs an account: a session, or HTTP Basic.",
    },
    "security": [{"basic": []}, {"session": []}],
    "paths": {
        "/health": {"get": {**_get("health", "Say that the console serves", "Health")["get"], "security": []}},
        "/api/openapi.json": _get("openapi", "Return this document", "Document"),
        "/api/pipelines": _get("pipelines", "List the pipelines", "Pipelines"),
        "/api/now": _get(
            "now",
            "Say what is going on now, the worst series first",
            "Now",
            _parameter("search", "Words that a pipeline and the tags of a series must have."),
            _parameter("pipeline", "Only this pipeline."),
            _parameter("state", "Only series like this.", {"enum": ["all", "open", "silent", "notice"]}),
            _parameter("page", "From 1.", _WHOLE),
            _parameter("size", "How many series a page has, at most 500.", _WHOLE),
        ),
        "/api/steps": _get(
            "steps",
            "Read a series in steps",
            "Steps",
            _PIPELINE,
            _SERIES,
            _FROM,
            _TO,
            _parameter("steps", "The most steps, 10 to 1200.", _WHOLE),
        ),
        "/api/period": _get("period", "Say what happened in a period", "PeriodInWords", _PIPELINE, _SERIES, _BEGIN),
        "/api/others": _get("others", "List the series that moved then", "Others", _PIPELINE, _SERIES, _BEGIN),
        "/api/feedback": _post(
            "feedback",
            "Say what a period was",
            "Given",
            {**_PLACE, "kind": _named("Kind"), "note": _TEXT},
            ("series", "note"),
        ),
        "/api/feedback/remove": _post(
            "remove_feedback", "Take feedback back", "Given", {**_PLACE, "id": _TEXT}, ("series",)
        ),
        "/api/models": _get("models", "List the versions of a pipeline's model", "Versions", _PIPELINE),
        "/api/models/version": _get(
            "version",
            "Return the manifest of a version",
            "Manifest",
            _PIPELINE,
            _parameter("version", "Its name.", is_required=True),
        ),
        "/api/models/compare": _get(
            "compare",
            "Compare the manifests of two versions",
            "Differences",
            _PIPELINE,
            _parameter("before", "The one.", is_required=True),
            _parameter("after", "The other.", is_required=True),
        ),
        "/api/models/promote": _post(
            "promote",
            "Make a version current",
            "Changed",
            {"pipeline": _TEXT, "version": _TEXT, "current": _CURRENT},
            ("current",),
        ),
        "/api/models/rollback": _post(
            "rollback",
            "Make the version current that was before",
            "Changed",
            {"pipeline": _TEXT, "current": _CURRENT},
            ("current",),
        ),
        "/api/models/shadow": _post(
            "shadow",
            "Have a version score beside the current one",
            "Changed",
            {"pipeline": _TEXT, "version": _said(_TEXT, "Empty: none does any more.")},
            (),
        ),
        "/api/what-if": {
            **_get("trial", "Read the last trial of a changed pipeline", "Trial"),
            **_post(
                "try",
                "Try a changed pipeline on history",
                "Trial",
                {
                    "pipeline": _TEXT,
                    "changes": _said(
                        {"type": "object"}, "Keys of the pipeline that change; null brings a key's default back."
                    ),
                    "from": _said(_TEXT, "A duration before now or an RFC 3339 time; default: 24h."),
                    "to": _said(_TEXT, "Likewise; default: now."),
                },
                ("changes", "from", "to"),
            ),
        },
        "/api/what-if/move": _get(
            "move",
            "Read what the last trial finds with other severities",
            "Moved",
            _parameter("open", "The severity that opens a period.", is_required=True),
            _parameter("close", "The severity below which one closes.", is_required=True),
        ),
        "/api/what-if/cancel": _post("cancel", "End the trial that runs", "Trial", {}, ()),
        "/api/report": _REPORT,
    },
    "components": {
        "securitySchemes": {
            "basic": {"type": "http", "scheme": "basic"},
            "session": {"type": "apiKey", "in": "cookie", "name": "console-STACK"},
        },
        "schemas": {**_SCHEMAS, "Document": {"type": "object"}},
    },
}
