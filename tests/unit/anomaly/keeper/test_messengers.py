"""Messages through a real HTTP receiver and a real mail server on the loopback interface."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler

from anomaly.keeper.alarms import KeeperMessage
from anomaly.keeper.messengers import MessengerError, Outbox, messenger, read_messengers
from daemons.daemon import WAIT
from daemons.kapacitord import AlertReceiver
from tests.integration.ports import free_port

SECOND = 1_000_000_000
DOWN = KeeperMessage(
    "detection kapacitor", "CRITICAL", "OK", 1_704_067_200 * SECOND, "detection is down (kapacitor): gone"
)


class Mails(MailHandler):
    """Keeps the mails that arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append(message_from_bytes(bytes(message), policy=default))


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    receiver = AlertReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def mails() -> Iterator[tuple[Mails, int]]:
    mails = Mails()
    controller = Controller(mails, hostname="127.0.0.1", port=free_port(), ready_timeout=WAIT)
    controller.start()
    yield mails, controller.port
    controller.stop()


@pytest.fixture
def mails_with_tls(tmp_path: Path) -> Iterator[tuple[Mails, int]]:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    subprocess.run(["openssl", "req", "-x509", *kind, *names, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    mails = Mails()
    controller = Controller(
        mails, hostname="127.0.0.1", port=free_port(), ready_timeout=WAIT, tls_context=context, require_starttls=True
    )
    controller.start()
    yield mails, controller.port
    controller.stop()


def test_a_post_is_an_alert_as_kapacitor_posts_it(receiver: AlertReceiver) -> None:
    messenger({"kind": "post", "url": receiver.url})(DOWN)
    assert receiver.bodies == [
        {
            "id": "detection kapacitor",
            "message": "detection is down (kapacitor): gone",
            "details": "detection is down (kapacitor): gone",
            "time": "2024-01-01T00:00:00Z",
            "level": "CRITICAL",
            "previousLevel": "OK",
        }
    ]


def test_a_mail_says_it_in_its_subject(mails: tuple[Mails, int]) -> None:
    arrived, port = mails
    entry = {"kind": "smtp", "host": "127.0.0.1", "port": port, "from": "keeper@example.org"}
    messenger({**entry, "to": ["ops@example.org", "night@example.org"]})(DOWN)
    (mail,) = arrived.mails
    assert mail["Subject"] == "CRITICAL: detection is down (kapacitor): gone"
    assert (mail["From"], mail["To"]) == ("keeper@example.org", "ops@example.org, night@example.org")
    assert mail.get_content() == "detection is down (kapacitor): gone\n\nsince 2024-01-01T00:00:00Z\n"
    assert mail["Date"]


def test_tls_is_used_where_the_server_offers_it_and_a_false_certificate_is_refused(
    mails_with_tls: tuple[Mails, int],
) -> None:
    arrived, port = mails_with_tls
    entry = {"kind": "smtp", "host": "127.0.0.1", "port": port, "from": "a@example.org", "to": ["b@example.org"]}
    with pytest.raises(MessengerError, match="certificate verify failed"):
        messenger(entry)(DOWN)
    messenger({**entry, "tls": "starttls", "verify": False})(DOWN)
    messenger({**entry, "verify": False})(DOWN)
    assert [(mail["X-Peer"] is not None, mail["Subject"]) for mail in arrived.mails] == [
        (True, "CRITICAL: detection is down (kapacitor): gone")
    ] * 2


def test_a_private_authority_is_trusted_beside_the_public_ones(
    mails_with_tls: tuple[Mails, int], tmp_path: Path, receiver: AlertReceiver
) -> None:
    """For mail and for HTTP; a name that the certificate lacks stays refused."""
    arrived, port = mails_with_tls
    entry = {"kind": "smtp", "host": "127.0.0.1", "port": port, "from": "a@example.org", "to": ["b@example.org"]}
    ca_file = str(tmp_path / "certificate.pem")
    messenger(entry, ca_file)(DOWN)
    assert len(arrived.mails) == 1
    with pytest.raises(MessengerError, match="certificate verify failed"):
        messenger({**entry, "host": "localhost"}, ca_file)(DOWN)
    messenger({"kind": "post", "url": receiver.url}, ca_file)(DOWN)
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secured.load_cert_chain(ca_file, tmp_path / "key.pem")
    receiver.secure(secured)
    url = receiver.url.replace("http://", "https://")
    with pytest.raises(MessengerError, match="SSLError"):
        messenger({"kind": "post", "url": url})(DOWN)
    messenger({"kind": "post", "url": url}, ca_file)(DOWN)
    assert len(receiver.bodies) == 2


def test_a_ca_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "messengers.json").write_text("{}")
    (tmp_path / "empty.pem").write_text("")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(MessengerError, match=f"the CA file .*{name} cannot be used"):
            read_messengers(tmp_path / "messengers.json", str(tmp_path / name))


def test_a_mail_server_without_tls_is_refused_if_tls_is_asked_for(mails: tuple[Mails, int]) -> None:
    arrived, port = mails
    entry = {"kind": "smtp", "host": "127.0.0.1", "port": port, "from": "a@example.org", "to": ["b@example.org"]}
    with pytest.raises(MessengerError, match="STARTTLS"):
        messenger({**entry, "tls": "starttls"})(DOWN)
    assert arrived.mails == []


def test_a_kind_of_tls_that_is_none_is_refused() -> None:
    entry = {"kind": "smtp", "host": "a", "from": "b", "to": ["c"], "tls": "ssl"}
    with pytest.raises(MessengerError, match=r"`tls: ssl` of a messenger is none of auto, tls, starttls, none"):
        messenger(entry)


def test_a_text_cannot_add_headers_to_a_mail(mails: tuple[Mails, int]) -> None:
    arrived, port = mails
    entry = {"kind": "smtp", "host": "127.0.0.1", "port": port, "from": "a@example.org", "to": ["b@example.org"]}
    hostile = KeeperMessage("x", "CRITICAL", "OK", 0, "one\rX-Two: y\nBcc: c@example.org")
    messenger(entry)(hostile)
    (mail,) = arrived.mails
    assert mail["Bcc"] is None
    assert mail["X-Two"] is None


def test_what_does_not_arrive_waits_in_order_and_outlives_the_process(receiver: AlertReceiver) -> None:
    arriving = [False]
    post = messenger({"kind": "post", "url": receiver.url})

    def send(message: KeeperMessage) -> None:
        if not arriving[0]:
            raise MessengerError("503 Service Unavailable")
        post(message)

    said: list[str] = []
    outbox = Outbox({"oncall": send}, said.append)
    outbox.add([DOWN, KeeperMessage("detection kapacitor", "OK", "CRITICAL", 0, "detection is back")])
    outbox.send(0)
    assert said == ["oncall did not take 'detection kapacitor' (503 Service Unavailable); it is tried again"]
    arriving[0] = True
    outbox.send(9 * SECOND)
    assert receiver.bodies == []
    again = Outbox({"oncall": send}, said.append)
    again.restore(json.loads(json.dumps(outbox.state())))
    again.send(10 * SECOND)
    assert [body["level"] for body in receiver.bodies] == ["CRITICAL", "OK"]
    assert again.state() == {}


def test_more_than_can_wait_is_dropped_and_that_is_said() -> None:
    def refuse(message: KeeperMessage) -> None:
        raise MessengerError("gone")

    said: list[str] = []
    outbox = Outbox({"oncall": refuse}, said.append)
    outbox.add([KeeperMessage(str(number), "INFO", "OK", 0, "x") for number in range(103)])
    assert said == ["dropped 3 messages to oncall: it cannot be reached"]
    assert [message["id"] for message in outbox.state()["oncall"]] == [str(number) for number in range(3, 103)]


@pytest.mark.parametrize(
    "entry", [{"kind": "pager"}, {"kind": "post"}, {"kind": "smtp", "host": "mail.example.org", "to": ["a"]}]
)
def test_an_entry_that_is_not_one_is_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    (tmp_path / "messengers.json").write_text(json.dumps({"oncall": entry}))
    with pytest.raises(MessengerError, match=r"^oncall: .*write `kind: post` with `url`, or `kind: smtp`"):
        read_messengers(tmp_path / "messengers.json")


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "messengers.json").write_text("[")
    with pytest.raises(MessengerError, match=r"messengers\.json cannot be read"):
        read_messengers(tmp_path / "messengers.json")


