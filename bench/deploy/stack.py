"""A stack of the benchmark's own: a copy of `inventory/local` with a name, ports and folders that nobody else uses."""

import random
import secrets
import shutil
import socket
from pathlib import Path
from typing import Any

import yaml

SERVICES = ("influxdb", "kapacitor", "console", "grafana", "chronograf")
# Below the range that the kernel hands out by itself, so that no outgoing connection takes one in between.
_LOWEST, _HIGHEST = 20_000, 32_000


class BenchStack:
    """An inventory that describes the stack, and what is changed in it.

    Args:
        folder: an empty folder for the inventory and everything that the stack keeps on the host.
        template: the inventory that is copied.

    Attributes:
        name: the stack's name, `bench-` and a random part.
        inventory: the folder of the inventory.
    """

    def __init__(self, folder: Path, template: Path) -> None:
        self.name = f"bench-{secrets.token_hex(3)}"
        self.inventory = folder / "inventory"
        # What a deployment by hand has generated belongs to that deployment.
        shutil.copytree(template, self.inventory, ignore=shutil.ignore_patterns("secrets"))
        place = {
            "stack_name": self.name,
            "stack_dir": str(folder / "stack"),
            "stack_record_dir": str(folder / "records"),
            **{f"{service}_port": port for service, port in zip(SERVICES, free_ports(len(SERVICES)), strict=True)},
        }
        self._write("stack.yml", place)

    def change_pipeline(self) -> None:
        """Change the threshold at which the first pipeline opens periods, which changes its task and nothing else."""
        path = self.inventory / "group_vars" / "all" / "pipelines.yml"
        pipelines = yaml.safe_load(path.read_text(encoding="utf-8"))["pipelines"]
        opens = pipelines[0].get("periods", {}).get("open", 75)
        pipelines[0]["periods"] = {**pipelines[0].get("periods", {}), "open": opens + 1}
        self._write("pipelines.yml", {"pipelines": pipelines})

    def set_pipelines(self, count: int) -> None:
        """Have this many pipelines: the first one, and others like it under names of their own."""
        path = self.inventory / "group_vars" / "all" / "pipelines.yml"
        first = yaml.safe_load(path.read_text(encoding="utf-8"))["pipelines"][0]
        others = [{**first, "name": f"{first['name']}-{number:02}"} for number in range(1, count)]
        self._write("pipelines.yml", {"pipelines": [first, *others]})

    def _write(self, name: str, variables: dict[str, Any]) -> None:
        text = "---\n" + yaml.safe_dump(variables, sort_keys=False)
        (self.inventory / "group_vars" / "all" / name).write_text(text, encoding="utf-8")


def free_ports(count: int) -> list[int]:
    """Return different TCP ports that nothing listens on at 127.0.0.1."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311 (it need not be secret)
        with socket.socket() as probe:
            if port not in ports and probe.connect_ex(("127.0.0.1", port)) != 0:
                ports.append(port)
    return ports
