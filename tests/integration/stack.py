"""One deployment of the tests' own: a stack name, ports, folders and an inventory that nobody else uses."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.models.containers import Container

from tests.integration.influx import Influx
from tests.integration.kapacitor import Kapacitor
from tests.integration.playbook import ROOT, PlayResult, run_playbook
from tests.integration.ports import free_port
from tests.integration.settling import idle, starts, time_ns, troubled, unhealthy, wait_until_settled

LOGS = ROOT / "build" / "logs" / "integration"
STACK_LABEL = "influx-anomaly.stack"
IMAGE_LABEL = "influx-anomaly.image"
SERVICE_LABEL = "influx-anomaly.service"
# Each is a group of hosts; the console runs beside each Kapacitor.
SERVICES = ("influxdb", "kapacitor", "grafana", "chronograf")

Variables = Mapping[str, Any]
# Path to mode, owner and kind.
Files = Mapping[str, tuple[int, int, str]]
# Task to what Kapacitor says of it.
Definitions = Mapping[str, Mapping[str, Any]]

# What changes when a task is touched; its other keys are counters. Only a task of a template has a `template-id`.
_DEFINITION = ("script", "vars", "template-id", "dbrps", "created")
# What changes, too, when the keeper starts a task again.
_START = ("status", "executing", "error", "modified", "last-enabled")
# How often it has done that.
_STARTS = "starts by the keeper"


class Stack:
    """A stack on the engine of this machine, deployed with a copy of `inventory/local`.

    Args:
        client: the engine.
        folder: everything of the stack lies below it: its inventory and its `stack_dir`.
        name: the stack's name; by default one that nobody uses.
        variables: what the inventory sets beside name, place and ports.
        pipelines: the detection jobs.
        groups: the groups of `inventory/local` that stay.

    Attributes:
        name: `stack_name`.
        dir: `stack_dir`.
        inventory: the inventory's folder.
        records: `stack_record_dir`, which holds the summary and the lock file of images.
        ports: service to port on 127.0.0.1.
        variables: may be changed; `write` puts them into the inventory, as each run of a playbook does.
        pipelines: likewise.
        influxdb_url: InfluxDB's API.
    """

    def __init__(
        self,
        client: docker.DockerClient,
        folder: Path,
        *,
        name: str | None = None,
        variables: Variables | None = None,
        pipelines: Sequence[Variables] = (),
        groups: Sequence[str] = SERVICES,
    ) -> None:
        self.client = client
        self.name = name or f"it-{secrets.token_hex(3)}"
        self.folder = folder / self.name
        self.dir = self.folder / "stack"
        self.inventory = self.folder / "inventory"
        self.records = self.folder / "records"
        self.ports = {service: free_port() for service in (*SERVICES, "console")}
        self.variables: dict[str, Any] = dict(variables or {})
        self.pipelines: list[dict[str, Any]] = [dict(pipeline) for pipeline in pipelines]
        self.results: list[PlayResult] = []
        self.influxdb_url = f"{self._scheme}://127.0.0.1:{self.ports['influxdb']}"
        self.folder.mkdir(parents=True)
        shutil.copytree(ROOT / "inventory" / "local", self.inventory, ignore=_ignore_generated)
        hosts = yaml.safe_load((self.inventory / "hosts.yml").read_text())
        hosts["all"]["children"] = {group: hosts["all"]["children"][group] for group in groups}
        write_yaml(self.inventory / "hosts.yml", hosts)
        self.write()

    # What a user does

    def write(self) -> None:
        """Writes the inventory's group variables."""
        folder = self.inventory / "group_vars" / "all"
        place = {
            "stack_name": self.name,
            "stack_dir": str(self.dir),
            "stack_record_dir": str(self.records),
            **{f"{service}_port": port for service, port in self.ports.items()},
            # The data are of 2024.
            "keeper_score_days": 0,
            # A stack is at rest when the keeper has told that an outage is over.
            "keeper_tell_back_after_seconds": 10,
        }
        write_yaml(folder / "stack.yml", place | self.variables)
        write_yaml(folder / "pipelines.yml", {"pipelines": self.pipelines})

    def play(self, playbook: str, *args: str, **extra: Any) -> PlayResult:
        """Runs a playbook.

        Args:
            playbook: name without folder and suffix, or the path of another playbook.
            args: arguments of ansible-playbook.
            extra: extra variables (`-e`).
        """
        self.write()
        variables = ["-e", json.dumps(extra)] if extra else []
        log = LOGS / self.name / f"{len(self.results):02d}-{Path(playbook).stem}.log"
        with _images_stay(unless=playbook == "teardown" and "--check" not in args):
            result = run_playbook(playbook, self.inventory, log, *args, *variables)
        self.results.append(result)
        return result

    # How to get in

    @property
    def secrets_dir(self) -> Path:
        """Where the generated secrets lie, one file each."""
        return self.inventory / "secrets" / self.name

    def secrets(self) -> dict[str, str]:
        """Name to value of all secrets, generated and given."""
        files = self.secrets_dir.iterdir() if self.secrets_dir.is_dir() else ()
        generated = {
            path.name: path.read_text().strip() for path in files if path.is_file() and not path.name.startswith(".")
        }
        return generated | dict(self.variables.get("secrets_given", {}))

    def user(self, name: str) -> tuple[str, str]:
        """User name and password of one of InfluxDB's users: admin, kapacitor, trainer, writer, reader or console."""
        external = "influxdb_external_url" in self.variables and name != "admin"
        return f"{self.name}_{name}" if external else name, self.secrets()[f"influxdb_{name}_password"]

    @property
    def _scheme(self) -> str:
        return "https" if self.variables.get("stack_tls") else "http"

    @property
    def ca_file(self) -> Path | None:
        """The authorities that its certificates are trusted with; None without TLS."""
        return self.secrets_dir / "tls" / "ca.pem" if self.variables.get("stack_tls") else None

    @property
    def kapacitor_url(self) -> str:
        """Kapacitor's API."""
        return f"{self._scheme}://{self.variables.get('stack_bind_address', '127.0.0.1')}:{self.ports['kapacitor']}"

    @property
    def console_url(self) -> str:
        """The console's first page."""
        return f"{self._scheme}://127.0.0.1:{self.ports['console']}"

    def influx(self, user: str = "admin", password: str | None = None) -> Influx:
        """InfluxDB as one of its users sees it, by default with the user's password."""
        name, known = self.user(user)
        return Influx(self.influxdb_url, name, known if password is None else password, self.ca_file)

    def kapacitor(self) -> Kapacitor:
        """Kapacitor as its admin sees it."""
        return Kapacitor(self.kapacitor_url, "admin", self.secrets()["kapacitor_admin_password"], self.ca_file)

    # What is there

    @property
    def kapacitor_log(self) -> Path:
        """Kapacitor's log, in which the UDFs' lines are too."""
        return self.dir / "log" / "kapacitor" / "kapacitor.log"

    def logs(self) -> str:
        """The ends of all logs, for an error."""
        parts = [f"== {name}\n{c.logs(tail=20).decode(errors='replace')}" for name, c in self.containers().items()]
        if self.kapacitor_log.is_file():
            parts.append(f"== {self.kapacitor_log}\n" + "\n".join(self.kapacitor_log.read_text().splitlines()[-30:]))
        return "\n".join(parts)

    def containers(self) -> dict[str, Container]:
        """Service to container, running or not, of everything that carries the stack's label or name."""
        labelled = self.client.containers.list(all=True, filters={"label": f"{STACK_LABEL}={self.name}"})
        named = self.client.containers.list(all=True, filters={"name": f"^/{self.name}(-|$)"})
        return {
            container.labels.get(SERVICE_LABEL, str(container.name)): container
            for container in {container.id: container for container in [*labelled, *named]}.values()
        }

    def container(self, service: str) -> Container:
        """The container of a service."""
        containers = self.containers()
        assert service in containers, f"{self.name} has no container {service}: {sorted(containers)}"
        return containers[service]

    def incarnations(self) -> dict[str, tuple[str, str]]:
        """Service to container ID and time of its last start: what a restart or a re-creation changes."""
        return {
            service: (str(container.id), container.attrs["State"]["StartedAt"])
            for service, container in self.containers().items()
        }

    def settled(self) -> Stack:
        """Itself, as soon as nothing is on its way that would change it.

        No container that runs is unhealthy, all enabled tasks execute and their UDFs write metrics, and the keeper
        finds nothing to repair. Whoever compares the stack before and after something begins with this.
        """
        wait_until_settled(self.unsettled, self.name, self.logs)
        return self

    def unsettled(self) -> str:
        """What is on its way, or wrong; empty if the stack is at rest."""
        running = {name: each for name, each in self.containers().items() if each.status == "running"}
        states = {name: container.attrs["State"] for name, container in running.items()}
        found = unhealthy({name: state.get("Health", {}).get("Status", "") for name, state in states.items()})
        if not found and "kapacitor" in running:
            started_ns = time_ns(states["kapacitor"]["StartedAt"])
            found = idle(self.kapacitor().tasks(), self.influx().beats_ns(started_ns), started_ns)
        if not found and "keeper" in running:
            _, heartbeat = running["keeper"].exec_run(["cat", "/tmp/heartbeat"])  # noqa: S108 - in its container
            assert isinstance(heartbeat, bytes)
            found = troubled(heartbeat.decode())
        return found

    def definitions(self) -> Definitions:
        """What of each task changes when somebody touches it, and how often the keeper has started it again."""
        keeper = self.containers().get("keeper")
        said = keeper.logs().decode(errors="replace") if keeper else ""
        return {
            name: {key: task.get(key) for key in (*_DEFINITION, *_START)} | {_STARTS: starts(said, name)}
            for name, task in self.kapacitor().tasks().items()
        }

    def subscription_places(self) -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
        """Database to (retention policy, name, addresses) of its subscriptions, without the tokens in the addresses."""
        return {
            database: sorted(
                (
                    found["retention_policy"],
                    found["name"],
                    tuple(url.rpartition("@")[2] for url in found["destinations"]),
                )
                for found in subscriptions
            )
            for database, subscriptions in self.influx().subscriptions().items()
        }

    def on_engine(self) -> dict[str, list[str]]:
        """Names of everything of the stack on the engine: containers, networks, volumes, images."""
        label = {"label": f"{STACK_LABEL}={self.name}"}

        def ours(name: str) -> bool:
            return re.match(rf"{re.escape(self.name)}($|[-_/:])", name) is not None

        networks = {network.name for network in self.client.networks.list(filters=label)}
        networks |= {network.name for network in self.client.networks.list() if ours(str(network.name))}
        volumes = {volume.name for volume in self.client.volumes.list(filters=label)}
        volumes |= {volume.name for volume in self.client.volumes.list() if ours(str(volume.name))}
        images = {*image_tags(self.client, label), *filter(ours, image_tags(self.client))}
        return {
            "containers": sorted(str(container.name) for container in self.containers().values()),
            "networks": sorted(map(str, networks)),
            "volumes": sorted(map(str, volumes)),
            "images": sorted(images),
        }

    def files(self) -> Files:
        """Path below `folder` to mode, owner and kind of every file and folder that is there."""
        found = {}
        for path in below(self.folder):
            try:
                status = path.lstat()
            except FileNotFoundError:
                # A service has removed it meanwhile.
                continue
            kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
            found[str(path.relative_to(self.folder))] = (status.st_mode & 0o7777, status.st_uid, kind)
        return found

    def contents(self) -> Iterator[tuple[Path, bytes]]:
        """Each file of the stack and of its records with its content; what a service removes meanwhile is left out."""
        for path in [*below(self.dir), *below(self.records)]:
            try:
                if path.is_file() and not path.is_symlink():
                    yield path, path.read_bytes()
            except FileNotFoundError:
                continue

    def settled_files(self) -> Files:
        """The files without those that services write while they run, which are inside the folders of stack/data."""
        return {
            path: state
            for path, state in self.files().items()
            if not path.startswith("stack/data/") or len(Path(path).parts) <= len(("stack", "data", "service"))
        }

    def image(self, name: str) -> str:
        """Reference of one of the images that this stack runs from, or of one that they were built on.

        Args:
            name: our name of it, such as `influxdb` or `debian`.
        """
        for container in self.containers().values():
            image = container.image
            if image and image.labels.get(IMAGE_LABEL) == name:
                return str(container.attrs["Config"]["Image"])
        tags = image_tags(self.client, {"label": f"{IMAGE_LABEL}={name}"})
        ours = [tag for tag in tags if tag.startswith(f"influx-anomaly/{name}:")]
        assert ours, f"no image {name} is on the engine"
        return ours[0]

    def destroy(self) -> None:
        """Removes all of it, however far a test got. Only what carries the stack's label or name is touched."""
        for container in self.containers().values():
            container.remove(force=True, v=True)
        left = self.on_engine()
        for network in left["networks"]:
            self.client.networks.get(network).remove()
        for volume in left["volumes"]:
            self.client.volumes.get(volume).remove(force=True)
        for image in left["images"]:
            self.client.images.remove(image, force=True, noprune=True)
        shutil.rmtree(self.folder)