def test_a_slow_receiver_gets_the_rest_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    sent: list[str] = []

    def slow(message: KeeperMessage) -> None:
        sent.append(message.id)
        clock[0] += 9

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    outbox = Outbox({"slow": slow}, lambda line: None)
    outbox.add([replace(DOWN, id=name) for name in "abcd"])
    outbox.send(0)
    assert sent == ["a", "b"]
    outbox.send(1)
    assert sent == ["a", "b", "c", "d"]


def test_an_entry_of_which_no_message_can_be_made_ends_nothing() -> None:
    said: list[str] = []
    wrong = messenger({"kind": "smtp", "host": "127.0.0.1", "from": "a@example.org", "to": [7]})
    outbox = Outbox({"wrong": wrong}, said.append)
    outbox.add([DOWN])
    outbox.send(0)
    assert len(said) == 1
    assert said[0].startswith("wrong did not take 'detection kapacitor' (")
    assert outbox.state()["wrong"]


def test_the_answer_to_a_post_is_not_waited_for() -> None:
    ended, late = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                late.append(not ended.wait(60))

        thread = threading.Thread(target=answer)
        thread.start()
        messenger({"kind": "post", "url": f"http://127.0.0.1:{server.getsockname()[1]}/"})(DOWN)
        ended.set()
        thread.join()
    assert late == [False]
