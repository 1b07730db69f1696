"""What "secure as delivered" promises, read back from the engine, the logs and the network."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from docker.models.containers import Container

from tests.integration.influx import InfluxError
from tests.integration.playbook import ANSIBLE_PLAYBOOK, ROOT
from tests.integration.results import Results
from tests.integration.stack import Stack
from tests.integration.waiting import PATIENCE_S

# Logs and outputs are worth reading when everything has run once.
pytestmark = pytest.mark.usefixtures("results")


def _processes(container: Container, file: str) -> Iterator[tuple[Path, str]]:
    """A file in /proc of each process of a container, with its content.

    Health checks and jobs end at any time, and are left out then; the first process stays.
    """
    top = container.top(ps_args="-eo pid")
    found = 0
    for pid, *_ in top["Processes"]:
        path = Path("/proc") / pid / file
        try:
            content = path.read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += 1
        yield path, content
    assert found, f"no process of {container.name} was seen"


def test_containers_run_as_numeric_users_that_are_not_root(stack: Stack) -> None:
    for service, container in stack.containers().items():
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", container.attrs["Config"]["User"]), service
        for process, status in _processes(container, "status"):
            uids = re.search(r"^Uid:\t(.*)$", status, re.MULTILINE)
            assert uids, process
            assert "0" not in uids[1].split(), (service, process)


def test_containers_have_no_capabilities(stack: Stack) -> None:
    for service, container in stack.containers().items():
        host = container.attrs["HostConfig"]
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert not host["Privileged"], service
        for process, status in _processes(container, "status"):
            for kind in ("Prm", "Eff", "Bnd"):
                assert re.search(rf"^Cap{kind}:\t0+$", status, re.MULTILINE), (service, process, status)


def test_containers_gain_no_new_privileges(stack: Stack) -> None:
    for service, container in stack.containers().items():
        assert any(option.startswith("no-new-privileges") for option in container.attrs["HostConfig"]["SecurityOpt"])
        for process, status in _processes(container, "status"):
            assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE), (service, process)


def test_root_file_systems_are_read_only(stack: Stack) -> None:
    for service, container in stack.containers().items():
        assert container.attrs["HostConfig"]["ReadonlyRootfs"], service
        code, output = container.exec_run(["sh", "-c", "echo x >/tmp/.. 2>&1; echo x >/etc/test 2>&1; echo x >/test"])
        assert code != 0, service
        assert b"ead-only file system" in output, (service, output)


def test_containers_have_limits(stack: Stack) -> None:
    for service, container in stack.containers().items():
        host = container.attrs["HostConfig"]
        assert 0 < host["Memory"] <= 2 << 30, service
        assert 0 < host["PidsLimit"] <= 1024, service


def test_container_logs_are_rotated(stack: Stack) -> None:
    for service, container in stack.containers().items():
        options = container.attrs["HostConfig"]["LogConfig"]["Config"]
        assert options.get("max-size"), service
        assert int(options.get("max-file", 0)) >= 1, service


def test_ports_are_published_on_loopback_only(stack: Stack) -> None:
    published = {}
    for service, container in stack.containers().items():
        for bindings in (container.attrs["HostConfig"]["PortBindings"] or {}).values():
            for binding in bindings:
                assert binding["HostIp"] == "127.0.0.1", (service, binding)
                published[int(binding["HostPort"])] = service
    assert published == {stack.ports[service]: service for service in stack.containers() if service != "keeper"}


def test_containers_see_nothing_of_the_host_but_their_folders(stack: Stack) -> None:
    for service, container in stack.containers().items():
        host = container.attrs["HostConfig"]
        for mode in ("PidMode", "UTSMode", "UsernsMode"):
            assert host[mode] == "", (service, mode)
        assert host["NetworkMode"] == stack.name, service
        for mount in container.attrs["Mounts"]:
            assert mount["Type"] in ("bind", "tmpfs"), (service, mount)
            if mount["Type"] == "bind":
                assert Path(mount["Source"]).is_relative_to(stack.dir), (service, mount)


def test_kapacitor_cannot_change_models_or_configuration(stack: Stack) -> None:
    mounts = {mount["Destination"]: mount["RW"] for mount in stack.container("kapacitor").attrs["Mounts"]}
    assert mounts["/var/lib/anomaly/models"] is False
    assert mounts["/etc/kapacitor"] is False


def test_the_keeper_can_change_models_and_nothing_that_others_made(stack: Stack) -> None:
    mounts = stack.container("keeper").attrs["Mounts"]
    writable = [mount["Destination"] for mount in mounts if mount["RW"]]
    assert sorted(writable) == ["/var/lib/anomaly/models", "/var/lib/keeper"]


def test_the_console_can_switch_models_and_change_none(stack: Stack) -> None:
    console = stack.container("console")
    assert [mount["Destination"] for mount in console.attrs["Mounts"] if mount["RW"]] == ["/var/lib/anomaly/models"]
    script = "cd /var/lib/anomaly/models/printer && ln -s nowhere .new-test && rm .new-test && : >>current/model.npz"
    code, output = console.exec_run(["sh", "-c", script])
    assert code != 0
    assert b"current/model.npz: Permission denied" in output


def test_the_keeper_has_no_way_to_the_engine(stack: Stack) -> None:
    """Its socket would be root on the host."""
    for mount in stack.container("keeper").attrs["Mounts"]:
        assert not Path(mount["Source"]).is_socket(), mount
    code, output = stack.container("keeper").exec_run(["sh", "-c", "find / -xdev -type s 2>/dev/null | grep docker"])
    assert (code, output) == (1, b"")


# Secrets


def test_secrets_are_long_and_all_different(stack: Stack) -> None:
    secrets = stack.secrets()
    assert len(set(secrets.values())) == len(secrets) >= 6
    for name, value in secrets.items():
        assert len(value) >= 20, name


def test_secrets_lie_in_files_that_only_their_owner_reads_and_git_ignores(stack: Stack) -> None:
    assert stack.secrets_dir.stat().st_mode & 0o777 == 0o700
    for path in stack.secrets_dir.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
        delivered = ROOT / "inventory" / "local" / path.relative_to(stack.inventory)
        assert subprocess.run(["git", "check-ignore", "-q", str(delivered)], cwd=ROOT, check=False).returncode == 0


def test_secrets_are_no_part_of_the_inventory(stack: Stack) -> None:
    """They lie in the inventory's folder, and Ansible takes a file that is not YAML for a list of hosts."""
    command = [str(ANSIBLE_PLAYBOOK.with_name("ansible-inventory")), "-i", str(stack.inventory), "--list"]
    listed = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert set(json.loads(listed.stdout)["_meta"]["hostvars"]) == {"localhost"}
    _assert_no_secret(stack, {"ansible-inventory": listed.stdout + listed.stderr})


