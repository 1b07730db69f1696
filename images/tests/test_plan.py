"""Only what is missing is built, on what the user gave where they did."""

from __future__ import annotations

from pathlib import Path

import pytest

from images.driver.catalog import INFLUXDB_VERSIONS, KAPACITOR_VERSIONS, catalog
from images.driver.plan import BuildPlan

REPOSITORY = Path(__file__).resolve().parents[2]


def plan(given: dict[str, str] | None = None, influxdb: str = INFLUXDB_VERSIONS[0], prefix: str = "x") -> BuildPlan:
    return BuildPlan(catalog(influxdb, KAPACITOR_VERSIONS[0]), given or {}, prefix, REPOSITORY)


def nothing(_: str) -> bool:
    return False


@pytest.mark.parametrize("version", INFLUXDB_VERSIONS)
def test_every_image_can_be_planned(version: str) -> None:
    planned = plan(influxdb=version)
    for name in catalog():
        assert planned.reference(name).startswith(f"x/{name}:{planned[name].image.version}-")
        assert ("Dockerfile" in planned[name].files) == (name != "debian")


def test_bases_come_first() -> None:
    assert list(plan().missing(["kapacitor-python"], nothing)) == [
        "debian",
        "toolchain",
        "kapacitor",
        "kapacitor-python",
    ]


def test_what_is_there_needs_no_bases() -> None:
    made = plan()
    assert made.missing(["kapacitor-python"], lambda reference: reference == made.reference("kapacitor-python")) == {}
    there = {made.reference("kapacitor"), made.reference("debian")}
    assert list(made.missing(["kapacitor-python"], there.__contains__)) == ["kapacitor-python"]


def test_a_given_base_is_neither_built_nor_looked_into() -> None:
    given = {"debian": "debian:13-slim", "kapacitor": "kapacitor:1.8.6"}
    made = plan(given)
    assert list(made.missing(["kapacitor-python"], nothing)) == ["kapacitor-python"]
    assert made["kapacitor-python"].bases == {"DEBIAN_IMAGE": "debian:13-slim", "KAPACITOR_IMAGE": "kapacitor:1.8.6"}
    assert made.reference("debian") == "debian:13-slim"
    assert made.reference("kapacitor-python") != plan().reference("kapacitor-python")


def test_the_prefix_is_no_part_of_the_hash_of_an_image_without_bases() -> None:
    assert plan(prefix="a").reference("debian")[1:] == plan(prefix="b").reference("debian")[1:]
