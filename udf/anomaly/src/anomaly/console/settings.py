"""Settings of the console, read from one file: JSON, or YAML where PyYAML is installed.

    {
      "address": "127.0.0.1", "port": 3080, "allowed_hosts": ["console.example"],
      "users": {"admin": {"role": "operator", "password_file": "/run/secrets/console-admin"}},
      "session_secret_file": "/run/secrets/console-session", "assets": "/opt/anomaly/share/console"
    }

Passwords and the secret are the first lines of their files, so that the settings themselves are not secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VIEWER, OPERATOR = "viewer", "operator"
ROLES = (VIEWER, OPERATOR)
# A shorter secret could be guessed.
_LEAST_SECRET = 16
# Names of a machine for itself, under which its own health check asks. A stranger's page cannot take them over.
_OWN_NAMES = ("127.0.0.1", "localhost")


class SettingsError(Exception):
    """The settings cannot be read or do not fit; the message names the key, its value and the fix."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in.

    Attributes:
        name: the name.
        role: VIEWER, who may look, or OPERATOR, who may also give feedback and change models.
        password: the password.
    """

    name: str
    role: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Settings of the console.

    Attributes:
        address: the address to listen on.
        port: the port to listen on.
        allowed_hosts: the names under which browsers may ask for it.
        accounts: who may log in, by name.
        session_secret: signs the cookies of sessions.
        assets: the folder with uPlot's files.
        certificate: the file of the certificate; None: http.
        key: the file of its key.
        cache_seconds: how long an answer of InfluxDB is shown again.
        stack_name: the name of the stack, for titles.
    """

    address: str
    port: int
    allowed_hosts: tuple[str, ...]
    accounts: Mapping[str, Account]
    session_secret: str = field(repr=False)
    assets: Path
    certificate: Path | None = None
    key: Path | None = None
    cache_seconds: float = 5.0
    stack_name: str = "anomaly"

    @property
    def cookie(self) -> str:
        """The name of the session's cookie. Cookies do not tell ports apart, and a host may have several stacks."""
        return f"console-{re.sub('[^A-Za-z0-9_-]', '-', self.stack_name)}"

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by https."""
        return self.certificate is not None


_KEYS = (
    *("address", "port", "allowed_hosts", "users", "session_secret_file", "assets"),
    *("certificate", "key", "cache_seconds", "stack_name"),
)


def parse_settings(content: Any, source: str) -> ConsoleSettings:
    """Return the settings that a document holds.

    Args:
        content: the document.
        source: the name of its file, for messages.

    Raises:
        SettingsError: a key is missing, unknown or wrong, or a file that it names cannot be read.
    """
    if not isinstance(content, dict):
        raise SettingsError(f"{source}: is not a mapping: write keys such as address and port")
    unknown = sorted(set(map(str, content)) - set(_KEYS))
    if unknown:
        raise SettingsError(f"{source}: {unknown[0]!r} is not a setting: the settings are {', '.join(_KEYS)}")
    document = _Document(content, source)
    hosts = document.texts("allowed_hosts", ())
    if "*" in hosts:
        raise document.error("allowed_hosts", "name the hosts one by one; any host would let foreign pages ask")
    certificate, key = document.file("certificate"), document.file("key")
    if (certificate is None) != (key is None):
        raise document.error("certificate", "a certificate needs its key, and a key its certificate: set both or none")
    secret = _first_line(document, "session_secret_file", document.text("session_secret_file"))
    if len(secret) < _LEAST_SECRET:
        raise document.error("session_secret_file", f"holds a short secret: write {_LEAST_SECRET} characters or more")
    return ConsoleSettings(
        address=document.text("address", "127.0.0.1"),
        port=int(document.number("port", 3080, least=0, most=65_535)),
        allowed_hosts=tuple(dict.fromkeys((*hosts, *_OWN_NAMES))),
        accounts=_accounts(document),
        session_secret=secret,
        assets=_assets(document),
        certificate=certificate,
        key=key,
        cache_seconds=document.number("cache_seconds", 5.0, least=0.0, most=3_600.0),
        stack_name=document.text("stack_name", "anomaly"),
    )


class _Document:
    """A document of settings, whose values are checked as they are read."""

    def __init__(self, content: Mapping[str, Any], source: str) -> None:
        self._content = content
        self._source = source

    def error(self, key: str, fix: str) -> SettingsError:
        """Return the error of a key; `fix` says what is wrong and what to write."""
        value = f" ({self._content[key]!r})" if key in self._content else ""
        return SettingsError(f"{self._source}: {key}{value}: {fix}")

    def value(self, key: str, default: Any = None) -> Any:
        """Return a key's value, and its default where it is not set."""
        value = self._content.get(key)
        return default if value is None else value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self.value(key, default)
        if not isinstance(value, str) or not value:
            raise self.error(key, "write a text that is not empty")
        return value

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.value(key, list(default))
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise self.error(key, 'write a list of texts, such as ["console.example"]')
        return tuple(value)

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        """Return a number within bounds; a whole one where the default is whole."""
        value = self.value(key, default)
        is_number = isinstance(value, int if isinstance(default, int) else int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise self.error(key, f"write a number from {least:g} to {most:g}")
        return float(value)

    def file(self, key: str) -> Path | None:
        """Return a file that is there; None where none is named."""
        if self.value(key) is None:
            return None
        path = Path(self.text(key))
        if not path.is_file():
            raise self.error(key, "there is no such file: write the path of one")
        return path


def _accounts(document: _Document) -> dict[str, Account]:
    users = document.value("users")
    if not isinstance(users, dict) or not users:
        raise document.error("users", 'name at least one: {"admin": {"role": "operator", "password_file": "..."}}')
    accounts = {}
    for name, user in users.items():
        what = f"users.{name}"
        if not isinstance(user, dict) or set(user) != {"role", "password_file"}:
            raise document.error(what, "a user has the keys role and password_file, and no others")
        if user["role"] not in ROLES:
            raise document.error(what, f"the role {user['role']!r} is not one: write {' or '.join(ROLES)}")
        # A name with a colon could not be sent by HTTP's own way of logging in.
        if not isinstance(name, str) or not name.isprintable() or ":" in name:
            raise document.error(what, "a name has printable characters and no colon")
        password = _first_line(document, what, user["password_file"])
        accounts[name] = Account(name, user["role"], password)
    return accounts


def _first_line(document: _Document, key: str, name: Any) -> str:
    try:
        line = Path(name).read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError, TypeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "is not the path of a text"
        raise document.error(key, f"{name} cannot be read ({reason}): write the path of a file") from None
    if not line:
        raise document.error(key, f"{name} is empty: write the secret in its first line")
    return line


ASSETS = ("uPlot.iife.min.js", "uPlot.min.css")


def _assets(document: _Document) -> Path:
    folder = Path(document.text("assets"))
    missing = [name for name in ASSETS if not (folder / name).is_file()]
    if missing:
        raise document.error("assets", f"the folder lacks {' and '.join(missing)}, which are in uPlot's folder dist")
    return folder
