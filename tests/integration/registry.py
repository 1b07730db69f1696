"""An image registry of the tests' own on the loopback address, which asks for a user name and a password."""

from __future__ import annotations

import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

import docker
import requests

from tests.integration.hosts import LABEL, built
from tests.integration.ports import free_port
from tests.integration.stack import image_tags
from tests.integration.waiting import PATIENCE_S, wait_for

CONTEXT = Path(__file__).with_name("registry")


class Registry:
    """Use it in a `with` statement.

    Attributes:
        address: `127.0.0.1:port`; engines trust loopback registries without TLS.
        username: who may push and pull.
        password: made for this registry.
    """

    def __init__(self, client: docker.DockerClient, name: str, debian_image: str) -> None:
        self._client = client
        self._name = name
        self._debian_image = debian_image
        self.username = "robot"
        self.password = secrets.token_urlsafe(18)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._pushed: list[str] = []

    def __enter__(self) -> Self:
        image = built(
            self._client, CONTEXT, "influx-anomaly-test/registry", "registry", {"DEBIAN_IMAGE": self._debian_image}
        )
        self._container = self._client.containers.run(
            image, name=self._name, detach=True, init=True, labels={LABEL: self._name},
            ports={"5000/tcp": ("127.0.0.1", self.port)},
            environment={"REGISTRY_USER": self.username, "REGISTRY_PASSWORD": self.password},
        )  # fmt: skip
        wait_for(lambda: self._get("/v2/").status_code == 200, "the registry's answer", explain=self._log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._container.remove(force=True, v=True)
        # What was pushed from here, and what was pulled by others.
        for reference in image_tags(self._client):
            if reference.startswith(f"{self.address}/"):
                self._client.images.remove(reference, force=True, noprune=True)

    def push(self, source: str, repository: str, tag: str) -> str:
        """Stores a local image under `repository:tag`; returns its digest."""
        target = f"{self.address}/{repository}"
        assert self._client.images.get(source).tag(target, tag)
        self._pushed.append(f"{target}:{tag}")
        for message in self._client.images.push(
            target, tag, stream=True, decode=True,
            auth_config={"username": self.username, "password": self.password},
        ):  # fmt: skip
            assert "error" not in message, message
        manifest = self._get(f"/v2/{repository}/manifests/{tag}")
        assert manifest.status_code == 200, manifest.text
        return manifest.headers["Docker-Content-Digest"]

    def forget_local(self) -> None:
        """Removes the local names of what was pushed, so that only the registry has them."""
        for reference in self._pushed:
            self._client.images.remove(reference, noprune=True)
        self._pushed.clear()

    def _get(self, path: str) -> requests.Response:
        return requests.get(
            f"http://{self.address}{path}", auth=(self.username, self.password), timeout=PATIENCE_S,
            headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        )  # fmt: skip

    def _log(self) -> str:
        return self._container.logs(tail=30).decode(errors="replace")
