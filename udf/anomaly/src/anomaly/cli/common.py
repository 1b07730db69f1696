"""What commands share: reading specifications, saying things."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly.locations import DEFAULT_MODELS, MODELS_VARIABLE
from anomaly.pipeline import Pipeline, SpecError, normalize

if TYPE_CHECKING:
    from anomaly.influxdb.client import InfluxClient

_PASSWORD_VARIABLE = "ANOMALY_INFLUXDB_PASSWORD"  # noqa: S105 -- a name


class UsageError(Exception):
    """Arguments that do not go together, or a file that cannot be read."""


def say(message: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def result(mapping: dict[str, Any]) -> None:
    """A line for programs, on stdout."""
    out(json.dumps(mapping, ensure_ascii=False))


def out(line: str) -> None:
    """A line of what was asked for, on stdout."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def default_models() -> str:
    """Where models are, unless --models says otherwise."""
    return os.environ.get(MODELS_VARIABLE) or DEFAULT_MODELS


def read_pipelines(name: str) -> list[Pipeline]:
    """All pipelines of a file, or of stdin for `-`. Raises UsageError (not readable) or SpecError (not valid)."""
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
    """The pipeline of that name, or the only one. Raises UsageError."""
    names = ", ".join(pipeline.name for pipeline in pipelines) or "none"
    if name is None:
        if len(pipelines) == 1:
            return pipelines[0]
        raise UsageError(f"the specification has {len(pipelines)} pipelines ({names}): say which with --pipeline")
    for pipeline in pipelines:
        if pipeline.name == name:
            return pipeline
    raise UsageError(f"--pipeline: there is no pipeline {name!r} in the specification (there is {names})")


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
    """InfluxDB as the arguments name it. Raises UsageError (the password's file) or InfluxClientError (the address)."""
    # Only now: reading a specification must not wait for requests.
    from anomaly.influxdb.client import InfluxClient

    return InfluxClient(options.influxdb_url, options.username, _password(options), options.ca_file)


def _password(options: argparse.Namespace) -> str | None:
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
