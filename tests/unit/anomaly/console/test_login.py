"""Login, logout, sessions, CSRF tokens, headers and hosts, as a browser and as a script see them."""

from base64 import b64encode
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from anomaly.console.accounts import FAILURES_OF_AN_ADDRESS
from anomaly.console.app import routes
from tests.unit.anomaly.console.made import PASSWORDS, client, document, log_in, make_app, settings, token


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    return make_app(tmp_path)[0]


def test_somebody_who_is_not_logged_in_is_sent_to_the_login_and_back(app: Starlette) -> None:
    browser = client(app)

    sent = browser.get("/?search=a%26b&page=2")
    back = log_in(browser, "vera", PASSWORDS["vera"], "/?search=a%26b&page=2")

    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2F%3Fsearch%3Da%2526b%26page%3D2")
    assert (back.status_code, back.headers["location"]) == (303, "/?search=a%26b&page=2")
    assert browser.get("/").status_code == 200


def test_a_wrong_password_is_refused_and_the_name_kept(app: Starlette) -> None:
    browser = client(app)

    answer = log_in(browser, 've"ra', "wrong")

    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text
    assert 'value="ve&#34;ra"' in answer.text
    assert browser.get("/").status_code == 303


def test_too_many_wrong_passwords_are_told_when_to_go_on(app: Starlette) -> None:
    browser = client(app)
    for _ in range(FAILURES_OF_AN_ADDRESS):
        log_in(browser, "vera", "wrong")

    answer = log_in(browser, "vera", PASSWORDS["vera"])

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 200
    assert "too many wrong passwords" in answer.text


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/\nx"]
)
def test_the_login_leads_nowhere_else(app: Starlette, target: str) -> None:
    answer = log_in(client(app), "vera", PASSWORDS["vera"], target)

    assert answer.headers["location"] == "/"


def test_a_logout_ends_the_session(app: Starlette) -> None:
    browser = client(app, "vera")
    cookie = browser.cookies["console-anomaly"]

    answer = browser.post("/logout", data={"csrf": token(browser)})

    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert browser.get("/").status_code == 303
    browser.cookies.set("console-anomaly", cookie, domain="console.example")
    assert browser.get("/").status_code == 303, "a copy of the cookie is worth nothing"


@pytest.mark.parametrize("form", [{}, {"csrf": "x" * 43}])
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_form_without_the_sessions_token_is_refused(app: Starlette, path: str, form: dict[str, str]) -> None:
    browser = client(app, "vera")

    answer = browser.post(path, data={"name": "vera", "password": PASSWORDS["vera"], **form})

    assert answer.status_code == 403
    assert "too old or not from here" in answer.text
    assert browser.get("/").status_code == 200


def test_a_page_that_uses_the_api_sends_its_token_as_a_header(app: Starlette) -> None:
    browser = client(app, "otto")
    body = {"pipeline": "nowhere"}

    without = browser.post("/api/models/rollback", json=body)
    with_token = browser.post("/api/models/rollback", json=body, headers={"x-csrf-token": token(browser)})

    assert (without.status_code, with_token.status_code) == (403, 404)
    assert "there is no pipeline 'nowhere'" in with_token.json()["error"]


@pytest.mark.parametrize("body", ["[]", "{", "1"])
def test_a_body_that_is_not_an_object_is_refused(app: Starlette, body: str) -> None:
    headers = {"content-type": "application/json"}

    answer = client(app).post("/api/feedback", content=body, headers=headers, auth=("otto", PASSWORDS["otto"]))

    assert answer.status_code == 400
    assert "The body is not" in answer.json()["error"]


def test_a_login_begins_a_session_of_its_own(app: Starlette) -> None:
    browser = client(app)
    before = token(browser)

    log_in(browser, "vera", PASSWORDS["vera"])

    assert token(browser) != before


