"""The example of several hosts, over SSH, with images from an archive, on machines that reach no registry.

The tests of this module tell one story, so they depend on their order.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_archive import image_files

from daemons.images import built_image
from tests.integration.cluster import NAMES, Cluster
from tests.integration.data import HISTORY_BEGIN, HISTORY_END, ns, write_printers
from tests.integration.hosts import Hosts
from tests.integration.playbook import PlayResult
from tests.integration.results import read
from tests.integration.stack import Stack
from tests.integration.waiting import wait_for

STACK_DIR = "/srv/influx-anomaly/anomaly"


@dataclass(frozen=True)
class Archive:
    """Images as files.

    Attributes:
        folder: where they lie.
        export: the run that wrote them.
        second_export: the run after it.
    """

    folder: Path
    export: PlayResult
    second_export: PlayResult


@pytest.fixture(scope="module")
def archive(new_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("archive")
    stack = new_stack()
    export = stack.play("export-images", images_export_dir=str(folder)).succeeded()
    return Archive(folder, export, stack.play("export-images", images_export_dir=str(folder)))


@pytest.fixture(scope="module")
def cluster(
    engine: docker.DockerClient, archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The machines; nothing is deployed yet. graf1 has no engine, and a way out to install one."""
    folder = tmp_path_factory.mktemp("c")
    with Hosts(engine, f"it-{secrets.token_hex(3)}x-hosts", built_image("debian"), folder) as machines:
        started = [*machines.start("influx1", "kap1", "kap2"), *machines.start("graf1", target="bare", outside=True)]
        hosts = {host.name: host for host in started}
        yield Cluster(machines, hosts, folder, {"image_source": "archive", "image_archive_dir": str(archive.folder)})


@pytest.fixture(scope="module")
def deployed(cluster: Cluster) -> Cluster:
    cluster.play("site").succeeded()
    return cluster


def test_an_archive_has_images_a_list_and_sums(archive: Archive) -> None:
    listed = json.loads((archive.folder / "images.json").read_text())["images"]
    sums = (archive.folder / "SHA256SUMS").read_text()
    assert {entry["name"] for entry in listed} >= {"influxdb", "kapacitor-python"}
    bills = {entry["file"].replace(".tar.gz", ".cdx.json") for entry in listed}
    assert {path.name for path in archive.folder.iterdir()} == {
        "images.json", "SHA256SUMS", *(entry["file"] for entry in listed), *bills
    }  # fmt: skip
    for entry in listed:
        assert f"{entry['sha256']}  {entry['file']}" in sums
    for bill in bills:
        assert f"{hashlib.sha256((archive.folder / bill).read_bytes()).hexdigest()}  {bill}" in sums
    found = {part["name"] for bill in bills for part in json.loads((archive.folder / bill).read_text())["components"]}
    assert {"libc6", "numpy", "github.com/influxdata/influxdb", "stdlib"} <= found


# Debian's own, which gain nothing in containers with no-new-privileges.
SETUID = frozenset(
    f"usr/bin/{name}" for name in "chage chfn chsh expiry gpasswd mount newgrp passwd su umount".split()
) | {"usr/sbin/unix_chkpwd"}
COMPILERS = re.compile(
    r"(^|/)bin/((.+-)?(as|c\+\+|cc|clang|cpp|g\+\+|gcc|ld|tcc)(-[\d.]+)?|cargo|go|make|rustc)$|/cc1(plus)?$"
)
SECRETS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")
SECRET_FILES = re.compile(r"(^|/)(\.netrc|\.pypirc|pip\.conf|id_[a-z0-9]+|\.docker/config\.json|\.ssh/.*)$")


def test_images_have_neither_compilers_nor_secrets_nor_more_setuid_files_than_stated(archive: Archive) -> None:
    archives = list(archive.folder.glob("*.tar.gz"))
    assert len(archives) >= 2
    for path in archives:
        setuid, compilers, keys = set(), set(), set()
        for file in image_files(path):
            if file.mode & 0o6000:
                setuid.add(file.path)
            if COMPILERS.search(file.path):
                compilers.add(file.path)
            # Libraries of cryptography have keys for their own tests; a key is small.
            is_text = ".so" not in file.path and file.size < 1 << 18
            if SECRET_FILES.search(file.path) or (is_text and SECRETS.search(file.read())):
                keys.add(file.path)
        assert setuid <= SETUID, path
        assert (compilers, keys) == (set(), set()), path


