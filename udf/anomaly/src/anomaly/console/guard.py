"""What every request passes: who asks, whether they may, and what a page may do in the browser.

Browsers have a session in a signed cookie. Each change needs the session's CSRF token. Scripts send name and password
with each request to the API (HTTP Basic), which no browser does by itself, as the console never asks for it.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    UnauthenticatedUser,
)
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anomaly.console.accounts import Accounts, TooManyFailures
from anomaly.console.settings import OPERATOR, VIEWER, Account
from anomaly.scoring.wording import plain

API = "/api/"
CSRF = "csrf"
# Browsers may keep these, and ask whether they have changed.
_FILES = ("/static/", "/assets/")
_CSRF_HEADER = "x-csrf-token"
# What a request has whose host is one of the console.
_HOST_IS_KNOWN = "anomaly.host_is_known"
_MOST_OF_A_HOST = 100
# What needs no account is named, so that everything else needs one.
PUBLIC = None
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Handler = Callable[[Request], Response]


class ConsoleUser(BaseUser):
    """Somebody who is logged in.

    Attributes:
        account: the account.
        has_session: whether a cookie said so, rather than the request's own name and password.
    """

    def __init__(self, account: Account, *, has_session: bool) -> None:
        self.account = account
        self.has_session = has_session

    @property
    def is_authenticated(self) -> bool:
        """Whether they are logged in."""
        return True

    @property
    def display_name(self) -> str:
        """Their name."""
        return self.account.name

    @property
    def identity(self) -> str:
        """Their name."""
        return self.account.name

    @property
    def is_operator(self) -> bool:
        """Whether they may change models."""
        return self.account.role == OPERATOR


class Backend(AuthenticationBackend):
    """Knows who asks, by the session or by HTTP Basic."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return what the one who asks may do; None if nobody is logged in."""
        given = conn.headers.get("authorization")
        if given is not None and conn.url.path.startswith(API):
            user = ConsoleUser(self._by_password(given, address(conn)), has_session=False)
        else:
            account = self._accounts.of_session(conn.session)
            if account is None:
                return None
            user = ConsoleUser(account, has_session=True)
        scopes = [VIEWER, OPERATOR] if user.is_operator else [VIEWER]
        return AuthCredentials(scopes), user

    def _by_password(self, given: str, from_address: str) -> Account:
        scheme, _, encoded = given.partition(" ")
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = colon = password = ""
        if scheme.lower() != "basic" or not colon:
            raise AuthenticationError("Authorization: only HTTP Basic is known here: send a name and a password.")
        try:
            account = self._accounts.log_in(name, password, from_address)
        except TooManyFailures as error:
            raise AuthenticationError(str(error)) from None
        if account is None:
            raise AuthenticationError("The name or the password is wrong.")
        return account


def address(conn: HTTPConnection) -> str:
    """Return where a request comes from."""
    return conn.client.host if conn.client is not None else ""


def csrf_token(request: Request) -> str:
    """Return the CSRF token of the session, which is made when it is first asked for."""
    token = request.session.get(CSRF)
    if not isinstance(token, str):
        token = request.session[CSRF] = secrets.token_urlsafe(32)
    return token


def user_of(request: Request) -> ConsoleUser | None:
    """Return who is logged in; None if nobody is."""
    user = request.scope.get("user", UnauthenticatedUser())
    return user if isinstance(user, ConsoleUser) else None


def guarded(handler: Handler, role: str | None = VIEWER) -> Callable[[Request], Any]:
    """Return an endpoint that lets in those who may, and runs the handler in a thread.

    Args:
        handler: answers a request; the form of a POST is in `request.state.form`.
        role: the role that is needed; PUBLIC: none.
    """

    async def endpoint(request: Request) -> Response:
        if role is not PUBLIC:
            user = user_of(request)
            if user is None:
                raise HTTPException(401)
            if role not in request.auth.scopes:
                raise HTTPException(403, f"This needs the role {role}, and {user.display_name} has {VIEWER}.")
        if request.method == "POST":
            request.state.form = await _form(request)
            _check_token(request)
        return await run_in_threadpool(handler, request)

    return endpoint


async def _form(request: Request) -> Mapping[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind == "application/json":
        try:
            content = await request.json()
        except ValueError:
            raise HTTPException(400, "The body is not JSON.") from None
        if not isinstance(content, dict):
            raise HTTPException(400, "The body is not a JSON object.")
        return content
    form = await request.form(max_files=0)
    return {name: form.getlist(name) if len(form.getlist(name)) > 1 else value for name, value in form.items()}


def _check_token(request: Request) -> None:
    user = user_of(request)
    if user is not None and not user.has_session:
        return
    given = request.headers.get(_CSRF_HEADER) or request.state.form.get(CSRF)
    expected = request.session.get(CSRF)
    if not isinstance(given, str) or not isinstance(expected, str) or not hmac.compare_digest(given, expected):
        raise HTTPException(403, "This form is too old or not from here. Go back, reload the page, and try again.")


class KnownHosts:
    """Refuses requests for a name that is not the console's, and says how to make it one."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._check = TrustedHostMiddleware(self._known, allowed_hosts, www_redirect=False)

    async def _known(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_HOST_IS_KNOWN] = True
        await self._app(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_of_known(message: Message) -> None:
            if _HOST_IS_KNOWN in scope:
                await send(message)

        await self._check(scope, receive, send_of_known)
        if _HOST_IS_KNOWN in scope:
            return
        name = plain(Headers(scope=scope).get("host", ""), _MOST_OF_A_HOST)
        message = (
            f"Invalid host header: the console does not answer to the name {name!r}. If browsers are to reach it under "
            "this name, add it to console_names in the inventory (allowed_hosts in the console's settings), and run "
            "site.yml."
        )
        is_script = scope["path"].startswith(API)
        refusal = JSONResponse({"error": message}, 400) if is_script else PlainTextResponse(message, 400)
        await refusal(scope, receive, send)


class SecurityHeaders:
    """Adds the headers that forbid a page what it does not need, and keeps pages out of caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                is_file = scope.get("path", "").startswith(_FILES)
                headers.setdefault("Cache-Control", "no-cache" if is_file else "no-store")
            await send(message)

        await self._app(scope, receive, guarded_send)
