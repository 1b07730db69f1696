"""The example `inventory/cluster`, deployed to machines of the tests' own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.integration.hosts import Host, Hosts
from tests.integration.influx import Influx
from tests.integration.kapacitor import Kapacitor
from tests.integration.pipelines import HISTORY
from tests.integration.playbook import ROOT, PlayResult, run_playbook
from tests.integration.settling import idle, time_ns, troubled, unhealthy, wait_until_settled
from tests.integration.stack import LOGS, write_yaml

NAMES = ("influx1", "kap1", "kap2", "graf1")


class Cluster:
    """A stack on several machines.

    Args:
        machines: carries the machines, which must have been started under the names of the example's hosts.
        hosts: the machines by name.
        folder: for the inventory and the records.
        variables: what the inventory sets beside what the example says.

    Attributes:
        hosts: likewise.
        inventory: the copy of the example.
        variables: may be changed; `play` puts them into the inventory.
    """

    def __init__(self, machines: Hosts, hosts: Mapping[str, Host], folder: Path, variables: Mapping[str, Any]) -> None:
        self.hosts = hosts
        self.inventory = folder / "cluster"
        self.variables = {"stack_record_dir": str(folder / "records"), **variables}
        self.results: list[PlayResult] = []
        self._sockets = folder / "ssh"
        shutil.copytree(ROOT / "inventory" / "cluster", self.inventory, ignore=shutil.ignore_patterns("secrets"))
        (self.inventory / "host_vars").mkdir(exist_ok=True)
        for name, host in hosts.items():
            write_yaml(self.inventory / "host_vars" / f"{name}.yml", machines.variables(host))
        # The example's pipelines, with the tests' times.
        path = self.inventory / "group_vars" / "all" / "pipelines.yml"
        self.pipelines = [
            pipeline | {"training": {"from": HISTORY[0], "to": HISTORY[1]}}
            for pipeline in yaml.safe_load(path.read_text())["pipelines"]
        ]
        write_yaml(path, {"pipelines": self.pipelines})

    def play(self, playbook: str, *args: str, **extra: Any) -> PlayResult:
        """Runs a playbook, see `Stack.play`."""
        write_yaml(self.inventory / "group_vars" / "all" / "test.yml", self.variables)
        log = LOGS / "cluster" / f"{len(self.results):02d}-{playbook}.log"
        variables = ["-e", json.dumps(extra)] if extra else []
        # Connections that outlive a run would lead to machines that are gone.
        env = {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._sockets)}
        result = run_playbook(playbook, self.inventory, log, *args, *variables, env=env)
        self.results.append(result)
        return result

    @property
    def influxdb_url(self) -> str:
        """InfluxDB's API, as other machines reach it."""
        return f"https://{self.hosts['influx1'].address}:8086"

    @property
    def secrets_dir(self) -> Path:
        """Where the generated secrets and the certificates lie."""
        return self.inventory / "secrets" / "anomaly"

    @property
    def ca_file(self) -> Path:
        """The authority that its certificates are trusted with."""
        return self.secrets_dir / "tls" / "ca.pem"

    def secret(self, name: str) -> str:
        """One of the stack's secrets."""
        return (self.secrets_dir / name).read_text().strip()

    def user(self, name: str) -> tuple[str, str]:
        """User name and password of one of InfluxDB's users."""
        return name, self.secret(f"influxdb_{name}_password")

    def influx(self, user: str) -> Influx:
        """InfluxDB as one of its users sees it."""
        return Influx(self.influxdb_url, *self.user(user), self.ca_file)

    def kapacitor(self, host: str) -> Kapacitor:
        """A host's Kapacitor as its admin sees it."""
        url = f"https://{self.hosts[host].address}:9092"
        return Kapacitor(url, "admin", self.secret("kapacitor_admin_password"), self.ca_file)

    def containers(self, host: str) -> list[str]:
        """Names of all containers on a host."""
        return sorted(self.hosts[host].run("docker", "ps", "--all", "--format", "{{.Names}}").split())

    def incarnations(self) -> dict[str, tuple[str, str]]:
        """Host and container to its ID and the time of its last start, of all that run."""
        return {
            f"{host} {container['Name'].lstrip('/')}": (container["Id"], container["State"]["StartedAt"])
            for host in self.hosts
            for container in self._inspect(host)
        }

    def settled(self) -> Cluster:
        """Itself, as soon as nothing is on its way that would change it, see `Stack.settled`."""
        wait_until_settled(self.unsettled, "the cluster", self.logs)
        return self

    def unsettled(self) -> str:
        """What is on its way, or wrong; empty if the cluster is at rest."""
        for host in self.hosts:
            containers = self._inspect(host)
            states = {container["Name"].lstrip("/"): container["State"] for container in containers}
            found = unhealthy({name: state.get("Health", {}).get("Status", "") for name, state in states.items()})
            if not found and "anomaly-kapacitor" in states:
                started_ns = time_ns(states["anomaly-kapacitor"]["StartedAt"])
                beats_ns = self.influx("admin").beats_ns(started_ns)
                found = idle(self.kapacitor(host).tasks(), beats_ns, started_ns)
            if not found and "anomaly-keeper" in states:
                heartbeat = "docker exec anomaly-keeper cat /tmp/heartbeat || true"
                found = troubled(self.hosts[host].run("sh", "-c", heartbeat))
            if found:
                return f"{host}: {found}"
        return ""

    def _inspect(self, host: str) -> list[dict[str, Any]]:
        """What a host's engine says of the containers that run."""
        found: list[dict[str, Any]] = json.loads(
            self.hosts[host].run("sh", "-c", "ids=$(docker ps -q); [ -z \"$ids\" ] && echo '[]' || docker inspect $ids")
        )
        return found

    def logs(self) -> str:
        """The ends of the Kapacitors' logs, for an error."""
        log = "/srv/influx-anomaly/anomaly/log/kapacitor/kapacitor.log"
        return "\n".join(f"== {host}\n{self.hosts[host].run('tail', '-n', '30', log)}" for host in ("kap1", "kap2"))
