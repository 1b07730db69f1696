"""Reads the deployed stack's addresses, logins and pipeline from the summary that site.yml writes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly.pipeline.duration import DurationError
from anomaly.pipeline.duration import parse_duration as duration_ns
from demo.errors import DemoError
from ingest.printer import PRINTERS
from ingest.process import Process
from ingest.times import parse_duration


@dataclass(frozen=True)
class Login:
    """A user of a service.

    Attributes:
        username: the name.
        password_file: the file that holds the password; None if the inventory gives the password (Ansible Vault).
    """

    username: str
    password_file: Path | None

    @property
    def password(self) -> str:
        """The password. Raises DemoError if there is no file, or the file cannot be read."""
        if self.password_file is None:
            raise DemoError(
                f"The password of '{self.username}' is in no file, since secrets_given holds it. "
                "Fix: demonstrate on a stack whose secrets are generated"
            )
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise DemoError(
                f"{self.password_file}: {error.strerror}. It holds the password of '{self.username}'. "
                "Fix: run as the user who deployed, or deploy again"
            ) from error


@dataclass(frozen=True)
class DemoPipeline:
    """The part of a pipeline's specification that the demonstration needs.

    Attributes:
        name: the pipeline's name.
        database: the database of its source.
        retention_policy: the retention policy of its source.
        measurement: the measurement of its source.
        window_ms: the length of a window.
        open_severity: the severity that opens a period; None if the specification leaves the default.
        process: the process that it watches.
        silence_ms: how long a device may have no data; None if the specification does not say it.
        lateness_ms: how long a window waits for late points; None likewise.
    """

    name: str
    database: str
    retention_policy: str
    measurement: str
    window_ms: int
    open_severity: float | None
    process: Process = PRINTERS
    silence_ms: int | None = None
    lateness_ms: int | None = None


@dataclass(frozen=True)
class Page:
    """A web interface of the stack.

    Attributes:
        name: its name for people.
        url: its address; None if it is not deployed.
        login: its user; None if it does not ask for one.
        reason: why it is not deployed; empty if it is.
    """

    name: str
    url: str | None
    login: Login | None
    reason: str


@dataclass(frozen=True)
class DeployedStack:
    """Addresses and logins of a deployed stack.

    Attributes:
        name: the stack's name.
        results_database: the database of scores and periods.
        influxdb_url: the address of InfluxDB.
        writer: the user of InfluxDB that writes source data.
        reader: the user of InfluxDB that reads source data and results.
        admin: the admin of InfluxDB.
        kapacitor_urls: the addresses of all Kapacitors.
        kapacitor: the user of Kapacitor.
        pages: the web interfaces.
        pipeline: the pipeline of the demonstration.
        secrets_dir: the directory of the secrets, for people.
        folder: the directory of the summary.
        ca_file: the file with the authorities of the stack's certificates; None: the usual ones.
    """

    name: str
    results_database: str
    influxdb_url: str
    writer: Login
    reader: Login
    admin: Login
    kapacitor_urls: tuple[str, ...]
    kapacitor: Login
    pages: tuple[Page, ...]
    pipeline: DemoPipeline
    secrets_dir: str
    folder: Path = field(compare=False)
    ca_file: str | None = None


def read_stack(path: Path, pipeline: str, root: Path, process: Process = PRINTERS) -> DeployedStack:
    """Read a ``summary.json``.

    Args:
        path: the file.
        pipeline: the name of the pipeline.
        root: the directory to which paths in the file are relative.
        process: the process that the pipeline watches.

    Raises:
        DemoError: the file is not there, lacks a key, or has no such pipeline.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DemoError(
            f"{path}: {error.strerror}. Fix: run playbooks/site.yml, which writes it; the demonstration needs an "
            "inventory without stack_record_dir"
        ) from error
    except ValueError as error:
        raise DemoError(f"{path}: is not JSON: {error}. Fix: remove it and run playbooks/site.yml") from error
    summary = _Document(path, document, root)
    return DeployedStack(
        name=summary.text("stack_name"),
        results_database=summary.text("results_database"),
        influxdb_url=summary.text("influxdb", "url"),
        writer=summary.login("influxdb", "writer"),
        reader=summary.login("influxdb", "reader"),
        admin=summary.login("influxdb", "admin"),
        kapacitor_urls=tuple(summary.list("kapacitor", "urls")),
        kapacitor=summary.login("kapacitor"),
        pages=(
            summary.page("Console", "console", "operator"),
            summary.page("Grafana", "grafana"),
            summary.page("Chronograf", "chronograf"),
        ),
        pipeline=_pipeline(summary, pipeline, process),
        secrets_dir=summary.text("secrets_dir"),
        folder=path.parent,
        ca_file=summary.file("ca_file"),
    )


