"""A console for tests: its settings, and a stack whose InfluxDB is a double."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from anomaly.console.app import create_app
from anomaly.console.settings import ASSETS, ConsoleSettings, parse_settings
from anomaly.console.stack import Stack
from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.pipeline import Pipeline

SECRET = "s" * 40
PASSWORDS = {"vera": "looks only", "otto": "changes things"}
Answer = Callable[[str], Sequence[SeriesChunk]]


def document(folder: Path, **more: Any) -> dict[str, Any]:
    """Return settings as the role writes them, with all files that they name."""
    assets = folder / "assets"
    assets.mkdir(exist_ok=True)
    for name in ASSETS:
        (assets / name).touch()
    for name, text in {**PASSWORDS, "session": SECRET}.items():
        (folder / name).write_text(f"{text}\n")
    users = {
        "vera": {"role": "viewer", "password_file": str(folder / "vera")},
        "otto": {"role": "operator", "password_file": str(folder / "otto")},
    }
    files = {"session_secret_file": str(folder / "session"), "assets": str(assets)}
    return {"users": users, "allowed_hosts": ["console.example"], **files, **more}


def settings(folder: Path, **more: Any) -> ConsoleSettings:
    """Return settings that fit."""
    return parse_settings(document(folder, **more), "settings.json")


class InfluxDouble(InfluxClient):
    """Answers queries by a function, and keeps what is written.

    Attributes:
        queries: the queries so far.
        lines: what was written so far.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__("http://127.0.0.1:1", None, None)
        self.queries: list[str] = []
        self.lines: list[str] = []
        self._answer = answer

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        self.queries.append(text)
        yield from self._answer(text)

    def write(self, lines: Sequence[str], database: str) -> None:
        self.lines += lines


def nothing(query: str) -> Sequence[SeriesChunk]:
    """Answer that there is nothing."""
    return []


def is_down(query: str) -> Sequence[SeriesChunk]:
    """Do not answer."""
    return list(InfluxClient("http://127.0.0.1:1", None, None).query(query, "anomaly"))


def rows(columns: Sequence[str], *values: Sequence[Any], tags: Mapping[str, str] | None = None) -> SeriesChunk:
    """Return a part of an answer."""
    return SeriesChunk("", dict(tags or {}), ["time", *columns], [list(each) for each in values])


def make_app(
    folder: Path, pipelines: Sequence[Pipeline] = (), answer: Answer = nothing, **more: Any
) -> tuple[Starlette, InfluxDouble]:
    """Return a console and the InfluxDB behind it."""
    influx = InfluxDouble(answer)
    stack = Stack(lambda: pipelines, lambda: influx, "anomaly", folder / "models")
    return create_app(stack, settings(folder, **more)), influx


def client(app: Starlette, name: str | None = None) -> TestClient:
    """Return a browser on a console; with a name somebody is logged in there."""
    browser = TestClient(app, base_url="http://console.example", raise_server_exceptions=False, follow_redirects=False)
    if name is not None:
        answer = log_in(browser, name, PASSWORDS[name])
        assert answer.status_code == 303
    return browser


def log_in(browser: TestClient, name: str, password: str, target: str = "/") -> Any:
    """Send the login's form, as a browser does that has opened it."""
    form = {"name": name, "password": password, "next": target, "csrf": token(browser)}
    return browser.post("/login", data=form)


def token(browser: TestClient) -> str:
    """Return the CSRF token of the session, from a page that everybody may see."""
    return str(browser.get("/nowhere").text).partition('<meta name="csrf" content="')[2].partition('"')[0]
