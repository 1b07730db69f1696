"""Renders pages, and turns what goes wrong into a page, or into JSON for scripts."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from anomaly import __version__
from anomaly.console.accounts import Accounts
from anomaly.console.advice import for_pages
from anomaly.console.cache import Cached
from anomaly.console.filters import FILTERS
from anomaly.console.guard import API, SECURITY_HEADERS, csrf_token, user_of
from anomaly.console.settings import ConsoleSettings
from anomaly.console.stack import Stack
from anomaly.console.trials import Trials
from anomaly.influxdb.client import InfluxClientError
from anomaly.models.store import StoreError
from anomaly.pipeline import SpecError
from anomaly.refusal import Refused

if TYPE_CHECKING:
    from anomaly.console.now import Snapshot

FOLDER = Path(__file__).parent
# The pages that every page leads to.
NAVIGATION = (("/", "Now"), ("/what-if", "What if"), ("/models", "Models"), ("/report", "Report"))
# What to do about a refusal, for people.
_TITLES = {
    400: "That cannot be",
    401: "Please log in",
    403: "Not allowed",
    404: "Nothing is here",
    405: "That cannot be done here",
    413: "That is too much",
    429: "Too many attempts",
    500: "The console failed",
    503: "InfluxDB does not answer",
}
_HINTS = {
    401: "Log in to go on.",
    404: "The address may be mistyped, or what it showed is gone.",
    405: "The address does not take requests of this kind.",
    413: "The request is larger than any that the pages make.",
    500: "The reason is in the console's log. Other pages may still work.",
}


@dataclass(frozen=True, slots=True)
class Console:
    """What all pages share.

    Attributes:
        stack: how the pages reach what they show.
        settings: the settings.
        accounts: the users.
        templates: the templates of the pages.
        now: what the first page shows.
        trials: the trials of the page What if.
    """

    stack: Stack
    settings: ConsoleSettings
    accounts: Accounts
    templates: jinja2.Environment
    now: "Cached[Snapshot]"
    trials: Trials


def console_of(request: HTTPConnection) -> Console:
    """Return what all pages share."""
    console = request.app.state.console
    assert isinstance(console, Console)  # noqa: S101 (create_app puts it there)
    return console


def make_templates() -> jinja2.Environment:
    """Return the templates, which escape what they are given and refuse what they are not given."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= FILTERS
    return templates


def page(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render a page.

    Args:
        request: the request that is answered.
        template: the name of the template.
        context: what it shows.
        status: the status of the answer.
        headers: more headers of it.
    """
    console = console_of(request)
    shared = {
        "user": user_of(request),
        "csrf": csrf_token(request),
        "path": request.url.path,
        "stack_name": console.settings.stack_name,
        "release": __version__,
        "navigation": NAVIGATION,
    }
    text = console.templates.get_template(template).render(**shared, **context)
    return HTMLResponse(text, status, headers)


def local_target(text: str) -> str:
    """Return an address within the console to go on with; the first page for any other."""
    split = urlsplit(text)
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_local and not split.netloc and not split.scheme else "/"


def refused(
    request: Request,
    status: int,
    message: str,
    headers: Mapping[str, str] | None = None,
    way_out: tuple[str, str] = ("/", "To the first page"),
) -> Response:
    """Answer that something cannot be done.

    Args:
        request: the request that is answered.
        status: the status.
        message: what is wrong, and what to do.
        headers: more headers of the answer.
        way_out: where a page leads on to, and the words of its button.
    """
    message = for_pages(message)
    if request.url.path.startswith(API):
        return JSONResponse({"error": message}, status, headers)
    title = _TITLES.get(status, HTTPStatus(status).phrase)
    context = {"title": title, "status": status, "message": message, "way_out": way_out}
    return page(request, "error.html", context, status, headers)


def on_http_error(request: Request, error: Exception) -> Response:
    """Answer a refusal; somebody who is not logged in is sent to the login."""
    assert isinstance(error, HTTPException)  # noqa: S101 (it is registered for these)
    status = error.status_code
    if status == 401 and not request.url.path.startswith(API) and request.method == "GET":
        return to_login(request)
    phrase = HTTPStatus(status).phrase
    message = error.detail if error.detail != phrase else _HINTS.get(status, phrase)
    return refused(request, status, message, error.headers)


def to_login(request: Request) -> Response:
    """Send somebody to the login, and from there to where they wanted.

    A browser that follows a link from another site sends no cookie, as the session's is for requests from here alone.
    So such a request is made again by a page from here.
    """
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("sec-fetch-site") == "cross-site":
        return page(request, "again.html", {"title": "One moment", "target": local_target(target)})
    login = request.url_for("login").include_query_params(next=target)
    return RedirectResponse(f"{login.path}?{login.query}", 303)


def on_influxdb_error(request: Request, error: Exception) -> Response:
    """Answer that InfluxDB cannot be asked."""
    _say(f"{request.method} {request.url.path}: {error}")
    return refused(request, 503, str(error), {"Retry-After": "5"})


def on_bad_input(request: Request, error: Exception) -> Response:
    """Answer that the request asks for something that cannot be."""
    return refused(request, 400, str(error))


def on_store_error(request: Request, error: Exception) -> Response:
    """Answer that the models cannot be read or changed, or do not have what was asked for."""
    _say(f"{request.method} {request.url.path}: {error}")
    return refused(request, 409, str(error))


def on_bug(request: Request, error: Exception) -> Response:
    """Answer that the console failed; the server logs why."""
    # This answer does not pass the layers that add the session and the headers.
    request.scope.setdefault("session", {})
    return refused(request, 500, _HINTS[500], {**SECURITY_HEADERS, "Cache-Control": "no-store"})


EXCEPTION_HANDLERS = {
    HTTPException: on_http_error,
    InfluxClientError: on_influxdb_error,
    SpecError: on_bad_input,
    Refused: on_bad_input,
    StoreError: on_store_error,
    Exception: on_bug,
}


def _say(line: str) -> None:
    sys.stderr.write(f"anomaly: {for_pages(line)}\n")
    sys.stderr.flush()
