"""What a host says about itself is judged: each lack gets its message."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.host import host_problems, numbers

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
        **change,
    }


def container(name: str, port: int | None = None, stack: str | None = None) -> dict[str, Any]:
    return {
        "names": [name],
        "ports": [] if port is None else [port],
        "labels": {} if stack is None else {"influx-anomaly.stack": stack},
    }


def listener(*addresses: str, process: str = "") -> dict[str, Any]:
    return {"addresses": list(addresses), "process": process}


def problems(
    wanted: dict[str, Any] | None = None, distribution: str = "Debian", version: str = "12", **host: Any
) -> list[str]:
    return host_problems(
        {
            "distribution": distribution,
            "version": version,
            "addresses": ["192.0.2.1"],
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
                **host,
            },
        },
        {
            "host": "",
            "any_os": False,
            "memory_mb": 1800,
            "disks": {"/srv/a": 2000, "/var/lib/docker": 6000},
            "docker_manage": True,
            "ports": {"influxdb_port": 8086},
            "address": "127.0.0.1",
            "stack": "anomaly",
            "containers": ["anomaly-influxdb"],
            "source": "auto",
            "needed": {},
            "fixes": {HUB: "image_registry", PYPI: "images_pip_index"},
            **(wanted or {}),
        },
    )


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
    assert message.startswith("stack_bind_address = 192.0.2.9: is no address of this host. Fix: 192.0.2.1, 127.0.0.1")


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
    assert "set image_registry to a mirror" in message
    assert problems(wanted, urls={HUB: ""}) == []


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


def test_numbers() -> None:
    assert numbers("20.10.24+dfsg1") == (20, 10, 24)
    assert numbers("dev") == ()
