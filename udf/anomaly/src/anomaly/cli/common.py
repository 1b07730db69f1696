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

_PASSWORD_VARIABLE = "ANOMALY_INFLUXDB_PASSWORD"  # noqa: S105 (a variable's name)


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
    content = _parse(name, text)
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


def _parse(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        reason = str(error)
    try:
        import yaml
    except ImportError:
        raise SpecError([f"{name} is not JSON ({reason}); for YAML, PyYAML needs to be installed"]) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SpecError([f"{name} is neither JSON nor YAML: {' '.join(str(error).split())}"]) from None


def connect(options: argparse.Namespace) -> "InfluxClient":
    """Open a connection to the InfluxDB that the arguments name.

    Raises:
        UsageError: the password's file cannot be read.
        InfluxClientError: the address of InfluxDB is not an address.
    """
    # Imported here, so that reading a specification does not wait for requests.
    from anomaly.influxdb.client import InfluxClient

    return InfluxClient(options.influxdb_url, options.username, _password(options), options.ca_file)


def _password(options: argparse.Namespace) -> str | None:
    """Return the first line of the password's file, or without a file the value of the environment's variable."""
    if options.password_file is not None:
        try:
            lines = Path(options.password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UsageError(f"--password-file: {options.password_file} cannot be read: {reason}") from None
        if not lines or not lines[0]:
            raise UsageError(f"--password-file: {options.password_file} is empty: its first line is the password")
        return lines[0]
    return os.environ.get(_PASSWORD_VARIABLE)
