"""What goes wrong is a page that says so, and JSON for scripts."""

from pathlib import Path

import pytest
from starlette.routing import Route

from anomaly.console.guard import guarded
from anomaly.console.settings import VIEWER
from tests.unit.anomaly.console.made import client, is_down, make_app


def test_a_bug_is_a_page_that_says_nothing_else(tmp_path: Path) -> None:
    app, _ = make_app(tmp_path)

    def fail(request: object) -> None:
        raise RuntimeError("secret reason")

    app.router.routes.insert(0, Route("/fail", guarded(fail, VIEWER)))  # type: ignore[arg-type]

    answer = client(app, "vera").get("/fail")

    assert answer.status_code == 500
    assert "<h1>The console failed</h1>" in answer.text
    assert "secret reason" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/api/now"])
def test_an_influxdb_that_is_down_is_said(tmp_path: Path, path: str) -> None:
    answer = client(make_app(tmp_path, answer=is_down)[0], "vera").get(path)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "is not reachable (Connection refused): `site.yml` starts it, and `make logs SERVICE=inf" in answer.text


def test_a_large_body_is_refused(tmp_path: Path) -> None:
    answer = client(make_app(tmp_path)[0]).post("/login", data={"name": "x" * 100_000})

    assert answer.status_code == 413
