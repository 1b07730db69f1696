"""Sends what the keeper tells, by HTTP and by mail, until it has arrived.

The keeper speaks for itself, because Kapacitor, which sends all other alerts, may be what is down. A message to a
receiver is an alert as Kapacitor posts it: `id`, `message`, `details`, `time`, `level`, `previousLevel`.
"""

import json
import smtplib
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests

from anomaly.counted import counted
from anomaly.keeper.alarms import KeeperMessage
from anomaly.keeper.recovery import Backoff
from anomaly.login import basic_login
from anomaly.nanoseconds import rfc3339

_TIMEOUT_S = 10.0
# How long one look sends to each messenger: nothing is repaired meanwhile.
_SENDING_S = 15.0
# Messages that wait for a receiver who cannot be reached; beyond it the oldest is dropped, and that is said.
_MOST_WAITING = 100
_TLS = ("auto", "tls", "starttls", "none")
_SMTPS_PORT = 465

Send = Callable[[KeeperMessage], None]


class MessengerError(Exception):
    """A messenger's entry is not one, or what it sends did not arrive."""


def messenger(entry: Mapping[str, Any], ca_file: str | None = None) -> Send:
    """Return what sends a message.

    Args:
        entry: `kind: post` with `url`, and optionally `headers`, `username`, `password` and `verify` (false: any
            certificate will do); or `kind: smtp` with `host`, `to` (a list) and `from`, and optionally `port` (25),
            `username`, `password`, `verify` and `tls`: `tls`, `starttls`, `none`, or `auto`, which is TLS on port 465,
            and elsewhere STARTTLS if the server offers it.
        ca_file: a CA that is trusted beside the public ones; None: only these.

    Raises:
        MessengerError: the entry is not one of these.
    """
    kind = entry.get("kind") if isinstance(entry, dict) else None
    tls = entry.get("tls", "auto") if isinstance(entry, dict) else None
    if kind == "post" and entry.get("url"):
        return lambda message: _post(entry, message, ca_file)
    if kind == "smtp" and entry.get("host") and isinstance(entry.get("to"), list) and entry.get("from"):
        if tls not in _TLS:
            raise MessengerError(f"`tls: {tls}` of a messenger is none of {', '.join(_TLS)}: write one of these")
        return lambda message: _mail(entry, message, ca_file)
    raise MessengerError(
        f"a messenger of the kind {kind!r} cannot be used: write `kind: post` with `url`, or `kind: smtp` with `host`, "
        "`from` and `to` (a list)"
    )


def _named(name: str, entry: Mapping[str, Any], ca_file: str | None) -> Send:
    try:
        return messenger(entry, ca_file)
    except MessengerError as error:
        raise MessengerError(f"{name}: {error}") from None


class _PrivateAuthority(requests.adapters.HTTPAdapter):
    """Trusts a CA beside those that requests knows."""

    def __init__(self, ca_file: str) -> None:
        self._ca_file = ca_file
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        """Give the connections a context that has the CA; requests adds the public ones."""
        context = ssl.create_default_context()
        context.load_verify_locations(self._ca_file)
        super().init_poolmanager(*arguments, ssl_context=context, **more)


def _post(entry: Mapping[str, Any], message: KeeperMessage, ca_file: str | None) -> None:
    alert = {
        "id": message.id,
        "message": message.text,
        "details": message.text,
        "time": rfc3339(message.time_ns),
        "level": message.level,
        "previousLevel": message.previous_level,
    }
    try:
        with requests.Session() as session:
            session.trust_env = False
            verify = entry.get("verify", True)
            if ca_file is not None and verify:
                session.mount("https://", _PrivateAuthority(ca_file))
            response = session.post(
                entry["url"],
                json=alert,
                headers=entry.get("headers"),
                auth=basic_login(entry["username"], entry.get("password", "")) if entry.get("username") else None,
                verify=verify,
                timeout=_TIMEOUT_S,
                # A body that does not end would be waited for.
                stream=True,
            )
    except requests.exceptions.RequestException as error:
        raise MessengerError(f"{type(error).__name__}") from error
    if response.status_code >= 300:
        raise MessengerError(f"{response.status_code} {response.reason}")


