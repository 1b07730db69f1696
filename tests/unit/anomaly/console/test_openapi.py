"""The document of the API: it is valid, has each route with its method, and each answer is as it says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Route

from anomaly.console.app import routes
from anomaly.console.guard import API
from anomaly.console.openapi import DOCUMENT
from anomaly.models.model import Model
from anomaly.models.store import Store
from tests.unit.anomaly.console.answers import BEGIN_NS, PIPELINES, Results
from tests.unit.anomaly.console.made import PASSWORDS, client, make_app, settings

PLACE = {"pipeline": "printer", "series": "printer=p1"}
PERIOD = {**PLACE, "begin": str(BEGIN_NS)}
BODY = {**PERIOD, "series": ["printer=p1"]}


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        each["operationId"]: (path, method, each)
        for path, methods in DOCUMENT["paths"].items()
        for method, each in methods.items()
    }


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_each_route_is_described(tmp_path: Path) -> None:
    there = {
        (route.path, method.lower())
        for route in routes(settings(tmp_path))
        if isinstance(route, Route) and (route.path.startswith(API) or route.path == "/health")
        for method in (route.methods or set()) - {"HEAD"}
    }

    assert {(path, method) for path, method, _ in operations().values()} == there


def test_each_schema_is_one_and_is_used() -> None:
    text = str(DOCUMENT)

    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert f"#/components/schemas/{name}'" in text, name


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("health", {}),
        ("openapi", {}),
        ("pipelines", {}),
        ("now", {"search": "p"}),
        ("steps", {**PLACE, "from": "15m"}),
        ("period", PERIOD),
        ("others", PERIOD),
        ("models", {"pipeline": "printer"}),
        ("version", {"pipeline": "printer", "version": "v2"}),
        ("compare", {"pipeline": "printer", "before": "v2", "after": "v2"}),
        ("feedback", {**BODY, "kind": "true", "note": "so it was"}),
        ("promote", {"pipeline": "printer", "version": "v2"}),
        ("rollback", {"pipeline": "printer"}),
        ("shadow", {"pipeline": "printer", "version": ""}),
    ],
)
def test_an_answer_is_as_described(
    tmp_path: Path, store: Store, model: Model, name: str, parameters: dict[str, Any]
) -> None:
    store.write(replace(model, version="v2"))
    if name == "rollback":
        store.promote("v2")
    (tmp_path / "console").mkdir()
    (tmp_path / "console" / "models").symlink_to(store.models)
    results = Results()
    results.marks = [[BEGIN_NS, "true", BEGIN_NS // 10**6 + 1000, "so it was"]]
    browser = client(make_app(tmp_path / "console", PIPELINES, results)[0])
    path, method, operation = operations()[name]
    account = ("otto", PASSWORDS["otto"])

    if method == "get":
        answer = browser.get(path, params=parameters, auth=account)
    else:
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        validator(body).validate(parameters)
        answer = browser.post(path, json=parameters, auth=account)

    assert answer.status_code == 200, answer.text
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    validator(schema).validate(answer.json())


@pytest.mark.parametrize(
    ("path", "status"), [("/api/steps", "400"), ("/api/steps?pipeline=x", "404"), ("/api/now", "401")]
)
def test_a_refusal_is_as_described(tmp_path: Path, path: str, status: str) -> None:
    browser = client(make_app(tmp_path, PIPELINES, Results())[0])

    answer = browser.get(path, auth=("otto", PASSWORDS["otto"] if status != "401" else "wrong"))

    assert str(answer.status_code) == status
    described = operations()["steps"][2]["responses"][status]["content"]["application/json"]["schema"]
    validator(described).validate(answer.json())
