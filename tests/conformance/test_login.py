"""A real Kapacitor's answers to what the role kapacitor asks of it when its admin is refused."""

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from daemons.daemon import WAIT
from daemons.kapacitord import Kapacitord
from tests.ansible.rendering import ROOT, value

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]
SECRET = "a-shared-secret"
# What the role's task `refused` looks for.
GONE = "no user exists"


def token(username: str, secret: str = SECRET) -> str:
    return str(value("username | kapacitor_token(secret)", "kapacitor", username=username, secret=secret))


def ping(kapacitor: Kapacitord, username: str, secret: str = SECRET) -> tuple[int, str]:
    """Return the status and the text of the answer to a user who has no password."""
    headers = {"Authorization": f"Bearer {token(username, secret)}"}
    request = urllib.request.Request(f"{kapacitor.url}/ping", headers=headers)  # noqa: S310 - http, to ourselves
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as response:  # noqa: S310
            return response.status, ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_token_tells_a_lost_admin_from_a_refused_password(kapacitord: Start, tmp_path: Path) -> None:
    kapacitor = kapacitord(more="[auth]\n  enabled = true\n  bcrypt-cost = 4\n")
    admin = {"name": "admin", "password": "secret", "type": "admin"}
    assert kapacitor.call("POST", "/users", admin).status == 200
    kapacitor.stop()
    config = tmp_path / "kapacitor" / "kapacitor.conf"
    asking = f'[http]\n  auth-enabled = true\n  shared-secret = "{SECRET}"'
    config.write_text(config.read_text().replace("[http]", asking))
    kapacitor.start()

    assert ping(kapacitor, "admin") == (204, "")
    status, text = ping(kapacitor, "somebody")
    assert (status, GONE in text) == (401, True)
    status, text = ping(kapacitor, "admin", "another-secret")
    assert (status, GONE in text) == (401, False)

    kapacitor.stop()
    (tmp_path / "kapacitor" / "kapacitor.db").unlink()
    kapacitor.start()
    status, text = ping(kapacitor, "admin")
    assert (status, GONE in text) == (401, True)


def test_the_role_looks_for_what_kapacitor_says() -> None:
    assert GONE in (ROOT / "roles/kapacitor/tasks/refused.yml").read_text()
