"""The parts that commands share: they read specifications, connect to InfluxDB and print lines."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly.locations import DEFAULT_MODELS, MODELS_VARIABLE
from anomaly.pipeline import Pipeline, SpecError, normalize

if TYPE_CHECKING:
    from anomaly.influxdb.client import InfluxClient

# Variables of the process that stand for options which are not given. The keeper's container has them.
SPEC_VARIABLE = "ANOMALY_SPEC"
URL_VARIABLE = "ANOMALY_INFLUXDB_URL"
USERNAME_VARIABLE = "ANOMALY_INFLUXDB_USERNAME"
PASSWORD_VARIABLE = "ANOMALY_INFLUXDB_PASSWORD"  # noqa: S105 (a variable's name)
PASSWORD_FILE_VARIABLE = "ANOMALY_INFLUXDB_PASSWORD_FILE"  # noqa: S105 (a variable's name)
CA_FILE_VARIABLE = "ANOMALY_INFLUXDB_CA_FILE"
RESULTS_VARIABLE = "ANOMALY_RESULTS_DATABASE"


class UsageError(Exception):
    """The arguments do not go together, or a file that they name cannot be read."""


def say(message: str) -> None:
    """Print a line for people, on stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def result(mapping: dict[str, Any]) -> None:
    """Print a line for programs, JSON on stdout."""
    out(json.dumps(mapping, ensure_ascii=False))


def out(line: str) -> None:
    """Print a line of a command's answer, on stdout."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def default_models() -> str:
    """Return the directory of all models that counts without --models."""
    return os.environ.get(MODELS_VARIABLE) or DEFAULT_MODELS


def read_pipelines(name: str) -> list[Pipeline]:
    """Read all pipelines of a specification.

    Args:
        name: a file of JSON or YAML; `-` is stdin.

    Raises:
        UsageError: the file cannot be read.
        SpecError: the specification is not valid.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{name} cannot be read: {reason}") from error
    content = parse_document(name, text)
    if isinstance(content, dict) and "pipelines" in content:
        content = content["pipelines"]
    return normalize([content] if isinstance(content, dict) else content)


def choose(pipelines: list[Pipeline], name: str | None) -> Pipeline:
    """Return the pipeline of a name.

    Args:
        pipelines: the pipelines of a specification.
        name: the name; None chooses the only pipeline.

    Raises:
        UsageError: there is no such pipeline, or several and no name.
    """
    names = ", ".join(pipeline.name for pipeline in pipelines) or "none"
    if name is None:
        if len(pipelines) == 1:
            return pipelines[0]
        raise UsageError(f"the specification has {len(pipelines)} pipelines ({names}): say which with --pipeline")
    for pipeline in pipelines:
        if pipeline.name == name:
            return pipeline
    raise UsageError(f"--pipeline: there is no pipeline {name!r} in the specification (there is {names})")


def choose_several(pipelines: list[Pipeline], names: Sequence[str] | None) -> list[Pipeline]:
    """Return the named pipelines in the order of the specification; without names, all enabled pipelines.

    Raises:
        UsageError: a name is not there, or no pipeline is enabled.
    """
    if names:
        named = {choose(pipelines, name).name for name in names}
        return [pipeline for pipeline in pipelines if pipeline.name in named]
    enabled = [pipeline for pipeline in pipelines if pipeline.enabled]
    if not enabled:
        known = ", ".join(pipeline.name for pipeline in pipelines) or "none"
        raise UsageError(f"no pipeline of the specification is enabled (there is {known}): name one with --pipeline")
    return enabled


def parse_document(name: str, text: str) -> Any:
    """Return what a document of JSON, or of YAML, holds.

    Args:
        name: its file, for messages.
        text: its text.

    Raises:
        SpecError: it is neither, nests too deeply, or is YAML that has a key twice.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        reason = str(error)
    except RecursionError:
        raise SpecError([f"{name} nests too deeply: write it as docs/pipelines.md does"]) from None
    try:
        import yaml
    except ImportError:
        raise SpecError([f"{name} is not JSON ({reason}); for YAML, PyYAML needs to be installed"]) from None
    try:
        repeated = _repeated_key(yaml.compose(text, Loader=yaml.SafeLoader))
        content = yaml.safe_load(text)
    except RecursionError:
        raise SpecError([f"{name} nests too deeply: write it as docs/pipelines.md does"]) from None
    # PyYAML raises others than its own of values that look like a date, a number or another type, and are not.
    except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:
        raise SpecError([f"{name} is neither JSON nor YAML: {' '.join(str(error).split())}"]) from None
    if repeated is not None:
        raise SpecError([f"{name}: line {repeated.start_mark.line + 1}: {repeated.value} is there twice: remove one"])
    return content


def _repeated_key(root: Any) -> Any:
    """Return the node of a key that a mapping of a YAML document has twice, or None: PyYAML keeps the last value."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        # Nodes with an anchor are met again.
        if node is None or id(node) in seen or isinstance(node.value, str):
            continue
        seen.add(id(node))
        keys = set()
        for entry in node.value:
            if not isinstance(entry, tuple):
                waiting.append(entry)
                continue
            key, value = entry
            if isinstance(key.value, str):
                if key.value in keys:
                    return key
                keys.add(key.value)
            waiting.append(value)
    return None


def connect(options: argparse.Namespace, read_seconds: float | None = None) -> "InfluxClient":
    """Open a connection to the InfluxDB that the arguments name.

    Args:
        options: the arguments.
        read_seconds: how long to wait for each part of an answer; None: as long as a large query may take.

    Raises:
        UsageError: the password's file cannot be read.
        InfluxClientError: the address of InfluxDB is not an address.
    """
    # Imported here, so that reading a specification does not wait for requests.
    from anomaly.influxdb.client import InfluxClient

    password = read_password(options.password_file, "--password-file")
    if options.password_file is None:
        password = os.environ.get(PASSWORD_VARIABLE)
    waiting = {} if read_seconds is None else {"read_seconds": read_seconds}
    return InfluxClient(options.influxdb_url, options.username, password, options.ca_file, **waiting)


def read_password(name: str | None, option: str) -> str | None:
    """Return the first line of a password's file; None without a file.

    Args:
        name: the file.
        option: the option that names it, for messages.

    Raises:
        UsageError: the file cannot be read, or is empty.
    """
    if name is None:
        return None
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"{option}: {name} cannot be read: {reason}") from None
    if not lines or not lines[0]:
        raise UsageError(f"{option}: {name} is empty: its first line is the password")
    return lines[0]