def test_a_compiler_and_a_key_would_be_seen() -> None:
    assert COMPILERS.search("usr/bin/x86_64-linux-gnu-gcc-14")
    assert COMPILERS.search("usr/libexec/gcc/x86_64-linux-gnu/14/cc1")
    assert not COMPILERS.search("usr/bin/pass")
    assert SECRET_FILES.search("root/.ssh/id_ed25519")
    assert SECRETS.search(b"-----BEGIN RSA PRIVATE KEY-----\n" + b"A" * 64)


def test_exporting_again_changes_nothing(archive: Archive) -> None:
    archive.second_export.unchanged()


def test_the_machines_reach_no_registry(cluster: Cluster) -> None:
    """Nor anything else outside; graf1 shows that the question is a fair one."""

    def answer(name: str, seconds: int) -> str:
        question = f"timeout {seconds} bash -c '</dev/tcp/deb.debian.org/80' 2>/dev/null"
        return cluster.hosts[name].run("sh", "-c", f"{question} && echo reached || echo cut off").strip()

    wait_for(lambda: answer("graf1", 60) == "reached", "graf1's way out")
    assert {name: answer(name, 5) for name in ("influx1", "kap1", "kap2")} == {
        "influx1": "cut off", "kap1": "cut off", "kap2": "cut off"
    }  # fmt: skip


def test_a_dry_run_passes_on_machines_without_an_engine(cluster: Cluster) -> None:
    cluster.play("site", "--check", "--diff").succeeded()
    for name, host in cluster.hosts.items():
        assert host.run("sh", "-c", "pgrep dockerd || echo none").strip() == "none", name
        assert host.run("sh", "-c", f"ls {STACK_DIR} 2>/dev/null || echo none").strip() == "none", name


def test_a_tampered_archive_is_refused(cluster: Cluster, archive: Archive) -> None:
    (file,) = archive.folder.glob("kapacitor-python-*.tar.gz")
    with file.open("r+b") as content:
        content.seek(1000)
        byte = content.read(1)
        content.seek(1000)
        content.write(bytes([byte[0] ^ 1]))
    try:
        cluster.play("site").refused(str(file), "SHA-256", "fix")
    finally:
        with file.open("r+b") as content:
            content.seek(1000)
            content.write(byte)
    for name in ("kap1", "kap2"):
        assert "kapacitor" not in cluster.hosts[name].run("sh", "-c", "docker images 2>/dev/null || true"), name
        assert cluster.containers(name) == [], name


def test_services_run_where_their_groups_say(deployed: Cluster) -> None:
    assert {name: deployed.containers(name) for name in NAMES} == {
        "influx1": ["anomaly-influxdb"],
        "kap1": ["anomaly-console", "anomaly-kapacitor", "anomaly-keeper"],
        "kap2": ["anomaly-console", "anomaly-kapacitor", "anomaly-keeper"],
        "graf1": _graf1(deployed),
    }


def _graf1(cluster: Cluster) -> list[str]:
    """Grafana and Chronograf, if the archive has them; if not, the run has said why they are left out."""
    found = cluster.containers("graf1")
    for service in ("grafana", "chronograf"):
        if f"anomaly-{service}" not in found:
            site = next(result for result in reversed(cluster.results) if result.returncode == 0)
            assert re.search(rf"no image.{{0,20}} {service}|{service}.{{0,20}} left out", site.text, re.IGNORECASE)
    return [name for name in found if name in ("anomaly-chronograf", "anomaly-grafana")]


def test_an_engine_was_installed_where_there_was_none(deployed: Cluster) -> None:
    assert deployed.hosts["graf1"].run("docker", "version", "--format", "{{.Server.Version}}").strip()


def test_the_second_run_changes_nothing(deployed: Cluster) -> None:
    deployed.settled().play("site").unchanged()


def test_pipelines_are_spread_over_the_kapacitors(deployed: Cluster) -> None:
    """One says where it runs, the other goes where there is room."""
    assert {host: set(deployed.kapacitor(host).tasks()) for host in ("kap1", "kap2")} == {
        "kap1": {"printer"},
        "kap2": {"printer-slow"},
    }


def test_hosts_meet_by_address(deployed: Cluster) -> None:
    destinations = {
        (url.partition("://")[0], url.rpartition("@")[2])
        for subscriptions in deployed.influx("admin").subscriptions().values()
        for subscription in subscriptions
        for url in subscription["destinations"]
    }
    assert destinations == {("https", f"{deployed.hosts[host].address}:9092") for host in ("kap1", "kap2")}


