"""What the role container refuses, and says of a failure."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.filter.containers import (
    container_explanation,
    container_mounts,
    container_problems,
    network_explanation,
)

REQUEST: dict[str, Any] = {
    "image": "influxdb:1.12.4", "user": "1500:1500", "allow_root": False,
    "volumes": ["/srv/a:/etc/a:ro", "/srv/b:/var/lib/b:rw"], "ports": ["127.0.0.1:8086:8086", "[::1]:53:53/udp"],
    "tmpfs": ["/run", "/var/run:size=1m"], "env": {"A": "1"}, "command": ["influxd"], "entrypoint": [], "labels": {},
    "healthcheck": {"test": ["CMD", "true"]},
}  # fmt: skip
SECRETS = {"influxdb_admin_password": 'pa"ss\\word-1'}


def test_a_sound_request_passes() -> None:
    assert container_problems(REQUEST, SECRETS) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": ""}, "container_image is empty"),
        ({"user": "influxdb"}, "container_user is 'influxdb'"),
        ({"user": ""}, "container_user is ''"),
        ({"user": "0"}, "which is root"),
        ({"user": "00:1500"}, "which is root"),
        ({"volumes": ["data:/var/lib/b:rw"]}, "container_volumes has 'data:/var/lib/b:rw'"),
        ({"volumes": ["/srv/b:/var/lib/b"]}, "container_volumes has '/srv/b:/var/lib/b'"),
        ({"ports": ["8086:8086"]}, "container_ports has '8086:8086'"),
        ({"tmpfs": ["tmp"]}, "container_tmpfs has 'tmp'"),
        ({"healthcheck": {"interval": "5s"}}, "container_healthcheck has no test"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(change: dict[str, Any], said: str) -> None:
    (problem,) = container_problems(REQUEST | change, SECRETS)
    assert said in problem
    assert "Fix: " in problem


def test_root_can_be_allowed() -> None:
    assert container_problems(REQUEST | {"user": "0:0", "allow_root": True}, SECRETS) == []


@pytest.mark.parametrize(
    "change",
    [
        {"env": {"PASSWORD": SECRETS["influxdb_admin_password"]}},
        {"command": ["sh", "-c", f"login {SECRETS['influxdb_admin_password']} now"]},
        {"labels": {"x": SECRETS["influxdb_admin_password"]}},
        {"healthcheck": {"test": ["CMD", "curl", "-u", f"a:{SECRETS['influxdb_admin_password']}"]}},
    ],
)
def test_a_secret_that_inspection_would_show_is_refused_by_name(change: dict[str, Any]) -> None:
    (problem,) = container_problems(REQUEST | change, SECRETS)
    assert "influxdb_admin_password" in problem
    assert SECRETS["influxdb_admin_password"] not in problem


def test_an_empty_secret_is_in_nothing() -> None:
    assert container_problems(REQUEST, {"grafana_admin_password": ""}) == []


def test_all_problems_are_told_at_once() -> None:
    assert len(container_problems(REQUEST | {"image": "", "user": "x", "ports": ["1:1"]}, {})) == 3


def test_mounts_keep_their_mode() -> None:
    assert container_mounts(["/a:/b:ro", "/c:/d:rw"]) == [
        {"type": "bind", "source": "/a", "target": "/b", "read_only": True},
        {"type": "bind", "source": "/c", "target": "/d", "read_only": False},
    ]


def state(status: str = "running", health: str | None = None, restarts: int = 0, **more: Any) -> dict[str, Any]:
    inspected: dict[str, Any] = {
        "RestartCount": restarts,
        "State": {"Status": status, "Running": status in ("running", "restarting"),
                  "Restarting": status == "restarting", "ExitCode": 0, **more},
    }  # fmt: skip
    if health is not None:
        inspected["State"]["Health"] = {"Status": health, "Log": []}
    return inspected


def explanation(cause: str, inspected: dict[str, Any] | None, log: str = "") -> str:
    return container_explanation(
        {"name": "anomaly-influxdb", "image": "influxdb:1", "memory": "1g", "doing": "start", "cause": cause,
         "inspected": inspected, "logs": {"Its last log lines": log}, "whole_log": "docker logs anomaly-influxdb"},
        SECRETS,
    )  # fmt: skip


def test_an_explanation_has_name_state_exit_code_and_log() -> None:
    text = explanation("it is crashing", state("restarting", "unhealthy", 5, ExitCode=3), "cannot open the store")
    assert "anomaly-influxdb (image influxdb:1) did not start" in text
    assert "Cause: it is crashing" in text
    assert "exit code 3, 5 restarts" in text
    assert "Fix: " in text
    assert text.endswith("Its last log lines:\ncannot open the store")


def test_secrets_in_a_log_are_blanked() -> None:
    text = explanation("", state(), f"login with {SECRETS['influxdb_admin_password']} failed")
    assert SECRETS["influxdb_admin_password"] not in text
    assert "login with ******** failed" in text


@pytest.mark.parametrize(
    ("cause", "inspected", "fix"),
    [
        ("Bind for 127.0.0.1:8086 failed: port is already allocated", None, "stop what listens on the port"),
        ("bind source path does not exist: /srv/x", None, "make the host path"),
        ("Cannot find image with name x:1, and pull=never", None, "playbooks/images.yml"),
        # What Docker says when a reload of nftables has taken its chains away.
        (
            "(iptables failed: iptables --wait -t nat -A DOCKER -p tcp: iptables: No chain/target/match by that name.",
            None,
            "restart the engine (systemctl restart docker): a reload of nftables",
        ),
        ("it is crashing", state("restarting", OOMKilled=True), "memory limit (container_memory is 1g)"),
        ("it is exited", state("exited", ExitCode=127), "not in the image or not executable"),
        ("it was not done after 5 s (container_run_timeout)", state(), "container_run_timeout"),
        ("it is unhealthy", state(health="unhealthy"), "(docker logs anomaly-influxdb has all of it)"),
    ],
)
def test_the_fix_fits_the_cause(cause: str, inspected: dict[str, Any] | None, fix: str) -> None:
    (line,) = [line for line in explanation(cause, inspected).splitlines() if line.startswith("Fix: ")]
    assert fix in line


@pytest.mark.parametrize(
    ("cause", "subnet", "fix"),
    [
        (
            "could not find an available, non-overlapping IPv4 address pool among the defaults",
            "",
            "set stack_network_subnet to a free subnet",
        ),
        (
            "Error response from daemon: all predefined address pools have been fully subnetted",
            "",
            "set stack_network_subnet to a free subnet",
        ),
        ("Pool overlaps with other one on this address space", "10.0.0.0/24", "a subnet that no other network has"),
        ("iptables: No chain/target/match by that name.", "", "restart the engine"),
        ("out of luck", "", "mend the cause"),
    ],
)
def test_a_network_that_the_engine_refuses_is_explained(cause: str, subnet: str, fix: str) -> None:
    text = network_explanation(cause, "anomaly", subnet)
    assert text.startswith("The engine does not make the network anomaly")
    assert (f"with the subnet {subnet}" in text) is bool(subnet)
    assert cause.rstrip(".") in text
    assert fix in text.split(". Fix: ")[1]