def test_files_with_secrets_are_not_for_everyone(stack: Stack) -> None:
    """Anywhere below the stack's folder: if a file holds a secret, others may neither read it nor get to it."""
    values = stack.secrets().values()
    found = 0
    for path, content in stack.contents():
        if path.is_relative_to(stack.dir / "data") or not path.is_relative_to(stack.dir):
            continue
        if any(value.encode() in content for value in values):
            found += 1
            ways = [path, *(parent for parent in path.parents if parent.is_relative_to(stack.dir))]
            assert not path.stat().st_mode & 0o004 or any(not way.stat().st_mode & 0o001 for way in ways[1:]), path
    assert found, "at least Kapacitor's configuration holds one"


def test_no_secret_is_in_what_the_engine_tells(stack: Stack) -> None:
    told: dict[str, object] = {}
    for name, container in stack.containers().items():
        image = container.image
        assert image
        told |= {f"container {name}": container.attrs, f"image of {name}": image.attrs}
        told[f"history of {name}"] = image.history()
    told |= {f"network {name}": stack.client.networks.get(name).attrs for name in stack.on_engine()["networks"]}
    _assert_no_secret(stack, {where: json.dumps(what) for where, what in told.items()})


def test_no_secret_is_in_logs(stack: Stack) -> None:
    logs = {f"log of {name}": c.logs().decode(errors="replace") for name, c in stack.containers().items()}
    folder = stack.dir / "log"
    logs |= {str(path): each.decode(errors="replace") for path, each in stack.contents() if folder in path.parents}
    assert len(logs) >= 3
    _assert_no_secret(stack, logs)


def test_no_secret_is_in_ansibles_output(stack: Stack) -> None:
    assert len(stack.results) >= 4
    _assert_no_secret(stack, {str(result.log): result.output for result in stack.results})


