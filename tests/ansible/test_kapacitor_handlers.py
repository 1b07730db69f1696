"""The module kapacitor_handlers, its findings for verify.yml and the alert sections, with a real kapacitord."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.filter.kapacitor import handler_findings
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import Kapacitor
from ansible_collections.influx_anomaly.stack.plugins.modules import kapacitor_handlers
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.kapacitor_conf import sections

from daemons.binaries import binary
from daemons.kapacitord import Kapacitord
from tests.ansible.rendering import render, value

MODULE: Any = kapacitor_handlers

ROOT = Path(__file__).resolve().parents[2]
SECRET = "https://hooks.example/T0KEN"
Run = Callable[..., dict[str, Any]]


def handler(handler_id: str = "web", topic: str = "anomaly", match: str = "", **options: Any) -> dict[str, Any]:
    """As the role hands it to the module."""
    text = json.dumps(options or {"url": SECRET})
    return {"id": handler_id, "topic": topic, "kind": "post", "options": text, "match": match}


def test_changes_follow_from_existing_and_described_handlers() -> None:
    places = ("t", "a"), ("t", "b"), ("t", "c")
    one, two = {"kind": "post"}, {"kind": "log"}
    there = {places[0]: one, places[1]: one}
    assert MODULE.plan(there, {places[1]: two, places[2]: one}) == [
        ("removed", places[0]),
        ("updated", places[1]),
        ("created", places[2]),
    ]
    assert MODULE.plan(there, there) == []


@pytest.mark.parametrize(
    ("handlers", "message"),
    [
        ([{**handler(), "options": "{"}], "the options of 'web' are not JSON"),
        ([{**handler(), "options": "3"}], "the options of 'web' are no JSON object"),
        ([handler(), handler()], "'web' is there twice for topic 'anomaly'"),
    ],
)
def test_wrong_descriptions_are_refused(handlers: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(MODULE.HandlerError, match=message):
        MODULE.described("ours.", handlers)


def test_the_inventorys_handlers_as_the_module_takes_them() -> None:
    listed = [{"id": "web", "kind": "post", "options": {"url": SECRET}}, {"id": "x", "kind": "log", "topic": "t"}]
    assert value("__kapacitor_handlers", "kapacitor", kapacitor_alert_handlers=listed, stack_name="s") == [
        {"id": "web", "kind": "post", "options": json.dumps({"url": SECRET}), "topic": "s"},
        {"id": "x", "kind": "log", "options": "{}", "topic": "t"},
    ]


def test_findings_name_topics_and_changes() -> None:
    result = {
        "actions": [],
        "topics": [{"id": "anomaly", "handlers": ["influx-anomaly.web"]}, {"id": "t", "handlers": []}],
    }
    (found,) = handler_findings(result)
    assert found["ok"]
    assert "anomaly: influx-anomaly.web; t: nobody" in found["what"]
    assert "created anomaly/x" in handler_findings({"actions": ["created anomaly/x"], "topics": []})[0]["problem"]
    assert handler_findings({"msg": "refused"})[0] | {"what": ""} == {"what": "", "ok": False, "problem": "refused"}


class TestSections:
    SERVICES: dict[str, Any] = {  # noqa: RUF012 - read only
        "smtp": {
            "host": "mail.example",
            "port": 587,
            "password": 'q"u\\ote',
            "from": "a@example.org",
            "to": ["b@example.org"],
        },
        "slack": {"url": SECRET, "channel": "#alerts"},
        "httppost": [
            {"endpoint": "a", "url": "http://a", "headers": {"X-Key": "é"}},
            {"endpoint": "b", "url": "http://b"},
        ],
        "teams": {"enabled": False},
    }

    def test_are_enabled_and_a_single_one_is_the_default(self) -> None:
        found = tomllib.loads(sections(self.SERVICES))
        assert found["smtp"] == {"enabled": True, **self.SERVICES["smtp"]}
        assert found["slack"] == [{"enabled": True, "default": True, **self.SERVICES["slack"]}]
        assert found["httppost"] == self.SERVICES["httppost"]
        assert found["teams"] == {"enabled": False}

    def test_several_sections_have_no_default(self) -> None:
        found = tomllib.loads(sections({"slack": [{"workspace": "a"}, {"workspace": "b", "default": True}]}))
        assert [entry.get("default") for entry in found["slack"]] == [None, True]

    def test_stand_in_kapacitors_configuration(self) -> None:
        template = "roles/kapacitor/templates/kapacitor.conf.j2"
        conf = tomllib.loads(render(template, "kapacitor", kapacitor_alert_services=self.SERVICES))
        assert conf["smtp"]["password"] == self.SERVICES["smtp"]["password"]
        assert conf["udf"]["functions"]["anomaly"]
        assert "smtp" not in tomllib.loads(render(template, "kapacitor"))


@pytest.fixture(scope="module")
def kapacitord(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kapacitord]:
    directory = tmp_path_factory.mktemp("kapacitord")
    program = binary("kapacitord", "kapacitor", directory)
    with Kapacitord(program, directory / "data", {}, environment={}, more=sections(TestSections.SERVICES)) as running:
        yield running


@pytest.fixture
def run(kapacitord: Kapacitord) -> Iterator[Run]:
    """Calls the module; afterwards none of its handlers is left."""
    api = Kapacitor(kapacitord.url.removesuffix("/kapacitor/v1"))

    def call(*handlers: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = MODULE.run(api, {"prefix": "ours.", "handlers": handlers}, check_mode)
        return found

    yield call
    call()


@pytest.mark.containers
class TestAgainstKapacitor:
    def test_handlers_are_created_updated_and_removed(self, run: Run, kapacitord: Kapacitord) -> None:
        assert run(handler())["actions"] == ["created anomaly/ours.web"]
        assert not run(handler())["changed"]
        assert run(handler(match="level() == CRITICAL"))["actions"] == ["updated anomaly/ours.web"]
        there = kapacitord.call("GET", "/alerts/topics/anomaly/handlers/ours.web").json
        assert (there["kind"], there["options"], there["match"]) == ("post", {"url": SECRET}, "level() == CRITICAL")
        moved = run(handler("web", "other"))
        assert moved["actions"] == ["removed anomaly/ours.web", "created other/ours.web"]
        assert run()["actions"] == ["removed other/ours.web"]
        assert not run()["changed"]

    def test_check_mode_changes_nothing(self, run: Run, kapacitord: Kapacitord) -> None:
        assert run(handler(topic="unheard"), check_mode=True)["actions"] == ["created unheard/ours.web"]
        assert not [topic for topic in run()["topics"] if topic["id"] == "unheard"]

    def test_the_handlers_of_others_stay(self, run: Run, kapacitord: Kapacitord) -> None:
        theirs = {"id": "theirs", "kind": "log", "options": {"path": "/var/log/alerts.log"}}
        assert kapacitord.call("POST", "/alerts/topics/anomaly/handlers", theirs).status == 200
        run(handler())
        (topic,) = [topic for topic in run()["topics"] if topic["id"] == "anomaly"]
        assert topic["handlers"] == ["ours.web", "theirs"]
        assert kapacitord.call("GET", "/alerts/topics/anomaly/handlers/theirs").status == 200

    def test_the_diff_names_options_and_shows_no_values(self, run: Run) -> None:
        run(handler(url=SECRET, timeout=10**9))
        diff = run(handler(url=SECRET + "2", timeout=10**9, match="TRUE"), check_mode=True)["diff"]
        assert diff == {
            "before": "anomaly/ours.web: post, options timeout, url (differs)\n",
            "after": "anomaly/ours.web: post, options timeout, url (differs), match TRUE\n",
        }

    def test_what_kapacitor_refuses_is_told_without_secrets(self, run: Run) -> None:
        with pytest.raises(
            MODULE.HandlerError, match=r"refuses the handler 'ours.web' of topic 'anomaly': .*template"
        ) as raised:
            run(handler(url="https://hooks.example/{{ .T0KEN"))
        assert "T0KEN" not in str(raised.value)

    def test_kapacitor_takes_the_sections(self, run: Run) -> None:
        kinds = [
            {"id": kind, "topic": "anomaly", "kind": kind, "options": "{}", "match": ""} for kind in ("smtp", "slack")
        ]
        assert len(run(*kinds, handler("named", endpoint="a"))["actions"]) == 3

    def test_through_ansible_no_secret_is_shown(self, run: Run, kapacitord: Kapacitord) -> None:
        handlers = [handler(url=SECRET, headers={"Authorization": "Bearer T0KEN"})]
        arguments = {"url": kapacitord.url.removesuffix("/kapacitor/v1"), "prefix": "ours.", "handlers": handlers}
        command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-vvv", "--diff", "-m", "kapacitor_handlers"]
        done = subprocess.run(
            [*command, "-a", json.dumps(arguments)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "created anomaly/ours.web" in done.stdout
        assert "options headers, url" in done.stdout
        assert "T0KEN" not in done.stdout + done.stderr
