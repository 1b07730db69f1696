"""Handlers of alerts that nothing would come to, or that would not work, are told before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ansible.inventories import PIPELINE, inventory
from tests.ansible.test_preflight_inventory import problems, the_problem

POST: dict[str, Any] = {"id": "web", "kind": "post", "options": {"url": "http://hook.example/T0KEN"}}


def with_handlers(*handlers: Any, **more: Any) -> dict[str, Any]:
    return {"kapacitor_alert_handlers": list(handlers), **more}


MAIL: dict[str, Any] = {"kind": "smtp", "host": "h", "from": "a@x", "to": ["b@x"]}


@pytest.mark.parametrize(
    ("handler", "more"),
    [
        (POST, {}),
        ({**POST, "notify": "incidents"}, {}),
        ({**POST, "notify": "both", "topic": "anomaly"}, {}),
        ({"id": "file", "kind": "log", "options": {"path": "/var/log/kapacitor/alerts.log"}}, {}),
        ({"id": "all", "kind": "publish", "options": {"topics": ["all"]}}, {}),
        ({**POST, "topic": "workshop"}, {"pipelines": [{**PIPELINE, "alerts": {"topic": "workshop"}}]}),
        ({"id": "mail", "kind": "smtp"}, {"kapacitor_alert_services": {"smtp": {"from": "a@example.org"}}}),
        ({"id": "chat", "kind": "slack"}, {"kapacitor_alert_services": {"slack": [{"url": "http://x"}]}}),
        (
            {"id": "named", "kind": "post", "options": {"endpoint": "a"}},
            {"kapacitor_alert_services": {"httppost": {"endpoint": "a", "url": "http://a"}}},
        ),
    ],
)
def test_in_order(handler: dict[str, Any], more: dict[str, Any]) -> None:
    assert problems(inventory(each=with_handlers(handler, stack_name="anomaly", **more))) == []


def test_a_handler_may_listen_to_what_another_one_publishes() -> None:
    publish = {"id": "all", "kind": "publish", "options": {"topics": ["all"]}}
    assert problems(inventory(each=with_handlers(publish, {**POST, "topic": "all"}))) == []


def test_a_handler_may_listen_to_a_tickscript_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "udfs" / "moving"
    folder.mkdir(parents=True)
    (folder / "moving.py").write_text("udf = None\n")
    (folder / "job.tick").write_text("stream|from()@moving()|alert().topic('mine')")
    udfs = {"moving": {"tasks": [{"name": "job", "database": "db"}]}}
    checked = inventory(each=with_handlers({**POST, "topic": "mine"}, kapacitor_udfs=udfs))
    assert problems(checked, root=tmp_path) == []


@pytest.mark.parametrize(
    ("handlers", "wrong", "fix"),
    [
        ([{**POST, "topic": "anomly"}], "nothing alerts on this topic", "one of anomaly, or set alerts.topic"),
        ([{**POST, "notify": "incident"}], "value of notify must be one of: periods, incidents, both", "correct that"),
        (
            [{"id": "all", "kind": "publish", "options": {"topics": ["a"]}}, {**POST, "topic": "a", "notify": "both"}],
            "incidents are told on the topic of the stack, and not on a", "remove topic, or notify",
        ),
        ([POST, POST], "another handler of the topic has this id", "an id of its own"),
        ([{**POST, "id": "a b"}], "Kapacitor takes no such id", "letters, digits"),
        ([{**POST, "kind": "exec"}], "would run a program inside Kapacitor's container", "post to a service"),
        ([{**POST, "kind": "pots"}], "Kapacitor has no such kind of handler", "did you mean post?"),
        ([{"id": "web", "kind": "post"}], "a handler of the kind post needs url", "add url: https://"),
        ([{**POST, "options": {**POST["options"], "timeout": "10s"}}], "takes whole nanoseconds", "10000000000"),
        ([{"id": "x", "kind": "tcp"}], "a handler of the kind tcp needs address", "add address: "),
        ([{"id": "x", "kind": "smtp"}], "needs a section of kapacitor.conf", "set kapacitor_alert_services.smtp"),
        (
            [{"id": "x", "kind": "log", "options": {"path": "/srv/alerts.log"}}],
            "Kapacitor's container cannot write there", "a file in /var/log/kapacitor/",
        ),
        (
            [{"id": "x", "kind": "post", "options": {"endpoint": "a"}}],
            "there is no such endpoint", "add it to kapacitor_alert_services.httppost",
        ),
        ([{"id": "x"}], "missing required arguments: kind", "correct that part of it"),
        ([{**POST, "options": "T0KEN"}], "unable to convert to dict", "correct that part of it"),
    ],
)  # fmt: skip
def test_a_handler_that_would_not_work(handlers: list[Any], wrong: str, fix: str) -> None:
    problem = the_problem(inventory(each=with_handlers(*handlers, stack_name="anomaly")))
    assert problem.startswith("kapacitor_alert_handlers")
    assert wrong in problem
    assert fix in problem
    assert "T0KEN" not in problem


@pytest.mark.parametrize(
    ("services", "wrong", "fix"),
    [
        ({"smpt": {}}, "has no such section", "did you mean smtp?"),
        ({"smtp": [{"from": "a@example.org"}]}, "there can be only one", "a mapping of its options"),
        ({"slack": ["T0KEN"]}, "is not a mapping", "the section's options"),
        ({"slack": {"channel": "#T0KEN"}}, "Kapacitor needs url to start", "add url"),
        ({"smtp": {"host": "T0KEN"}}, "Kapacitor needs from to start", "add from"),
        ({"telegram": {"token": "T0KEN", "parse-mode": "HTML"}}, "parse-mode = HTML: Telegram refuses", "plain text"),
    ],
)
def test_a_section_that_would_not_work(services: dict[str, Any], wrong: str, fix: str) -> None:
    problem = the_problem(inventory(each={"kapacitor_alert_services": services}))
    assert problem.startswith("kapacitor_alert_services.")
    assert wrong in problem
    assert fix in problem
    assert "T0KEN" not in problem


def test_a_handler_of_telegram_sends_plain_text() -> None:
    chat = {"id": "chat", "kind": "telegram", "options": {"chat-id": "1"}}
    section = {"telegram": {"token": "T0KEN"}}
    assert problems(inventory(each=with_handlers(chat, kapacitor_alert_services=section))) == []
    formatted = {**chat, "options": {"parse-mode": "Markdown"}}
    problem = the_problem(inventory(each=with_handlers(formatted, kapacitor_alert_services=section)))
    assert problem.startswith("kapacitor_alert_handlers.chat.options.parse-mode = Markdown: Telegram refuses a message")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "slack"}, "the keeper has no such kind of messenger. Fix: one of post, smtp"),
        ("http://x", "the keeper has no such kind of messenger"),
        ({"kind": "post"}, "a messenger of the kind post needs url"),
        ({"kind": "smtp", "host": "h", "from": "a@x"}, "a messenger of the kind smtp needs to"),
        ({"kind": "smtp", "host": "h", "from": "a@x", "to": "b@x"}, "write [b@x]"),
        (MAIL | {"tls": "ssl"}, "oncall.tls = ssl: the keeper has no such way to encrypt. Fix: "),
        (MAIL | {"tls": False}, "oncall.tls = false"),
        (MAIL | {"port": 0}, "oncall.port = 0: is not a port. Fix: a number from 1 to 65535, such as 25"),
        (MAIL | {"port": 70_000}, "oncall.port = 70000"),
        (MAIL | {"port": "smtp"}, "oncall.port = smtp"),
        (MAIL | {"port": None}, "oncall.port = null"),
    ],
)
def test_a_messenger_that_cannot_send_is_told(entry: Any, said: str) -> None:
    assert said in the_problem(inventory(each={"keeper_messengers": {"oncall": entry}}))


def test_messengers_in_order() -> None:
    given = {
        "a": {"kind": "post", "url": "http://h"},
        "b": MAIL,
        "c": MAIL | {"tls": "starttls", "port": 587},
        "d": MAIL | {"tls": "tls", "port": "465"},
    }
    assert problems(inventory(each={"keeper_messengers": given})) == []
