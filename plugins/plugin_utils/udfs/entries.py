"""The entries of `kapacitor_udfs`: their defaults, and their sections of kapacitor.conf.

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
class UdfTask:
    """A task of a custom UDF.

    Attributes:
        name: the task's id in Kapacitor.
        script: path of the TICKscript on the controller.
        database: the database whose points the task sees.
        retention_policy: the retention policy of those points.
        enabled: whether the task runs.
        kapacitor: inventory host that runs the task; None for any host.
    """

    name: str
    script: Path
    database: str
    retention_policy: str
    enabled: bool
    kapacitor: str | None


@dataclass(frozen=True)
class FolderUdf:
    """A custom UDF that comes from a folder on the controller.

    Attributes:
        name: name of the UDF in TICKscripts.
        directory: its folder on the controller.
        module: Python module that declares the UDF, with `:NAME` if the folder has several.
        mode: `process` or `socket`.
        timeout: Kapacitor's timeout for the UDF.
        env: environment variables of the UDF's process.
        tasks: the tasks that use the UDF.
    """

    name: str
    directory: Path
    module: str
    mode: str
    timeout: str
    env: dict[str, str] = field(default_factory=dict)
    tasks: tuple[UdfTask, ...] = ()

    @property
    def module_file(self) -> Path | None:
        """File of the module, or None if the folder lacks it."""
        stem = self.directory.joinpath(*self.module.split(":")[0].split("."))
        return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)

    @property
    def socket(self) -> str:
        """Path of the server's socket in socket mode, in the container's memory."""
        return f"/tmp/udf-{self.name}.sock"  # noqa: S108 - a tmpfs of the container's own

    def arguments(self, *command: str) -> list[str]:
        """Return the arguments of Python for a command of kapacitor_udf on the module."""
        return ["-m", "kapacitor_udf", *command, self.module]

    def environment(self, digest: str) -> dict[str, str]:
        """Return the environment variables of the UDF's process.

        Args:
            digest: digest of the packed folder.
        """
        base = f"{CONTAINER_DIR}/{self.folder(digest)}"
        return {
            "PYTHONPATH": f"{base}/code:{base}/packages",
            # Numerical libraries would start a thread for each core of the host in every process.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **self.env,
        }

    def folder(self, digest: str) -> str:
        """Return the name of the packed folder, which changes with the folder's content."""
        return f"{self.name}-{digest[:12]}"

    def function(self, digest: str) -> dict[str, Any]:
        """Return the UDF's entry in kapacitor.conf.

        Args:
            digest: digest of the packed folder.
        """
        if self.mode == "socket":
            return {"socket": self.socket, "timeout": self.timeout}
        return {
            "prog": PYTHON,
            "args": self.arguments("run"),
            "timeout": self.timeout,
            "env": self.environment(digest),
        }


def is_folder_udf(entry: Any) -> bool:
    """Return whether an entry names a folder on the controller, rather than a program or a socket."""
    return isinstance(entry, Mapping) and "prog" not in entry and "socket" not in entry


def folder_udf(name: str, entry: Mapping[str, Any], root: Path, timeout: str) -> FolderUdf:
    """Return an entry with its defaults filled in.

    Args:
        name: name of the UDF.
        entry: the inventory's mapping.
        root: folder that relative folders start from.
        timeout: the default for the entry's timeout.
    """
    directory = root / str(entry.get("directory") or f"udfs/{name}")
    return FolderUdf(
        name=name,
        directory=directory,
        module=str(entry.get("module") or name),
        mode=str(entry.get("mode") or "process"),
        timeout=str(entry.get("timeout") or timeout),
        env={str(key): str(value) for key, value in (entry.get("env") or {}).items()},
        tasks=tuple(_task(task, directory) for task in entry.get("tasks") or []),
    )


def _task(task: Mapping[str, Any], directory: Path) -> UdfTask:
    return UdfTask(
        name=str(task["name"]),
        script=directory / str(task.get("script") or f"{task['name']}.tick"),
        database=str(task["database"]),
        retention_policy=str(task.get("retention_policy") or "autogen"),
        enabled=bool(task.get("enabled", True)),
        kapacitor=task.get("kapacitor"),
    )
