"""The application: its health check, and what it says of addresses that are not there."""

from pathlib import Path

from tests.unit.anomaly.console.made import client, is_down, make_app


def test_an_address_that_is_not_there_is_a_page(tmp_path: Path) -> None:
    app, _ = make_app(tmp_path)

    page, script = (client(app, "vera").get(path) for path in ("/nowhere", "/api/nowhere"))

    assert (page.status_code, script.status_code) == (404, 404)
    assert "<h1>Nothing is here</h1>" in page.text
    assert "The address may be mistyped" in script.json()["error"]


def test_a_request_of_another_kind_is_refused(tmp_path: Path) -> None:
    answer = client(make_app(tmp_path)[0], "vera").post("/health")

    assert answer.status_code == 405
    assert "does not take requests of this kind" in answer.text


def test_health_needs_neither_login_nor_influxdb(tmp_path: Path) -> None:
    answer = client(make_app(tmp_path, answer=is_down)[0]).get("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
