"""Makes the application of the console: its routes, and what each request passes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from starlette.applications import Starlette
from starlette.authentication import AuthenticationError
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from anomaly.console import login, now, openapi, period, report, series, versions, what_if
from anomaly.console.accounts import SESSION_SECONDS, Accounts
from anomaly.console.cache import Cached
from anomaly.console.guard import PUBLIC, Backend, KnownHosts, SecurityHeaders, guarded
from anomaly.console.pages import EXCEPTION_HANDLERS, FOLDER, Console, make_templates
from anomaly.console.settings import OPERATOR, ConsoleSettings
from anomaly.console.stack import Stack
from anomaly.console.trials import Trials

# A form has a note and a few names.
_MOST_BODY_BYTES = 64 * 1024
# What is asked of InfluxDB at the same time is bounded, and so is the memory for it.
_THREADS = 8
# For so long what the first page shows is shown again while InfluxDB is asked anew.
_USABLE_SECONDS = 30.0


def create_app(stack: Stack, settings: ConsoleSettings) -> Starlette:
    """Make the application.

    Args:
        stack: how the pages reach InfluxDB, the pipelines and the models.
        settings: the settings.
    """
    accounts = Accounts(settings.accounts, settings.session_secret)
    app = Starlette(
        routes=routes(settings),
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(KnownHosts, allowed_hosts=settings.allowed_hosts),
            Middleware(GZipMiddleware, minimum_size=1024),
            Middleware(
                SessionMiddleware,
                secret_key=settings.session_secret,
                session_cookie=settings.cookie,
                max_age=SESSION_SECONDS,
                same_site="strict",
                https_only=settings.is_secure,
            ),
            Middleware(AuthenticationMiddleware, backend=Backend(accounts), on_error=_on_wrong_password),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=_lifespan,
        max_body_size=_MOST_BODY_BYTES,
    )
    snapshots = Cached(lambda: now.read_snapshot(stack), settings.cache_seconds, _USABLE_SECONDS)
    app.state.console = Console(stack, settings, accounts, make_templates(), snapshots, Trials(stack.trial_command))
    return app


def routes(settings: ConsoleSettings) -> list[BaseRoute]:
    """Return all routes; those that are PUBLIC need no account."""
    return [
        Route("/health", guarded(health, PUBLIC), name="health"),
        Route("/login", guarded(login.show, PUBLIC), name="login"),
        Route("/login", guarded(login.log_in, PUBLIC), methods=["POST"]),
        Route("/logout", guarded(login.log_out, PUBLIC), methods=["POST"], name="logout"),
        Route("/", guarded(now.show), name="now"),
        Route("/series", guarded(series.show), name="series"),
        Route("/period", guarded(period.show), name="period"),
        Route("/period/others", guarded(period.others)),
        Route("/period/feedback", guarded(period.give, OPERATOR), methods=["POST"]),
        Route("/period/feedback/remove", guarded(period.take_back, OPERATOR), methods=["POST"]),
        Route("/report", guarded(report.show), name="report"),
        Route("/report/view", guarded(report.make)),
        Route("/what-if", guarded(what_if.show), name="what_if"),
        Route("/what-if", guarded(what_if.start, OPERATOR), methods=["POST"]),
        Route("/what-if/cancel", guarded(what_if.cancel, OPERATOR), methods=["POST"]),
        Route("/models", guarded(versions.show), name="models"),
        Route("/models/version", guarded(versions.show_version)),
        Route("/models/compare", guarded(versions.show_comparison)),
        Route("/models/promote", guarded(versions.promote, OPERATOR), methods=["POST"]),
        Route("/models/rollback", guarded(versions.roll_back, OPERATOR), methods=["POST"]),
        Route("/models/shadow", guarded(versions.set_shadow, OPERATOR), methods=["POST"]),
        Route("/api/openapi.json", guarded(describe)),
        Route("/api/now", guarded(now.answer)),
        Route("/api/pipelines", guarded(now.pipelines)),
        Route("/api/steps", guarded(series.steps)),
        Route("/api/period", guarded(period.answer)),
        Route("/api/others", guarded(period.others)),
        Route("/api/feedback", guarded(period.give, OPERATOR), methods=["POST"]),
        Route("/api/feedback/remove", guarded(period.take_back, OPERATOR), methods=["POST"]),
        Route("/api/what-if", guarded(what_if.answer)),
        Route("/api/what-if", guarded(what_if.start, OPERATOR), methods=["POST"]),
        Route("/api/what-if/move", guarded(what_if.move)),
        Route("/api/what-if/cancel", guarded(what_if.cancel, OPERATOR), methods=["POST"]),
        Route("/api/models", guarded(versions.listing)),
        Route("/api/models/version", guarded(versions.manifest)),
        Route("/api/models/compare", guarded(versions.comparison)),
        Route("/api/models/promote", guarded(versions.promote, OPERATOR), methods=["POST"]),
        Route("/api/models/rollback", guarded(versions.roll_back, OPERATOR), methods=["POST"]),
        Route("/api/models/shadow", guarded(versions.set_shadow, OPERATOR), methods=["POST"]),
        Route("/api/report", guarded(report.make)),
        Mount("/static", StaticFiles(directory=FOLDER / "static"), name="static"),
        Mount("/assets", StaticFiles(directory=settings.assets), name="assets"),
    ]


def health(request: Request) -> Response:
    """Say that the console serves; whether InfluxDB does is said by the pages."""
    return JSONResponse({"status": "ok"})


def describe(request: Request) -> Response:
    """Answer with the document that describes the API."""
    return JSONResponse(openapi.DOCUMENT)


def _on_wrong_password(conn: HTTPConnection, error: AuthenticationError) -> Response:
    return JSONResponse({"error": str(error)}, 401)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield
    app.state.console.trials.close()
