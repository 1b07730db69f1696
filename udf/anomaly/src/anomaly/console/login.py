"""In and out."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from anomaly.console.accounts import TooManyFailures
from anomaly.console.guard import CSRF, address, user_of
from anomaly.console.pages import console_of, local_target, page


def show(request: Request) -> Response:
    """Show the form; somebody who is logged in goes on."""
    target = local_target(request.query_params.get("next", "/"))
    if user_of(request) is not None:
        return RedirectResponse(target, 303)
    return _form(request, target, "", "")


def log_in(request: Request) -> Response:
    """Begin a session."""
    form = request.state.form
    name, password, target = (form.get(key, "") for key in ("name", "password", "next"))
    if not all(isinstance(each, str) for each in (name, password, target)):
        raise HTTPException(400, "The form has each field once.")
    target = local_target(target)
    accounts = console_of(request).accounts
    try:
        account = accounts.log_in(name, password, address(request))
    except TooManyFailures as error:
        return _form(request, target, name, str(error), 429, {"Retry-After": str(error.seconds)})
    if account is None:
        return _form(request, target, name, "The name or the password is wrong.", 401)
    # A session that somebody else may have begun is not gone on with.
    request.session.clear()
    request.session.update(accounts.begin_session(account))
    return RedirectResponse(target, 303)


def log_out(request: Request) -> Response:
    """End the session, also for whoever has a copy of its cookie."""
    console_of(request).accounts.end_session(request.session)
    request.session.clear()
    return RedirectResponse(request.url_for("login").path, 303)


def _form(
    request: Request, target: str, name: str, message: str, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    context = {"title": "Log in", "target": target, "name": name, "message": message, "field": CSRF}
    return page(request, "login.html", context, status, headers)
