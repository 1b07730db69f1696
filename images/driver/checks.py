"""What a fresh image has to do before it gets its name: run as it will be run, hardened and without a network."""

from __future__ import annotations

import subprocess
import uuid

from .catalog import Image
from .engine import docker
from .udf_info import INFO_REQUEST, InfoError, read_info_response

HARDENED = (
    "run", "--rm", "--interactive", "--network", "none", "--read-only", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--user", "1500:1500",
)  # fmt: skip
# Far more than any of it takes: the machine may be busy with other builds.
TIMEOUT_SECONDS = 300


class Unfit(RuntimeError):
    """An image that does not do what it is for."""


def check(image: Image, reference: str) -> None:
    """Runs an image's check.

    Raises:
        Unfit: it failed; the message has the command and what it said.
    """
    if image.name == "debian":
        _says(reference, f"{image.version}.", "cat", "/etc/debian_version")
    elif image.name == "toolchain":
        _says(reference, image.version, "go", "version")
        _says(reference, "cargo", "cargo", "--version")
    elif image.name == "influxdb":
        _says(reference, image.version, "influxd", "version")
        _says(reference, image.version, "influx", "-version")
        _says(reference, "curl", "curl", "--version")
    elif image.name == "kapacitor":
        _says(reference, image.version, "kapacitord", "version")
        _says(reference, image.version, "kapacitor", "version")
    elif image.name == "kapacitor-python":
        _says(reference, image.version, "kapacitord", "version")
        _says(reference, "usage", "anomaly", "--help")
        # What training needs, loaded for real: wheels can miss a shared library.
        _says(reference, "IsolationForest", "python3", "-c", "from sklearn.ensemble import *; print(IsolationForest)")
        # They work without their compiled parts, too, only slower: here they have to be there.
        _says(reference, "compiled: True", "python3", "-c", "import kapacitor_udf as k; print('compiled:', k.compiled)")
        _says(reference, "Walk", "python3", "-c", "from anomaly.detectors.forest.walk import Walk; print(Walk)")
        _says(reference, "True", "python3", "-c", "from anomaly.detectors.parts import loops; print(loops.COMPILED)")
        _says(reference, "settings", "anomaly", "console", "--help")
        _says(reference, "uPlot", "head", "--bytes=100", "/opt/anomaly/share/console/uPlot.iife.min.js")
        _udf_answers(reference)


def _run(reference: str, *command: str, input: bytes = b"") -> tuple[int, bytes, str]:
    container = f"influx-anomaly-check-{uuid.uuid4().hex[:12]}"
    try:
        result = docker(*HARDENED, "--name", container, reference, *command, input=input, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        # Only the command that waited for it is gone.
        docker("rm", "--force", "--volumes", container)
        raise Unfit(f"'{' '.join(command)}' did not end within {TIMEOUT_SECONDS} s") from None
    return result.returncode, result.stdout, result.stderr.decode(errors="replace")


def _says(reference: str, expected: str, *command: str) -> None:
    code, output, error = _run(reference, *command)
    text = output.decode(errors="replace") + error
    if code or expected not in text:
        raise Unfit(f"'{' '.join(command)}' exited with {code} and did not say '{expected}':\n{text.strip()}")


def _udf_answers(reference: str) -> None:
    """Kapacitor's first question, as it asks it: a framed InfoRequest on standard input."""
    _, output, error = _run(reference, "anomaly", "udf", input=INFO_REQUEST)
    try:
        read_info_response(output)
    except InfoError as problem:
        raise Unfit(f"'anomaly udf' did not answer an InfoRequest: {problem}\n{error.strip()}") from None
