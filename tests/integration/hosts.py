"""Machines of the tests' own: containers with an SSH server, in which an engine of their own runs.

They stand in for the hosts of `inventory/cluster`. Their network is internal, so none of them reaches a registry, or
anything else outside, unless a test says so.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import docker
from docker.errors import ImageNotFound
from docker.models.containers import Container

from tests.integration.waiting import wait_for

CONTEXT = Path(__file__).with_name("hosts")
USER = "deploy"
LABEL = "influx-anomaly.test"


def built(client: docker.DockerClient, context: Path, name: str, target: str, args: Mapping[str, str]) -> str:
    """Reference of the image built from `context`; it is built once for each content and base image.

    Args:
        client: the engine to build on.
        context: folder with a Dockerfile.
        name: repository name of the image.
        target: the stage to build.
        args: build arguments; an argument `DEBIAN_IMAGE` counts with what it refers to.
    """
    content = hashlib.sha256()
    for path in sorted(context.rglob("*")):
        if path.is_file():
            content.update(f"{path.relative_to(context)} {path.stat().st_mode:o}\n".encode() + path.read_bytes())
    content.update(repr((target, sorted(args.items()))).encode())
    content.update(str(client.images.get(args["DEBIAN_IMAGE"]).id).encode())
    reference = f"{name}:{content.hexdigest()[:12]}"
    try:
        client.images.get(reference)
    except ImageNotFound:
        client.images.build(path=str(context), tag=reference, target=target, buildargs=dict(args), rm=True)
    return reference


@dataclass(frozen=True)
class Host:
    """One machine.

    Attributes:
        name: its name in the inventory.
        address: where the controller and the other machines reach it.
        container: what it is made of.
    """

    name: str
    address: str
    container: Container

    def run(self, *command: str) -> str:
        """Output of a command that runs on it as root; fails if the command does."""
        code, output = self.container.exec_run(list(command))
        assert isinstance(output, bytes)
        text = output.decode(errors="replace")
        assert code == 0, f"{self.name}: {' '.join(command)} exited {code}: {text}"
        return text

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Writes a file on it."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            info = tarfile.TarInfo(Path(path).name)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
        assert self.container.put_archive(str(Path(path).parent), archive.getvalue())


class Hosts:
    """A handful of machines on a network without a way out; use it in a `with` statement.

    Args:
        client: the engine that carries them.
        name: prefix of everything that is made on it.
        debian_image: the image that the machines are built on.
        folder: for the SSH key.
    """

    def __init__(self, client: docker.DockerClient, name: str, debian_image: str, folder: Path) -> None:
        self._client = client
        self._name = name
        self._debian_image = debian_image
        self.key = folder / "id_ed25519"
        self._hosts: dict[str, Host] = {}
        self._labels = {LABEL: name}

    def __enter__(self) -> Self:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self._name, "-f", str(self.key)], check=True
        )
        self._network = self._client.networks.create(
            self._name, driver="bridge", internal=True, labels=self._labels, check_duplicate=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for host in self._hosts.values():
            # Containers inside leave control groups behind on the engine outside when their engine is just killed.
            host.container.exec_run(["sh", "-c", "docker ps -aq 2>/dev/null | xargs -r docker rm -f"])
            host.container.remove(force=True, v=True)
        self._network.remove()

    def start(self, *names: str, target: str = "engine", outside: bool = False) -> list[Host]:
        """Makes machines and waits until they can be logged in to.

        Args:
            names: their names.
            target: `engine` has a container engine installed, which does not run yet; `bare` has none.
            outside: give them a way out as well, to install packages.
        """
        image = built(
            self._client, CONTEXT, f"influx-anomaly-test/host-{target}", target, {"DEBIAN_IMAGE": self._debian_image}
        )
        for name in names:
            container = self._client.containers.create(
                image, name=f"{self._name}-{name}", hostname=name, labels=self._labels, init=True,
                network=self._name, environment={"AUTHORIZED_KEY": self.key.with_suffix(".pub").read_text().strip()},
                # What an engine inside needs, short of --privileged, which not every sandbox has.
                cap_add=["ALL"], cap_drop=["SYS_RESOURCE"], security_opt=["seccomp=unconfined"], cgroupns="host",
                volumes=["/sys/fs/cgroup:/sys/fs/cgroup", "/var/lib/docker"],
            )  # fmt: skip
            self._hosts[name] = Host(name, "", container)  # so that it is removed whatever happens next
            if outside:
                self._client.networks.get("bridge").connect(container)
            container.start()
            container.reload()
            address = container.attrs["NetworkSettings"]["Networks"][self._name]["IPAddress"]
            self._hosts[name] = Host(name, address, container)
        for name in names:
            host = self._hosts[name]
            wait_for(lambda host=host: self._logs_in(host), f"an SSH login on {name} ({host.address})")  # type: ignore[misc]
        return [self._hosts[name] for name in names]

    def variables(self, host: Host) -> dict[str, str]:
        """Host variables by which Ansible reaches the machine."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": host.address,
            "ansible_user": USER,
            "ansible_become": "true",
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": " ".join(self._ssh_options),
        }

    @property
    def _ssh_options(self) -> list[str]:
        # Addresses are used again by other machines with other keys, so nothing may be remembered.
        return ["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR"]

    def _logs_in(self, host: Host) -> bool:
        options = [*self._ssh_options, "-oBatchMode=yes", "-oConnectTimeout=10"]
        login = subprocess.run(
            ["ssh", "-i", str(self.key), *options, f"{USER}@{host.address}", "true"],
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
        return login.returncode == 0
