"""What a host is asked for follows from its variables; what is wrong in them is left out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.wanted import wanted

from tests.ansible.inventories import FOUR, ONE, inventory

HUB = "https://registry-1.docker.io/v2/"
DEBIAN = "http://deb.debian.org/debian"
PYPI = "https://pypi.org/simple/"
CRATES = "https://index.crates.io/config.json"
GO = "https://proxy.golang.org/"
NPM = "https://registry.npmjs.org/"


def of(**variables: Any) -> dict[str, Any]:
    checked = inventory(each=variables)
    return wanted(checked, checked.hosts["one"])


@pytest.mark.parametrize(
    ("variables", "needed"),
    [
        ({"image_source": "pull"}, {"pull": [HUB]}),
        ({"image_source": "build"}, {"build": [DEBIAN, PYPI, CRATES, GO, NPM]}),
        ({"image_source": "auto"}, {"pull": [HUB], "build": [DEBIAN, PYPI, CRATES, GO, NPM]}),
        ({"image_source": "archive"}, {}),
        ({"image_source": "auto", "image_archive_dir": "/a"}, {}),
        (
            {"image_source": "pull", "image_registry": "mirror.example:5000/hub"},
            {"pull": ["https://mirror.example:5000/v2/"]},
        ),
        (
            {
                "image_source": "build",
                "images_pip_index": "https://pip.example/simple",
                "images_goproxy": "https://go.example,direct",
                "images_apt_mirror": "http://apt.example/debian",
                "images_npm_registry": "https://npm.example/",
            },
            {
                "build": [
                    "http://apt.example/debian",
                    "https://pip.example/simple",
                    CRATES,
                    "https://go.example",
                    "https://npm.example/",
                ]
            },
        ),
    ],
)
def test_registries_follow_from_the_source_of_images(variables: dict[str, Any], needed: dict[str, list[str]]) -> None:
    found = of(**variables)
    assert found["needed"] == needed
    assert {url for urls in needed.values() for url in urls} <= set(found["fixes"])


def test_a_host_that_has_its_images_needs_no_registry() -> None:
    checked = inventory()
    assert wanted(checked, checked.hosts["one"], has_images=True)["needed"] == {}


def test_ports_and_containers_of_a_host() -> None:
    checked = inventory(FOUR, each={"stack_name": "second"}, graf1={"chronograf_enabled": False})
    assert wanted(checked, checked.hosts["kap1"])["ports"] == {
        "kapacitor_port": 9092,
        "console_port": 3080,
    }
    assert wanted(checked, checked.hosts["kap1"])["containers"] == ["second-kapacitor"]
    assert wanted(checked, checked.hosts["graf1"])["ports"] == {"grafana_port": 3000}


def test_versions_and_data_are_those_of_the_hosts_services() -> None:
    checked = inventory(FOUR, each={"stack_dir": "/srv/x", "kapacitor_version": "1.8.6"})

    found = wanted(checked, checked.hosts["kap1"])

    assert found["titles"] == {"kapacitor": "Kapacitor"}
    assert found["versions"] == {"kapacitor": "1.8.6"}
    assert found["data"] == {"kapacitor": "/srv/x/data/kapacitor"}


def test_wrong_values_are_left_out() -> None:
    found = of(influxdb_port="high", preflight_min_memory_mb="much", preflight_timeout="long")
    assert "influxdb_port" not in found["ports"]
    assert found["memory_mb"] == 0
    assert found["timeout"] == 10


def test_a_single_host_is_not_named() -> None:
    assert of()["host"] == ""
    checked = inventory({**ONE, "grafana": ["two"]})
    assert wanted(checked, checked.hosts["two"])["host"] == "two"


@pytest.mark.parametrize(("value", "managed"), [("false", False), ("no", False), (False, False), ("True", True)])
def test_texts_of_the_command_line_count_as_booleans(value: object, managed: bool) -> None:
    """As `-e docker_manage=false` gives it."""
    assert of(docker_manage=value)["docker_manage"] is managed


def test_texts_that_are_not_booleans_are_false() -> None:
    assert of(preflight_any_os=["perhaps"])["any_os"] is False


def test_the_memory_limits_of_what_runs_on_a_host() -> None:
    limits = {"influxdb_memory": "50g", "kapacitor_memory": "26368m", "chronograf_enabled": False}
    assert of(**limits)["limits"] == {
        "influxdb_memory": 51200,
        "kapacitor_memory": 26368,
        "keeper_memory": 2048,
        "console_memory": 1024,
        "grafana_memory": 512,
    }


def test_limits_that_are_no_sizes_are_left_out() -> None:
    assert "influxdb_memory" not in of(influxdb_memory="lots")["limits"]


def test_plain_ports_are_those_that_other_hosts_may_reach() -> None:
    assert of()["plain"] == of(stack_bind_address="127.0.0.2")["plain"] == []
    assert of(stack_bind_address="192.0.2.11", stack_tls=True)["plain"] == []
    everywhere = {"stack_bind_address": "0.0.0.0", "grafana_enabled": False, "chronograf_enabled": False}
    ports = ["influxdb_port", "kapacitor_port", "console_port"]
    assert of(**everywhere)["plain"] == [{"variable": "stack_bind_address", "address": "0.0.0.0", "ports": ports}]


def test_plain_metrics_are_published_on_an_address_of_their_own() -> None:
    assert of(keeper_metrics_address="192.0.2.11")["plain"] == []
    assert of(keeper_metrics_address="192.0.2.11", keeper_metrics_port=9095)["plain"] == [
        {"variable": "keeper_metrics_address", "address": "192.0.2.11", "ports": ["keeper_metrics_port"]}
    ]


def test_an_address_that_is_none_is_left_to_another_check() -> None:
    assert of(stack_bind_address="here")["plain"] == []