def _mail(entry: Mapping[str, Any], message: KeeperMessage, ca_file: str | None) -> None:
    mail = EmailMessage()
    mail["Subject"] = f"{message.level}: {message.text.splitlines()[0][:150]}"
    mail["From"] = entry["from"]
    mail["To"] = ", ".join(entry["to"])
    mail["Date"] = datetime.now(UTC)
    mail.set_content(f"{message.text}\n\nsince {rfc3339(message.time_ns)}\n")
    tls, port = entry.get("tls", "auto"), int(entry.get("port", 25))
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    if not entry.get("verify", True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if tls == "tls" or (tls == "auto" and port == _SMTPS_PORT):
            server: smtplib.SMTP = smtplib.SMTP_SSL(entry["host"], port, timeout=_TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(entry["host"], port, timeout=_TIMEOUT_S)
        with server:
            server.ehlo_or_helo_if_needed()
            is_offered = tls == "auto" and port != _SMTPS_PORT and server.has_extn("starttls")
            if tls == "starttls" or is_offered:
                server.starttls(context=context)
            if entry.get("username"):
                server.login(entry["username"], entry.get("password", ""))
            server.send_message(mail)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise MessengerError(f"{type(error).__name__}: {error}") from error


@dataclass(slots=True)
class Outbox:
    """What waits to be sent, for each messenger.

    Attributes:
        senders: the messengers by name.
        say: gets each line for people.
    """

    senders: Mapping[str, Send]
    say: Callable[[str], None]
    _waiting: dict[str, list[KeeperMessage]] = field(default_factory=dict)
    _backoffs: dict[str, Backoff] = field(default_factory=dict)

    def add(self, messages: Sequence[KeeperMessage]) -> None:
        """Let messages wait for all messengers."""
        for name in self.senders:
            waiting = self._waiting.setdefault(name, [])
            waiting += messages
            if len(waiting) > _MOST_WAITING:
                many = counted(len(waiting) - _MOST_WAITING, "message")
                self.say(f"dropped {many} to {name}: it cannot be reached")
                del waiting[:-_MOST_WAITING]

    def send(self, now_ns: int) -> None:
        """Send what waits, in order; a messenger that fails, or is slow, gets the rest later."""
        for name, send in self.senders.items():
            backoff = self._backoffs.setdefault(name, Backoff())
            end_s = time.monotonic() + _SENDING_S
            while self._waiting.get(name) and backoff.ready(now_ns) and time.monotonic() < end_s:
                message = self._waiting[name][0]
                try:
                    send(message)
                except Exception as error:
                    # An entry of which no message can be made must not end the keeper.
                    self.say(f"{name} did not take {message.id!r} ({str(error) or repr(error)}); it is tried again")
                    backoff.attempted(now_ns)
                else:
                    backoff.reset()
                    del self._waiting[name][0]

    def state(self) -> dict[str, Any]:
        """Return what waits, as JSON."""
        return {name: [asdict(message) for message in waiting] for name, waiting in self._waiting.items() if waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Let wait what an earlier process could not send.

        Raises:
            TypeError: the state is not of this layout.
        """
        self._waiting = {
            name: [KeeperMessage(**message) for message in waiting]
            for name, waiting in state.items()
            if name in self.senders
        }


def read_messengers(path: Path, ca_file: str | None = None) -> dict[str, Send]:
    """Read the messengers of a file: JSON, name to entry.

    Args:
        path: the file.
        ca_file: a CA that is trusted beside the public ones; None: only these.

    Raises:
        MessengerError: a file cannot be read, or an entry is not one.
    """
    if ca_file is not None:
        try:
            ssl.create_default_context().load_verify_locations(ca_file)
        except OSError as error:
            raise MessengerError(f"the CA file {ca_file} cannot be used: {error}") from error
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {name: _named(name, entry, ca_file) for name, entry in entries.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise MessengerError(f"{path} cannot be read: {error}") from error
