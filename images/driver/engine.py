"""The Docker engine, through its command line."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Present:
    """An image that the engine has."""

    id: str
    size: int


def docker(
    *arguments: str, input: bytes | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs the docker command and returns what it said, whether it succeeded or not.

    Raises:
        RuntimeError: there is no such command, or no engine answers.
    """
    try:
        result = subprocess.run(["docker", *arguments], input=input, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise RuntimeError("the command 'docker' is missing; Debian and Ubuntu have it in 'docker.io'") from None
    error = result.stderr.decode(errors="replace")
    if result.returncode and ("Cannot connect to the Docker daemon" in error or "permission denied" in error.lower()):
        raise RuntimeError(f"no Docker engine answers: {error.strip()}")
    return result


def find(reference: str) -> Present | None:
    """The image that the engine has under a reference, if any."""
    result = docker("image", "inspect", reference)
    if result.returncode:
        return None
    details: dict[str, Any] = json.loads(result.stdout)[0]
    return Present(id=details["Id"], size=details["Size"])


def build_environment() -> dict[str, str]:
    """The environment of a build: as it is, with BuildKit, where it is the engine's builder, told what we need."""
    return {
        **os.environ,
        # Lines to read the current step from, instead of a redrawn screen.
        "BUILDKIT_PROGRESS": "plain",
        # The builder that sees the engine's own images: ours are on no registry.
        "BUILDX_BUILDER": "default",
        # An attestation would make two images of each one.
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }


def proxy_arguments() -> list[str]:
    """Build arguments for the host's proxies; builders keep these names out of an image's history."""
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return [word for name in names if os.environ.get(name) for word in ("--build-arg", name)]