def touched(before: Definitions, after: Definitions) -> set[str]:
    """The tasks that are new, gone, or not as they were, but for those that the keeper has started again meanwhile."""
    names = {name for name in before.keys() & after.keys() if not _is_equal(before[name], after[name])}
    return names | (before.keys() ^ after.keys())


def _is_equal(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    keys = _DEFINITION if before[_STARTS] != after[_STARTS] else (*_DEFINITION, *_START)
    return all(before[key] == after[key] for key in keys)


def below(folder: Path) -> list[Path]:
    """All files and folders below a folder, sorted. What a service removes meanwhile is left out, and fails nothing."""
    return sorted(Path(root, name) for root, folders, files in os.walk(folder) for name in (*folders, *files))


def image_tags(client: docker.DockerClient, filters: Mapping[str, str] | None = None) -> list[str]:
    """The names of images, the newest first, and the IDs of those without one.

    The SDK's own list looks at one image after the other, and fails where another worker removes one meanwhile.
    """
    images = client.api.images(filters=dict(filters or {}))
    return [tag for image in images for tag in _names(image) or [image["Id"]]]


def _names(image: Mapping[str, Any]) -> list[str]:
    return [tag for tag in image["RepoTags"] or () if tag != "<none>:<none>"]


def write_yaml(path: Path, content: Any) -> None:
    """Writes one YAML document."""
    path.write_text("---\n" + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


@contextmanager
def _images_stay(*, unless: bool) -> Iterator[None]:
    """Teardown removes images that no container needs, and in a deployment of another worker some are about to be: so
    one waits for the other."""
    with (Path(tempfile.gettempdir()) / "influx-anomaly-tests.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if unless else fcntl.LOCK_SH)
        yield


def _ignore_generated(folder: str, names: list[str]) -> list[str]:
    """What a deployment by hand left in `inventory/local` must not come along."""
    return [name for name in names if name in ("secrets", "backups")]
