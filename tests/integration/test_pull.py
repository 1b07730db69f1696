"""Images from a registry of the tests' own, which asks for a password.

The tests of this module tell one story, so they depend on their order.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from daemons.images import built_image
from tests.integration.pipelines import PRINTER
from tests.integration.registry import Registry
from tests.integration.stack import Stack

NOTHING: dict[str, list[str]] = {"containers": [], "networks": [], "volumes": [], "images": []}
DOCKER_CONFIG = Path.home() / ".docker" / "config.json"


@dataclass(frozen=True)
class Pushed:
    """What the registry has.

    Attributes:
        registry: the registry.
        prefix: value of `image_registry`: a mirror below a path.
        digests: our names of the images to their digests in the registry.
    """

    registry: Registry
    prefix: str
    digests: dict[str, str]


@pytest.fixture(scope="module")
def pushed(engine: docker.DockerClient, kept_images: None) -> Iterator[Pushed]:
    with Registry(engine, f"it-{secrets.token_hex(3)}x-registry", built_image("debian")) as registry:
        digests = {
            name: registry.push(built_image(name), f"mirror/library/{name}", tag)
            for name, tag in (("influxdb", "1.12.4"), ("kapacitor", "1.8.6"), ("debian", "trixie-slim"))
        }
        registry.forget_local()
        yield Pushed(registry, f"{registry.address}/mirror", digests)


@pytest.fixture(scope="module")
def puller(pushed: Pushed, new_stack: Callable[..., Stack]) -> Stack:
    """A stack that has not been deployed yet."""
    return new_stack(
        variables={
            "image_source": "pull",
            "image_registry": pushed.prefix,
            "image_registry_username": pushed.registry.username,
            "image_registry_password": pushed.registry.password,
        },
        pipelines=[PRINTER],
    )


@pytest.fixture(scope="module")
def client_config() -> str:
    """What the engine's client keeps of credentials before anything is pulled."""
    return DOCKER_CONFIG.read_text() if DOCKER_CONFIG.exists() else ""


@pytest.fixture(scope="module")
def deployed(puller: Stack, client_config: str) -> Stack:
    puller.play("site").succeeded()
    return puller


def test_a_wrong_password_is_refused(puller: Stack, pushed: Pushed, client_config: str) -> None:
    puller.variables["image_registry_password"] = "not-the-right-one"
    try:
        result = puller.play("site")
    finally:
        puller.variables["image_registry_password"] = pushed.registry.password
    result.refused("image_registry_username", pushed.registry.username, pushed.prefix, "fix")
    assert "not-the-right-one" not in result.output
    assert puller.on_engine()["containers"] == []


def test_a_digest_that_the_registry_does_not_have_is_refused(puller: Stack, pushed: Pushed) -> None:
    puller.variables["images_digests"] = {"influxdb": f"sha256:{'0' * 64}"}
    try:
        puller.play("site").refused("influxdb", "0" * 64, "fix")
    finally:
        del puller.variables["images_digests"]
    assert puller.on_engine()["containers"] == []


def test_containers_run_from_what_was_pulled(deployed: Stack, pushed: Pushed) -> None:
    influxdb = deployed.container("influxdb")
    assert influxdb.attrs["Config"]["Image"].startswith(f"{pushed.prefix}/library/influxdb:1.12.4")
    assert influxdb.image
    assert any(pushed.digests["influxdb"] in digest for digest in influxdb.image.attrs["RepoDigests"])


def test_our_own_image_is_built_on_what_was_pulled(deployed: Stack, pushed: Pushed) -> None:
    """No registry has it."""
    image = deployed.container("kapacitor").image
    base = deployed.client.images.get(built_image("debian"))
    assert image
    layers = base.attrs["RootFS"]["Layers"]
    assert image.attrs["RootFS"]["Layers"][: len(layers)] == layers


def test_what_was_resolved_is_recorded(deployed: Stack, pushed: Pushed) -> None:
    (lock,) = json.loads((deployed.records / "images.lock.json").read_text())["hosts"].values()
    assert lock["influxdb"]["source"] == "pull"
    assert lock["influxdb"]["digest"] == pushed.digests["influxdb"]
    assert lock["kapacitor-python"]["source"] == "build"


def test_what_the_registry_lacks_is_left_out_and_said(deployed: Stack) -> None:
    assert set(deployed.containers()) == {"influxdb", "kapacitor", "keeper", "console"}
    for service in ("grafana", "chronograf"):
        assert f"{service}" in deployed.results[-1].text.lower()
        assert "left out" in deployed.results[-1].text


def test_the_second_run_changes_nothing(deployed: Stack) -> None:
    deployed.settled().play("site").unchanged()


def test_credentials_stay_nowhere(deployed: Stack, pushed: Pushed, client_config: str) -> None:
    assert (DOCKER_CONFIG.read_text() if DOCKER_CONFIG.exists() else "") == client_config
    for result in deployed.results:
        assert pushed.registry.password not in result.output, result.log
    for path, content in deployed.contents():
        assert pushed.registry.password.encode() not in content, path
    for container in deployed.containers().values():
        assert pushed.registry.password not in json.dumps(container.attrs)