class _Document:
    """The content of a summary; each method raises DemoError if a key is missing or has a wrong value."""

    def __init__(self, path: Path, document: Any, root: Path) -> None:
        self.path = path
        self._document = document
        self._root = root

    def get(self, *keys: str) -> Any:
        value = self._document
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                raise DemoError(
                    f"{self.path}: '{'.'.join(keys)}' is missing. Fix: it is written by playbooks/site.yml; run that"
                )
            value = value[key]
        return value

    def text(self, *keys: str) -> str:
        value = self.get(*keys)
        if not isinstance(value, str) or not value:
            raise DemoError(f"{self.path}: '{'.'.join(keys)}' is {value!r}, not a text. Fix: run playbooks/site.yml")
        return value

    def list(self, *keys: str) -> list[Any]:
        value = self.get(*keys)
        if not isinstance(value, list) or not value:
            raise DemoError(f"{self.path}: '{'.'.join(keys)}' is {value!r}, not a list. Fix: run playbooks/site.yml")
        return value

    def file(self, key: str) -> str | None:
        """Return the path of a file that may be left out."""
        value = self._document.get(key) if isinstance(self._document, Mapping) else None
        return str(self._root / value) if value else None

    def login(self, *keys: str) -> Login:
        file = self.get(*keys, "password_file")
        return Login(self.text(*keys, "username"), self._root / file if file else None)

    def page(self, name: str, key: str, purpose: str | None = None) -> Page:
        """Return a web interface, the first of several.

        Args:
            name: its name for people.
            key: its key in the summary.
            purpose: what its user is for; None: it has one user at most.
        """
        given = self.get(key)
        urls = [given.get("url"), *(given.get("urls") or ())] if isinstance(given, Mapping) else []
        url = next((url for url in urls if url), None)
        if url is None:
            reason = given.get("reason") if isinstance(given, Mapping) else None
            return Page(name, None, None, str(reason or "not deployed"))
        keys = (key,) if purpose is None else (key, purpose)
        has_login = purpose is not None or given.get("username")
        return Page(name, str(url), self.login(*keys) if has_login else None, "")


def _pipeline(summary: _Document, name: str, process: Process) -> DemoPipeline:
    """Return a pipeline of the summary. Raises DemoError if the demonstration cannot use it."""
    pipelines = summary.list("pipelines")
    for given in pipelines:
        if given.get("name") == name:
            break
    else:
        names = ", ".join(str(p.get("name")) for p in pipelines)
        raise DemoError(f"The inventory has no pipeline '{name}', only {names}. Fix: --pipeline, or add it and deploy")
    where = f"The pipeline '{name}'"
    if not given.get("enabled", True):
        raise DemoError(f"{where} is disabled. Fix: enabled: true, and deploy")
    if given.get("group_by") != [process.name]:
        raise DemoError(f"{where}: group_by is {given.get('group_by')}. Fix: the demonstration needs [{process.name}]")
    fields = [field["name"] if isinstance(field, Mapping) else field for field in given.get("fields", [])]
    if sorted(fields) != sorted(process.fields):
        raise DemoError(f"{where}: fields is {fields}. Fix: the demonstration needs {list(process.fields)}")
    try:
        window_ms = parse_duration(given["window"])
    except (KeyError, ValueError) as error:
        raise DemoError(f"{where}: window: {error}") from error
    periods = given.get("periods") or {}
    opens = periods.get("open")
    return DemoPipeline(
        name=name,
        database=str(given["database"]),
        retention_policy=str(given["retention_policy"]),
        measurement=str(given["measurement"]),
        window_ms=window_ms,
        open_severity=None if opens is None else float(opens),
        process=process,
        silence_ms=_milliseconds(periods.get("silence")),
        lateness_ms=_milliseconds(given.get("lateness")),
    )


def _milliseconds(duration: str | None) -> int | None:
    """Return a duration of a pipeline; None if it is not a duration."""
    try:
        return None if duration is None else duration_ns(duration) // 1_000_000
    except DurationError:
        return None