def test_a_cookie_is_for_this_console_alone(tmp_path: Path) -> None:
    for name in ("certificate", "key"):
        (tmp_path / name).touch()
    plain = client(make_app(tmp_path)[0]).get("/login").headers["set-cookie"]
    secure = make_app(
        tmp_path, certificate=str(tmp_path / "certificate"), key=str(tmp_path / "key"), stack_name="zoo one"
    )[0]

    kept = client(secure).get("/login").headers["set-cookie"]

    assert plain.startswith("console-anomaly=")
    assert "httponly; samesite=strict" in plain and "secure" not in plain
    assert kept.startswith("console-zoo-one=")
    assert kept.endswith("httponly; samesite=strict; secure")


def test_a_forged_cookie_is_nobody(app: Starlette) -> None:
    browser = client(app, "otto")
    value = browser.cookies["console-anomaly"]
    browser.cookies.set("console-anomaly", ("A" if value[0] != "A" else "B") + value[1:], domain="console.example")

    assert browser.get("/").status_code == 303


def test_a_session_ends_when_the_password_changes(tmp_path: Path) -> None:
    browser = client(make_app(tmp_path)[0], "vera")
    document(tmp_path)
    (tmp_path / "other").write_text("another password\n")
    users = {"vera": {"role": "viewer", "password_file": str(tmp_path / "other")}}
    later = client(make_app(tmp_path, users=users)[0])
    later.cookies = browser.cookies

    assert browser.get("/").status_code == 200
    assert later.get("/").status_code == 303


def test_a_link_from_elsewhere_is_followed_again_from_here(app: Starlette) -> None:
    browser = client(app)

    answer = browser.get("/?search=x", headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/?search=x">' in answer.text


@pytest.mark.parametrize(("header", "error"), [
    ("Basic " + b64encode(b"vera:wrong").decode(), "The name or the password is wrong."),
    ("Basic ???", "only HTTP Basic is known here"),
    ("Bearer abc", "only HTTP Basic is known here"),
])  # fmt: skip
def test_a_script_with_a_wrong_password_is_refused(app: Starlette, header: str, error: str) -> None:
    answer = client(app).get("/api/now", headers={"authorization": header})

    assert answer.status_code == 401
    assert error in answer.json()["error"]
    assert "www-authenticate" not in answer.headers


def test_a_page_takes_no_password_of_a_script(app: Starlette) -> None:
    answer = client(app).get("/", auth=("vera", PASSWORDS["vera"]))

    assert answer.status_code == 303


def test_a_strange_host_is_refused(app: Starlette) -> None:
    strange = {"host": "<b>.example:3080"}
    page, script = (client(app).get(path, headers=strange) for path in ("/", "/api/now"))

    assert (page.status_code, script.status_code) == (400, 400)
    assert "does not answer to the name '‹b›.example:3080'" in page.text
    assert "add it to console_names in the inventory (allowed_hosts in" in page.text
    assert script.json() == {"error": page.text}
    assert page.headers["content-type"].startswith("text/plain")
    assert client(app).get("/health", headers={"host": "localhost:3080"}).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/login", "/nowhere", "/static/console.css", "/"])
def test_every_answer_forbids_what_no_page_needs(app: Starlette, path: str) -> None:
    headers = client(app).get(path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")


def test_everything_but_a_few_routes_needs_a_login(app: Starlette, tmp_path: Path) -> None:
    public = {"/health", "/login", "/logout", "/static", "/assets"}
    browser = client(app)

    for route in routes(settings(tmp_path)):
        assert isinstance(route, (Mount, Route))
        if route.path in public:
            continue
        assert isinstance(route, Route) and route.methods
        path = route.path.replace("{pipeline}", "printer").replace("{version}", "v1")
        is_get = "GET" in route.methods
        answer = browser.get(path) if is_get else browser.post(path)
        expected = 303 if is_get and not path.startswith("/api/") else 401
        assert answer.status_code == expected, path
