"""What a host says about itself is judged: each lack gets its message."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.host import host_problems
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.limits import host_warnings

HUB = "https://registry.example/v2/"
PYPI = "https://packages.example/simple/"


def engine(**change: Any) -> dict[str, Any]:
    return {
        "answers": True,
        "name": "Engine",
        "version": "20.10.24+dfsg1",
        "api": "1.41",
        "root": "/var/lib/docker",
        "free_mb": 9000,
        "containers": [],
        "security": ["seccomp"],
        "limits_memory": True,
        "architecture": "x86_64",
        "proxies": {"http": "", "https": "", "no": ""},
        **change,
    }


def container(name: str, port: int | None = None, stack: str | None = None, image: str = "") -> dict[str, Any]:
    service = name.rpartition("-")[2]
    return {
        "names": [name],
        "ports": [] if port is None else [port],
        "labels": {} if stack is None else {"influx-anomaly.stack": stack, "influx-anomaly.service": service},
        "image": image,
        "versions": {},
    }


def listener(*addresses: str, process: str = "") -> dict[str, Any]:
    return {"addresses": list(addresses), "process": process}


def facts_of(
    distribution: str = "Debian", version: str = "12", family: str = "Debian", any_version: bool = False, **host: Any
) -> dict[str, Any]:
    return {
        "distribution": distribution,
        "version": version,
        "family": family,
        "addresses": ["192.0.2.1"],
        "any_version": any_version,
        "host": {
            "memory_mb": 4000,
            "disks": {
                "/srv/a": {"existing": "/srv", "free_mb": 9000, "writable": True},
                "/var/lib/docker": {"existing": "/var/lib", "free_mb": 9000, "writable": True},
            },
            "listeners": {},
            "address_is_own": True,
            "engine": engine(),
            "urls": {},
            "written_by": {"influxdb": "", "kapacitor": ""},
            **host,
        },
    }


def requirements(wanted: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "host": "",
        "any_os": False,
        "memory_mb": 1800,
        "disks": {"/srv/a": 2000, "/var/lib/docker": 6000},
        "docker_manage": True,
        "ports": {"influxdb_port": 8086},
        "address": "127.0.0.1",
        "stack": "anomaly",
        "stack_dir": "/srv/a",
        "limits": {},
        "plain": [],
        "titles": {"influxdb": "InfluxDB", "kapacitor": "Kapacitor"},
        "versions": {"influxdb": "1.12.4", "kapacitor": "1.8.6"},
        "containers": ["anomaly-influxdb"],
        "source": "auto",
        "needed": {},
        "fixes": {HUB: "image_registry", PYPI: "images_pip_index"},
        **(wanted or {}),
    }


def problems(wanted: dict[str, Any] | None = None, **facts: Any) -> list[str]:
    return host_problems(facts_of(**facts), requirements(wanted))


def warnings(wanted: dict[str, Any] | None = None, **facts: Any) -> list[str]:
    return host_warnings(facts_of(**facts), requirements(wanted))


def the_problem(*arguments: Any, **host: Any) -> str:
    found = problems(*arguments, **host)
    assert len(found) == 1, found
    return found[0]


def test_a_host_in_order() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("distribution", "version"),
    [("Debian", "12"), ("Debian", "12.11"), ("Debian", "13"), ("Ubuntu", "22.04"), ("Ubuntu", "24.04")],
)
def test_supported_systems(distribution: str, version: str) -> None:
    assert problems(distribution=distribution, version=version) == []


@pytest.mark.parametrize(
    ("distribution", "version"),
    [("Debian", "11"), ("Debian", "120"), ("Ubuntu", "20.04"), ("Fedora", "42")],
)
def test_other_systems(distribution: str, version: str) -> None:
    message = the_problem(distribution=distribution, version=version)
    assert message.startswith(
        f"operating system = {distribution} {version}: is none of those this is made for (Debian 12"
    )
    assert problems({"any_os": True}, distribution=distribution, version=version) == []


def test_a_host_without_apt_is_told_what_it_has_to_bring() -> None:
    message = the_problem(distribution="Rocky", version="9.4", family="RedHat")
    assert message.startswith("operating system = Rocky 9.4: is none of those this is made for (Debian 12")
    fix = message.split(". Fix: ")[1]
    for word in ("python3-requests", "docker_manage to false", "preflight_any_os to true", "nobody has tested"):
        assert word in fix
    assert problems({"any_os": True}, distribution="Rocky", version="9.4", family="RedHat") == []


def test_memory() -> None:
    assert the_problem(memory_mb=1799).startswith("memory = 1799 MiB: is less than preflight_min_memory_mb (1800)")
    assert problems(memory_mb=1800) == []


def test_disk_space() -> None:
    full = {"/srv/a": {"existing": "/srv", "free_mb": 1999, "writable": True}}
    message = the_problem(disks=full)
    assert message.startswith("disk space for /srv/a = 1999 MiB: is less than the 2000 MiB it needs")
    assert "free some on the file system of /srv" in message


def test_the_engines_own_folder_counts() -> None:
    message = the_problem(engine=engine(root="/data/docker", free_mb=10))
    assert message.startswith("disk space for /var/lib/docker = 10 MiB")
    assert "/data/docker" in message


def test_what_is_deployed_needs_no_room_to_build() -> None:
    ours = container("anomaly-influxdb", 8086, "anomaly")
    assert (
        problems({"needed": {"pull": [HUB]}}, urls={HUB: "timed out"}, engine=engine(free_mb=10, containers=[ours]))
        == []
    )


def test_a_folder_that_cannot_be_written() -> None:
    locked = {"/srv/a": {"existing": "/srv", "free_mb": 9000, "writable": False}}
    assert the_problem(disks=locked).startswith("folder /srv/a: /srv cannot be written to. Fix: set ansible_become")


def test_a_port_held_by_a_process() -> None:
    message = the_problem(listeners={"8086": listener("127.0.0.1", process="influxd (pid 7)")})
    assert message == (
        "influxdb_port = 8086: the port is in use by the process influxd (pid 7). "
        "Fix: stop it, or set influxdb_port to a free port"
    )


@pytest.mark.parametrize(
    ("address", "listening", "free"),
    [
        ("127.0.0.1", "0.0.0.0", False),
        ("127.0.0.1", "::", False),
        ("0.0.0.0", "127.0.0.1", False),
        ("127.0.0.1", "192.0.2.1", True),
        ("192.0.2.1", "127.0.0.1", True),
    ],
)
def test_addresses_of_a_port(address: str, listening: str, free: bool) -> None:
    assert bool(problems({"address": address}, listeners={"8086": listener(listening)})) is not free


def test_an_address_of_another_host() -> None:
    message = the_problem({"address": "192.0.2.9"}, address_is_own=False)
    assert message.startswith("stack_bind_address = 192.0.2.9: is not an address of this host. Fix: 192.0.2.1, 127.0")


def test_a_port_held_by_another_container() -> None:
    other = container("influx", 8086)
    message = the_problem(listeners={"8086": listener("0.0.0.0")}, engine=engine(containers=[other]))
    assert "in use by the container influx" in message


def test_a_port_held_by_our_own_stack() -> None:
    ours = container("anomaly-influxdb", 8086, "anomaly")
    assert problems(listeners={"8086": listener("127.0.0.1")}, engine=engine(containers=[ours])) == []


def test_a_port_held_by_another_stack() -> None:
    other = container("second-influxdb", 8086, "second")
    message = the_problem(listeners={"8086": listener("127.0.0.1")}, engine=engine(containers=[other]))
    assert "in use by the container second-influxdb" in message


def test_a_container_of_somebody_else_with_our_name() -> None:
    message = the_problem(engine=engine(containers=[container("anomaly-influxdb")]))
    assert message.startswith(
        "container = anomaly-influxdb: there is one of this name that doesn't belong to the stack"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"version": "19.03.15", "api": "1.40"}, "Docker Engine = 19.03.15: is older than 20.10"),
        ({"version": "20.10.24", "api": "1.40"}, "Docker Engine API = 1.40: is older than 1.41"),
        ({"name": "Podman Engine", "version": "5.4"}, "container engine = Podman Engine 5.4: is not Docker"),
    ],
)
def test_an_engine_that_will_not_do(change: dict[str, Any], expected: str) -> None:
    assert the_problem(engine=engine(**change)).startswith(expected)


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "26.1.5+dfsg1", "28.0.0-rc.1", "29.1.0"])
def test_engines_that_will_do(version: str) -> None:
    assert problems(engine=engine(version=version, api="1.52")) == []


def test_no_engine() -> None:
    none = {"answers": False, "reason": "No such file or directory"}
    assert problems(engine=none) == []
    message = the_problem({"docker_manage": False}, engine=none)
    assert message.startswith(
        "container engine: doesn't answer (No such file or directory), and docker_manage is false"
    )


def test_a_registry_that_is_out_of_reach() -> None:
    wanted = {"source": "pull", "needed": {"pull": [HUB]}}
    message = the_problem(wanted, urls={HUB: "timed out"})
    assert message.startswith(f"image_source = pull: to pull images, {HUB} must be reachable, and is not: timed out")
    assert "(the engine has no proxy)" in message
    assert "give the engine a proxy" in message
    assert "set image_registry to a mirror" in message
    assert problems(wanted, urls={HUB: ""}) == []


def test_a_registry_behind_the_engines_proxy_is_told_with_it() -> None:
    behind = engine(proxies={"http": "", "https": "http://proxy.example:3128", "no": ""})
    message = the_problem({"source": "pull", "needed": {"pull": [HUB]}}, urls={HUB: "timed out"}, engine=behind)
    assert (
        f"{HUB} must be reachable, and is not: timed out (by the engine's proxy http://proxy.example:3128)" in message
    )


def test_builds_do_not_use_the_engines_proxy() -> None:
    behind = engine(proxies={"http": "", "https": "http://proxy.example:3128", "no": ""})
    message = the_problem({"source": "build", "needed": {"build": [PYPI]}}, urls={PYPI: "timed out"}, engine=behind)
    assert "proxy.example" not in message
    assert "name a proxy in /root/.docker/config.json" in message


def test_auto_needs_one_way_only() -> None:
    wanted = {"source": "auto", "needed": {"pull": [HUB], "build": [PYPI]}}
    assert problems(wanted, urls={HUB: "timed out", PYPI: ""}) == []
    assert problems(wanted, urls={HUB: "", PYPI: "timed out"}) == []
    assert len(problems(wanted, urls={HUB: "timed out", PYPI: "timed out"})) == 2


def test_with_several_hosts_the_host_is_named() -> None:
    assert problems({"host": "kap1"}, memory_mb=1)[0].startswith("kap1: memory")


def test_everything_is_told_at_once() -> None:
    found = problems(distribution="Fedora", memory_mb=1, listeners={"8086": listener("::")}, engine=engine(api="1.2"))
    assert len(found) == 4


# What `docker info` of such engines says, as the module returns it.


@pytest.mark.parametrize(
    ("change", "kind", "fix"),
    [
        (
            {"security": ["seccomp", "rootless", "cgroupns"], "root": "/home/me/.local/share/docker"},
            "rootless: maps the users of containers to others",
            "docker_socket",
        ),
        (
            {"security": ["apparmor", "seccomp", "userns"], "root": "/var/lib/docker/100000.100000"},
            "userns-remap: maps the users of containers to others",
            "userns-remap",
        ),
        (
            {"root": "/var/snap/docker/common/var-lib-docker"},
            "snap: sees no folders but those below /home, and stack_dir is /srv/a",
            "snap remove docker",
        ),
    ],
)
def test_an_engine_that_does_not_see_the_stacks_folders_is_refused(change: dict[str, Any], kind: str, fix: str) -> None:
    message = the_problem(engine=engine(**change))
    assert message.startswith(f"container engine = {kind}")
    assert fix in message.split(". Fix: ")[1]


def test_a_snap_will_do_for_a_stack_below_home() -> None:
    snap = engine(root="/var/snap/docker/common/var-lib-docker")
    assert problems({"stack_dir": "/home/me/anomaly"}, engine=snap) == []


def test_an_address_for_all_interfaces_is_proposed_with_its_danger() -> None:
    message = the_problem({"address": "192.0.2.9"}, address_is_own=False)
    assert "published ports pass ufw and firewalld by: docs/operations.md#firewalls" in message


# Warnings


def test_a_host_in_order_has_no_warnings() -> None:
    assert warnings({"limits": {"influxdb_memory": 1024, "keeper_memory": 2048}}) == []


def test_a_limit_beyond_the_hosts_memory_is_named() -> None:
    (message,) = warnings({"limits": {"influxdb_memory": 51200, "grafana_memory": 512}}, memory_mb=24108)
    assert message.startswith(
        "Warning: influxdb_memory = 51200 MiB: is more than the host's memory (24108 MiB), so it limits nothing. Fix: "
    )


def test_limits_that_do_not_fit_together_are_summed_and_named() -> None:
    limits = {"influxdb_memory": 1024, "kapacitor_memory": 26000, "keeper_memory": 2048}
    (message,) = warnings({"limits": limits, "host": "kap1"}, memory_mb=28000)
    assert message.startswith("Warning: kap1: memory limits = 29072 MiB: are together more than the host's memory")
    assert "influxdb_memory 1024, kapacitor_memory 26000, keeper_memory 2048" in message
    assert "follows from the number of pipelines" in message


def test_a_plain_port_beyond_loopback_is_named() -> None:
    ports = ["influxdb_port", "grafana_port"]
    (message,) = warnings({"plain": [{"variable": "stack_bind_address", "address": "192.0.2.11", "ports": ports}]})
    assert message == (
        "Warning: stack_bind_address = 192.0.2.11: is not loopback, and what passes by influxdb_port, grafana_port is "
        "not encrypted, as stack_tls is false. Fix: stack_tls: true (docs/operations.md#certificates), or 127.0.0.1, "
        "where a proxy of yours may speak TLS"
    )


def test_a_kernel_without_a_memory_cgroup_is_named() -> None:
    """As Raspberry Pi OS has it."""
    (message,) = warnings(engine=engine(limits_memory=False))
    assert message.startswith("Warning: memory limits: do not hold, because the kernel has no memory cgroup. Fix: ")
    assert "cgroup_enable=memory" in message


def test_an_architecture_without_tests_is_named() -> None:
    (message,) = warnings(engine=engine(architecture="aarch64"))
    assert message.startswith("Warning: architecture = aarch64: is not tested")


def test_no_engine_yet_is_no_reason_for_a_warning() -> None:
    assert warnings(engine={"answers": False, "reason": "No such file or directory"}) == []


class TestVersions:
    """InfluxDB 1.12.4 and Kapacitor 1.8.6 are wanted."""

    def test_data_of_a_newer_version_are_refused_with_both_versions_and_the_way_out(self) -> None:
        message = the_problem(written_by={"influxdb": "1.12.5", "kapacitor": "1.8.6"})

        assert message == (
            "influxdb_version = 1.12.4: InfluxDB 1.12.5 wrote the data that are here, and an older one may lose what "
            "it wrote. Fix: influxdb_version: 1.12.5, or a later one. To go back to 1.12.4, restore a backup that was "
            'made before (docs/operations.md, "Restore on another host")'
        )

    @pytest.mark.parametrize("image", ["mirror:5000/kapacitor-python:1.10.0-0a1b", "kapacitor:1.10.0@sha256:12.3"])
    def test_a_newer_container_is_refused(self, image: str) -> None:
        running = engine(containers=[container("anomaly-kapacitor", stack="anomaly", image=image)])

        message = the_problem(engine=running)

        assert message.startswith("kapacitor_version = 1.8.6: Kapacitor 1.10.0 runs here, and an older one may lose")

    def test_what_an_image_says_of_itself_counts_more_than_its_tag(self) -> None:
        deployed = container("anomaly-influxdb", stack="anomaly", image="influxdb:1.12")
        deployed["versions"] = {"INFLUXDB_VERSION": "1.12.5"}

        message = the_problem(engine=engine(containers=[deployed]))

        assert "InfluxDB 1.12.5 runs here" in message

    def test_older_versions_are_upgraded(self) -> None:
        running = engine(containers=[container("anomaly-influxdb", stack="anomaly", image="influxdb:1.8.10")])
        assert problems(engine=running, written_by={"influxdb": "1.8.10", "kapacitor": "1.7.9"}) == []

    @pytest.mark.parametrize("image", ["sha256:92c7ea38846b", "influxdb:latest", "influxdb", ""])
    def test_an_image_that_tells_no_version_is_let_be(self, image: str) -> None:
        running = engine(containers=[container("anomaly-influxdb", stack="anomaly", image=image)])
        assert problems(engine=running) == []

    def test_another_stack_may_have_a_newer_one(self) -> None:
        running = engine(containers=[container("other-influxdb", stack="other", image="influxdb:1.12.5")])
        assert problems(engine=running) == []

    def test_a_restore_replaces_the_data(self) -> None:
        assert problems(any_version=True, written_by={"influxdb": "1.12.5"}) == []

    def test_a_version_that_is_none_is_another_checks(self) -> None:
        assert problems({"versions": {"influxdb": "latest"}}, written_by={"influxdb": "1.12.5"}) == []