def test_no_secret_is_in_a_diagnosis(stack: Stack, tmp_path: Path) -> None:
    """Neither as it is, nor encoded for a URL or in base64, alone or behind a user's name."""
    before = stack.incarnations()
    stack.play("diagnose", diagnose_dir=str(tmp_path)).succeeded()
    assert stack.incarnations() == before
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        files = {
            member.name.partition("/localhost/")[2]: stream.read()
            for member in archive
            if (stream := archive.extractfile(member))
        }
    expected = "config/kapacitor/kapacitor.conf log/kapacitor/kapacitor.log influxdb/container.log kapacitor/tasks.json"
    expected += " influxdb/metrics.txt kapacitor/metrics.json keeper/findings.json console/health.json engine/version"
    assert set(expected.split()) <= set(files)
    assert b'"executing":true' in files["kapacitor/tasks.json"].replace(b" ", b"")
    assert b'username = "kapacitor"' in files["config/kapacitor/kapacitor.conf"]
    for name, secret in stack.secrets().items():
        forms = [secret, quote(secret, safe="")]
        # In base64 a secret looks in three ways, by how much is before it.
        forms += [base64.b64encode(f"{user}{secret}".encode()).decode()[4:-4] for user in ("", ":", "x:")]
        for file, content in files.items():
            # The assertion must not print it either.
            if any(form.encode() in content for form in forms):
                pytest.fail(f"the secret {name} is in {file}")


def test_no_secret_is_in_environments_or_command_lines(stack: Stack) -> None:
    """No process in the containers has one: `ps` shows command lines to every user of the host."""
    for service, container in stack.containers().items():
        for name in ("environ", "cmdline"):
            for process, content in _processes(container, name):
                _assert_no_secret(stack, {f"{service}: {process}": content})


def test_no_secret_is_given_to_the_containers_that_train(stack: Stack, results: Results) -> None:
    """They are gone by now; they were looked at while they ran."""
    # One that was gone before the engine could be asked is known by its name alone.
    seen = [attrs for attrs in results.training_containers if "gone" not in attrs]
    assert seen, "no container was seen while train.yml ran"
    _assert_no_secret(stack, {"container that trains": json.dumps(seen)})
    for attrs in seen:
        assert attrs["HostConfig"]["ReadonlyRootfs"]
        assert attrs["HostConfig"]["CapDrop"] == ["ALL"]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", attrs["Config"]["User"])


def _assert_no_secret(stack: Stack, texts: dict[str, str]) -> None:
    for where, text in texts.items():
        for name, value in stack.secrets().items():
            # The assertion must not print it either.
            if value in text:
                pytest.fail(f"the secret {name} is in: {where}")


# Who gets in


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/query?q=SHOW+DATABASES"),
        ("POST", "/query?q=CREATE+DATABASE+intruder"),
        ("POST", "/write?db=printer"),
        ("GET", "/debug/vars"),
        ("GET", "/debug/pprof/goroutine"),
        ("GET", "/debug/requests?seconds=1"),
        ("POST", "/api/v2/write?bucket=printer"),
        ("POST", "/api/v2/query"),
    ],
)
@pytest.mark.parametrize(
    "auth", [None, ("admin", "wrong"), ("nobody", "")], ids=["nobody", "wrong-password", "no-user"]
)
def test_influxdb_lets_nobody_in_without_credentials(
    stack: Stack, method: str, path: str, auth: tuple[str, str] | None
) -> None:
    answer = requests.request(method, stack.influxdb_url + path, auth=auth, data="m v=1", timeout=PATIENCE_S)
    assert answer.status_code in (401, 403, 404), (answer.status_code, answer.text)


@pytest.mark.parametrize("path", ["/ping", "/health", "/metrics"])
def test_what_influxdb_tells_everyone_says_nothing_of_what_is_in_it(stack: Stack, path: str) -> None:
    """Probes and the process's own figures need no credentials; no name of a database or a user is among them."""
    told = requests.get(stack.influxdb_url + path, timeout=PATIENCE_S)
    text = f"{told.headers} {told.text}"
    for name in ("printer", "building", "anomaly", "writer", "trainer"):
        assert name not in text, (path, name)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/kapacitor/v1/tasks"),
        ("POST", "/kapacitor/v1/tasks"),
        ("DELETE", "/kapacitor/v1/tasks/printer"),
        ("GET", "/kapacitor/v1/users"),
        ("POST", "/kapacitor/v1/users"),
        ("GET", "/kapacitor/v1/config"),
        ("GET", "/kapacitor/v1/logs"),
        ("GET", "/kapacitor/v1/debug/vars"),
        ("GET", "/kapacitor/v1/debug/pprof/goroutine"),
        ("POST", "/kapacitor/v1/write?db=printer&rp=autogen"),
        ("POST", "/write?db=printer&rp=autogen"),
    ],
)
@pytest.mark.parametrize(
    "auth", [None, ("admin", "wrong"), ("nobody", "")], ids=["nobody", "wrong-password", "no-user"]
)
def test_kapacitor_lets_nobody_in_without_credentials(
    stack: Stack, method: str, path: str, auth: tuple[str, str] | None
) -> None:
    answer = requests.request(method, stack.kapacitor_url + path, auth=auth, data="m v=1", timeout=PATIENCE_S)
    assert answer.status_code in (401, 403, 404), (answer.status_code, answer.text)


