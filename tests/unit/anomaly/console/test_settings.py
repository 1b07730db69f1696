"""Settings of the console: what fits, and what is refused with which words."""

from pathlib import Path
from typing import Any

import pytest

from anomaly.console.settings import OPERATOR, VIEWER, SettingsError, parse_settings
from tests.unit.anomaly.console.made import PASSWORDS, SECRET, document, settings


def test_settings_have_defaults_and_the_content_of_their_files(tmp_path: Path) -> None:
    found = settings(tmp_path)

    assert (found.address, found.port, found.cache_seconds, found.is_secure) == ("127.0.0.1", 3080, 5.0, False)
    assert found.allowed_hosts == ("console.example", "127.0.0.1", "localhost")
    assert {name: (each.role, each.password) for name, each in found.accounts.items()} == {
        "vera": (VIEWER, PASSWORDS["vera"]),
        "otto": (OPERATOR, PASSWORDS["otto"]),
    }
    assert found.session_secret == SECRET


def test_secrets_are_not_shown_by_settings(tmp_path: Path) -> None:
    shown = repr(settings(tmp_path))

    assert SECRET not in shown
    assert not [password for password in PASSWORDS.values() if password in shown]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"prot": 1}, "'prot' is not a setting: the settings are address, port"),
        ({"port": 70_000}, r"port \(70000\): write a number from 0 to 65535"),
        ({"port": "80"}, r"port \('80'\): write a number"),
        ({"port": True}, r"port \(True\): write a number"),
        ({"address": ""}, r"address \(''\): write a text"),
        ({"allowed_hosts": "a"}, r"allowed_hosts \('a'\): write a list of texts"),
        ({"allowed_hosts": ["*"]}, "allowed_hosts .*: name the hosts one by one"),
        ({"cache_seconds": -1}, r"cache_seconds \(-1\): write a number from 0 to 3600"),
        ({"certificate": "nowhere.pem"}, "certificate .*: there is no such file"),
        ({"users": {}}, r"users \({}\): name at least one"),
        ({"users": {"a": {"role": "viewer"}}}, "users.a: a user has the keys role and password_file"),
        ({"users": {"a": {"role": "root", "password_file": "x"}}}, "users.a: the role 'root' is not one: write viewer"),
        ({"users": {"a:b": {"role": "viewer", "password_file": "x"}}}, "users.a:b: a name has .* no colon"),
        ({"users": {"a": {"role": "viewer", "password_file": "x"}}}, "users.a: x cannot be read"),
        ({"users": {"a": {"role": "viewer", "password_file": 5}}}, "users.a: 5 cannot be read"),
        ({"assets": "nowhere"}, "assets .*: the folder lacks uPlot.iife.min.js and uPlot.min.css"),
        ({"session_secret_file": None}, "session_secret_file .*: write a text"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=f"settings.json: {message}"):
        settings(tmp_path, **more)


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "certificate").touch()

    with pytest.raises(SettingsError, match="a certificate needs its key"):
        settings(tmp_path, certificate=str(tmp_path / "certificate"))


@pytest.mark.parametrize(("text", "message"), [("\nsecond", "is empty"), ("short\n", "holds a short secret")])
def test_a_secret_that_protects_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    content = document(tmp_path)
    (tmp_path / "session").write_text(text)

    with pytest.raises(SettingsError, match=f"session_secret_file .*{message}"):
        parse_settings(content, "settings.json")


def test_settings_are_a_mapping() -> None:
    with pytest.raises(SettingsError, match="is not a mapping"):
        parse_settings([], "settings.json")
