"""What an entry of `kapacitor_udfs` means: defaults filled in, and what Kapacitor's configuration says of it.

An entry is one of three kinds: a folder on the controller with a module that declares a UDF by `kapacitor_udf` (the
usual one, and what `{}` means: the folder `udfs/NAME`), a program that is in the image (`prog`), or a socket that
somebody else listens on (`socket`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PYTHON = "/opt/anomaly/bin/python"
CONTAINER_DIR = "/etc/kapacitor/udfs"
"""Where the host's folder of packed UDFs is in Kapacitor's container."""


@dataclass(frozen=True)
class Task:
    """A task of the user's own. script: path on the controller. kapacitor: inventory host; None where any will do."""

    name: str
    script: Path
    database: str
    retention_policy: str
    enabled: bool
    kapacitor: str | None


@dataclass(frozen=True)
class Own:
    """A UDF that comes from a folder on the controller."""

    name: str
    directory: Path
    module: str
    mode: str
    timeout: str
    env: dict[str, str] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()

    @property
    def module_file(self) -> Path | None:
        """The file of the module, or None if the folder has none."""
        stem = self.directory.joinpath(*self.module.split(":")[0].split("."))
        return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)

    @property
    def socket(self) -> str:
        """Where its server listens, in socket mode: a place in the container's memory."""
        return f"/tmp/udf-{self.name}.sock"  # noqa: S108 - a tmpfs of the container's own

    def arguments(self, *command: str) -> list[str]:
        """What Python is started with: a command of kapacitor_udf on the module."""
        return ["-m", "kapacitor_udf", *command, self.module]

    def environment(self, digest: str) -> dict[str, str]:
        """The variables that its process has; `digest` names the packed folder."""
        base = f"{CONTAINER_DIR}/{self.folder(digest)}"
        return {
            "PYTHONPATH": f"{base}/code:{base}/packages",
            # Numerical libraries would start a thread for each core of the host in every process.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **self.env,
        }

    def folder(self, digest: str) -> str:
        """The name of its packed folder: another content is another folder."""
        return f"{self.name}-{digest[:12]}"

    def function(self, digest: str) -> dict[str, Any]:
        """Its entry in kapacitor.conf."""
        if self.mode == "socket":
            return {"socket": self.socket, "timeout": self.timeout}
        return {
            "prog": PYTHON,
            "args": self.arguments("run"),
            "timeout": self.timeout,
            "env": self.environment(digest),
        }


def is_own(entry: Any) -> bool:
    """Whether an entry is of a folder on the controller."""
    return isinstance(entry, Mapping) and "prog" not in entry and "socket" not in entry


def own(name: str, entry: Mapping[str, Any], root: Path, timeout: str) -> Own:
    """An entry with its defaults filled in. `root`: where relative folders start; `timeout`: the default."""
    directory = root / str(entry.get("directory") or f"udfs/{name}")
    return Own(
        name=name,
        directory=directory,
        module=str(entry.get("module") or name),
        mode=str(entry.get("mode") or "process"),
        timeout=str(entry.get("timeout") or timeout),
        env={str(key): str(value) for key, value in (entry.get("env") or {}).items()},
        tasks=tuple(_task(task, directory) for task in entry.get("tasks") or []),
    )


def _task(task: Mapping[str, Any], directory: Path) -> Task:
    return Task(
        name=str(task["name"]),
        script=directory / str(task.get("script") or f"{task['name']}.tick"),
        database=str(task["database"]),
        retention_policy=str(task.get("retention_policy") or "autogen"),
        enabled=bool(task.get("enabled", True)),
        kapacitor=task.get("kapacitor"),
    )