def test_plain_http_is_refused_between_hosts(deployed: Cluster) -> None:
    """A server without TLS would have answered with 204."""
    script = (
        "import http.client, sys; server = http.client.HTTPConnection(*sys.argv[1:3]); server.request('GET', '/ping'); "
        "answer = server.getresponse(); print(answer.status, answer.read().decode().strip())"
    )
    for asks, answers, port in (("kap1", "influx1", "8086"), ("influx1", "kap1", "9092"), ("kap1", "kap2", "9092")):
        said = deployed.hosts[asks].run("python3", "-c", script, deployed.hosts[answers].address, port)
        assert said.strip() == "400 Client sent an HTTP request to an HTTPS server.", (asks, answers)


def test_a_renewal_on_one_host_restarts_what_serves_the_certificate_and_nothing_else(deployed: Cluster) -> None:
    before = deployed.settled().incarnations()
    pair = {name: deployed.secrets_dir / "tls" / f"kap1.{name}" for name in ("pem", "key")}
    old = pair["pem"].read_text()
    for file in pair.values():
        file.unlink()

    result = deployed.play("site", "--limit", "kap1").succeeded()

    assert set(result.recap) == {"kap1"}
    assert "kap1 gets a new certificate: there is none." in result.text
    after = deployed.incarnations()
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        "kap1 anomaly-console", "kap1 anomaly-kapacitor"
    }  # fmt: skip
    served = ssl.get_server_certificate((deployed.hosts["kap1"].address, 9092), ca_certs=str(deployed.ca_file))
    assert served in pair["pem"].read_text()
    assert served not in old


def test_ports_are_open_on_the_machines_own_address_only(deployed: Cluster) -> None:
    for name, port in (("influx1", 8086), ("kap1", 9092), ("kap2", 9092)):
        host = deployed.hosts[name]
        listening = host.run("ss", "--listening", "--tcp", "--numeric", "--no-header", f"sport = :{port}").split()
        assert f"{host.address}:{port}" in listening, (name, listening)
        assert not {f"0.0.0.0:{port}", f"[::]:{port}", f"*:{port}"} & set(listening), (name, listening)


def test_data_flow_through_all_machines(deployed: Cluster) -> None:
    write_printers(deployed, HISTORY_BEGIN, "4h")
    deployed.play("train").succeeded()
    deployed.settled()
    # The points beyond the 20 minutes close the windows within them. Their own windows wait for later points.
    write_printers(deployed, HISTORY_END, "23m")
    begin_ns, end_ns = ns(HISTORY_END), ns(HISTORY_END) + 1200 * 10**9
    reader = deployed.influx("reader")

    def scored(pipeline: str, printer: str) -> set[int]:
        return {row["time"] for row in read(reader, "score", pipeline, printer=printer) if row["time"] < end_ns}

    for pipeline, step_s in (("printer", 10), ("printer-slow", 120)):
        step_ns = step_s * 10**9
        expected = set(range(begin_ns, end_ns, step_ns))
        # The history's last two windows wait for late points. Whether they close before there is a model depends on
        # the machine.
        before = {begin_ns - step_ns, begin_ns - 2 * step_ns}
        for printer in ("printer-1", "printer-2"):
            wait_for(
                lambda names=(pipeline, printer), expected=expected, before=before: (  # type: ignore[misc]
                    scored(*names) - before == expected
                ),
                f"all scores of {pipeline} and {printer}",
                explain=deployed.logs,
            )


def test_verify_passes(deployed: Cluster) -> None:
    deployed.settled().play("verify").succeeded()


def test_teardown_leaves_only_data_on_every_machine(deployed: Cluster) -> None:
    deployed.play("teardown").succeeded()
    for name, host in deployed.hosts.items():
        assert deployed.containers(name) == [], name
        networks = host.run("docker", "network", "ls", "--format", "{{.Name}}").split()
        assert sorted(networks) == ["bridge", "host", "none"], name
        assert host.run("docker", "images", "--quiet").split() == [], name
        left = host.run("sh", "-c", f"ls -A {STACK_DIR} 2>/dev/null || true").split()
        assert left in ([], ["data"]), (name, left)
    deployed.play("teardown").unchanged()


def test_no_secret_is_in_ansibles_output(deployed: Cluster) -> None:
    known = {path.name: path.read_text().strip() for path in deployed.secrets_dir.iterdir() if path.is_file()}
    keys = {path.name: path.read_text().splitlines()[1] for path in (deployed.secrets_dir / "tls").glob("*.key")}
    assert len(known) >= 6
    assert set(keys) == {"ca.key", *(f"{name}.key" for name in NAMES)}
    known |= keys
    for result in deployed.results:
        for name, value in known.items():
            if not name.startswith(".") and value in result.output:
                pytest.fail(f"the secret {name} is in {result.log}")