def test_kapacitor_refuses_tokens_that_are_signed_with_nothing(stack: Stack) -> None:
    """An empty shared secret would let anybody sign a token for the admin."""
    token = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJ1c2VybmFtZSI6ImFkbWluIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
    for signature in ("", "MRoi7Hcl6Jm4M_xqRQvHSN1tKIiYXFfWm3RmZIkQUDY"):
        answer = requests.get(
            f"{stack.kapacitor_url}/kapacitor/v1/tasks", headers={"Authorization": f"Bearer {token}{signature}"},
            timeout=PATIENCE_S,
        )  # fmt: skip
        assert answer.status_code in (401, 403), answer.text


def test_kapacitor_runs_no_program_for_its_admin(stack: Stack) -> None:
    kapacitor = stack.kapacitor()
    script = "stream|from().measurement('intruder')|alert().crit(lambda: TRUE).exec('/bin/true')"
    task = {"id": "intruder", "type": "stream", "script": script, "dbrps": [{"db": "printer", "rp": "autogen"}]}
    try:
        kapacitor.request("POST", "/tasks", {**task, "status": "enabled"})
        found = kapacitor.tasks()["intruder"]
    finally:
        kapacitor.request("DELETE", "/tasks/intruder")
    assert not found["executing"]
    assert "exec alert handler is disabled" in found["error"]


@pytest.mark.parametrize("path", ["/", "/series?pipeline=printer", "/models"])
def test_the_console_lets_nobody_in_without_credentials(stack: Stack, path: str) -> None:
    page = requests.get(stack.console_url + path, allow_redirects=False, timeout=PATIENCE_S)
    assert (page.status_code, page.headers["Location"].partition("?")[0]) == (303, "/login")


@pytest.mark.parametrize(
    "auth", [None, ("viewer", "wrong"), ("nobody", "")], ids=["nobody", "wrong-password", "no-user"]
)
def test_the_consoles_api_lets_nobody_in_without_credentials(stack: Stack, auth: tuple[str, str] | None) -> None:
    answer = requests.get(f"{stack.console_url}/api/pipelines", auth=auth, timeout=PATIENCE_S)
    assert (answer.status_code, "printer" in answer.text) == (401, False)


def test_the_console_answers_to_no_other_name(stack: Stack) -> None:
    """A page of somebody else's, whose name leads here, would have the browser ask as its user."""
    answer = requests.get(f"{stack.console_url}/health", headers={"Host": "evil.example"}, timeout=PATIENCE_S)
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("user", "statement", "database"),
    [
        ("writer", "SELECT * FROM temperature LIMIT 1", "printer"),
        ("writer", "SELECT * FROM score LIMIT 1", "anomaly"),
        ("reader", "DROP MEASUREMENT temperature", "printer"),
        ("reader", "SHOW USERS", ""),
        ("reader", "CREATE DATABASE intruder", ""),
        ("trainer", "DELETE FROM temperature", "printer"),
        ("trainer", "DROP DATABASE printer", ""),
        ("trainer", "SHOW SUBSCRIPTIONS", ""),
        ("console", "DELETE FROM temperature", "printer"),
        ("console", "DROP MEASUREMENT score", "anomaly"),
        ("console", "SHOW USERS", ""),
    ],
)
def test_influxdb_users_may_do_no_more_than_their_part(stack: Stack, user: str, statement: str, database: str) -> None:
    with pytest.raises(InfluxError, match=r"authoriz"):
        stack.influx(user).query(statement, database)


@pytest.mark.parametrize(
    ("user", "database"),
    [
        ("writer", "anomaly"),
        ("reader", "printer"),
        ("reader", "anomaly"),
        ("trainer", "printer"),
        ("console", "printer"),
    ],
)
def test_influxdb_users_write_only_where_they_must(stack: Stack, user: str, database: str) -> None:
    with pytest.raises(InfluxError, match=r"403"):
        stack.influx(user).write(database, ["intruder value=1"])
