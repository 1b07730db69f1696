"""The roles' part of a rotation of secrets, against a real InfluxDB and a real Kapacitor that ask for passwords."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import InfluxApi
from ansible_collections.influx_anomaly.stack.plugins.modules import kapacitor_subscriptions

from daemons.influxd import Influxd
from daemons.kapacitord import Kapacitord, wait_until
from daemons.playbook import PlaybookRun, run_playbook
from tests.integration.ports import free_port
from tests.integration.waiting import PATIENCE_S

pytestmark = pytest.mark.containers

ROTATED = [f"influxdb_{user}_password" for user in ("admin", "kapacitor", "trainer", "writer", "reader")]
ROTATED += ["kapacitor_admin_password"]


def role(name: str, entry: str) -> dict[str, Any]:
    return {"ansible.builtin.import_role": {"name": name, "tasks_from": entry, "rolespec_validate": False}}


def play(folder: Path, tasks: list[dict[str, Any]], **variables: Any) -> PlaybookRun:
    """Run tasks on this machine, as the only host of a stack whose secrets lie in the folder."""
    play = {"hosts": "localhost", "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    known = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "secrets_dir": str(folder / "secrets"),
        **variables,
    }
    groups = {name: {"hosts": {"localhost": None}} for name in ("influxdb", "kapacitor")}
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"children": groups, "vars": known}}))
    return run_playbook(str(folder / "play.yml"), inventory, folder / "log")


def secrets(folder: Path) -> dict[str, str]:
    return {name: (folder / "secrets" / name).read_text().strip() for name in ROTATED}


def port(url: str) -> int:
    match = re.search(r":(\d+)", url.partition("//")[2])
    assert match
    return int(match[1])


def test_an_interrupted_rotation_ends_with_the_old_secrets_refused(
    influxd: Influxd, kapacitord: Callable[..., Kapacitord], tmp_path: Path
) -> None:
    influxd.stop()
    config = tmp_path / "influxdb" / "influxdb.conf"
    config.write_text(config.read_text().replace("[http]", "[http]\n  auth-enabled = true"))
    influxd.start()
    kapacitor = kapacitord(more="[auth]\n  enabled = true\n  bcrypt-cost = 4\n")
    ports = {"influxdb_port": port(influxd.url), "kapacitor_port": port(kapacitor.url)}
    assert play(tmp_path, [role("secrets", "main"), role("influxdb", "schema")], **ports).returncode == 0
    old = secrets(tmp_path)
    admin = {"name": "admin", "password": old["kapacitor_admin_password"], "type": "admin"}
    assert kapacitor.call("POST", "/users", admin).status == 200
    kapacitor.stop()
    config = tmp_path / "kapacitor" / "kapacitor.conf"
    asking = '[http]\n  auth-enabled = true\n  shared-secret = "a-shared-secret"'
    config.write_text(config.read_text().replace("[http]", asking))
    kapacitor.start()

    begin = {"secrets_rotate": {"folder": "{{ secrets_dir }}", "names": ROTATED, "length": 40}}
    ports["kapacitor_port"] = port(kapacitor.url)
    interrupted = play(tmp_path, [begin, role("secrets", "existing"), role("rotate", "finish")], **ports)

    assert interrupted.returncode != 0
    for name in ROTATED:
        assert f"still takes the old {name} (HTTP 20" in interrupted.text
        assert (tmp_path / "secrets" / ".previous" / name).read_text().strip() == old[name]
    new = secrets(tmp_path)
    assert not [name for name in ROTATED if new[name] == old[name]]

    services = [role("influxdb", "schema"), role("kapacitor", "previous")]
    done = play(tmp_path, [begin, role("secrets", "existing"), *services, role("rotate", "finish")], **ports)

    assert done.returncode == 0, done.output
    assert secrets(tmp_path) == new
    assert not (tmp_path / "secrets" / ".previous").exists()
    assert "InfluxDB, user writer: " in done.text
    told = interrupted.output + done.output
    assert not [name for name in ROTATED if old[name] in told or new[name] in told]


def subscribed_tokens(influx: InfluxApi) -> list[str]:
    """The tokens in the destinations of all subscriptions."""
    return [urlsplit(url).password or "" for row in influx.rows("SHOW SUBSCRIPTIONS") for url in row["destinations"]]


def taken(kapacitor: Kapacitord, token: str) -> int:
    """What Kapacitor answers to a point that comes with a token, as InfluxDB hands it on."""
    place, login = {"db": "db", "rp": "autogen", "precision": "ns"}, ("~subscriber", token)
    url = f"{kapacitor.url}/write"
    return requests.post(url, params=place, auth=login, data=b"m value=1 1", timeout=PATIENCE_S).status_code


def test_removed_subscriptions_get_new_tokens_and_the_old_ones_are_refused(
    influxd: Influxd, kapacitord: Callable[..., Kapacitord], tmp_path: Path
) -> None:
    """As the role kapacitor removes them, while Kapacitor is down."""
    influxd.create("db")
    influx = InfluxApi(influxd.url)
    place = free_port()
    kapacitor = kapacitord(influxdb=influxd.url, port=place, more="[auth]\n  enabled = true\n  bcrypt-cost = 4\n")
    kapacitor.stop()
    config = tmp_path / "kapacitor" / "kapacitor.conf"
    asking = '[http]\n  auth-enabled = true\n  shared-secret = "a-shared-secret"'
    subscribing = f'http-port = {place}\n\n[influxdb.subscriptions]\n  db = ["autogen"]'
    text = config.read_text().replace("[http]", asking).replace("disable-subscriptions = true", subscribing)
    config.write_text(text)
    kapacitor.start()
    (old,) = wait_until(lambda: subscribed_tokens(influx), "a subscription")
    assert taken(kapacitor, old) == 204

    kapacitor.stop()
    gone: dict[str, Any] = {
        "state": "absent",
        "name": None,
        "destination": f"http://localhost:{place}",
        "expected": {},
        "wait": 0,
    }
    assert len(kapacitor_subscriptions.run(influx, gone, check_mode=False)["removed"]) == 1
    kapacitor.start()

    (new,) = wait_until(lambda: subscribed_tokens(influx), "the subscription anew")
    assert (taken(kapacitor, new), taken(kapacitor, old)) == (204, 401)
