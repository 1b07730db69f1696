"""Packs a UDF's folder for a host, on the controller: its code, and the packages that it asks for.

A folder is known by the digest of all that goes into it, so that a host which has it needs nothing, and nothing is ever
changed in place. Packages are those of `requirements.txt`, as wheels for the image's Python and the host's processor:
nothing is compiled, and neither the host nor the image needs pip or a way to a package registry.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

REQUIREMENTS = "requirements.txt"
# The wheels that the image (Debian 13, glibc 2.41) takes, by their usual names; pip knows the older ones from 2014.
_PLATFORMS = ("_2_34", "_2_31", "_2_28", "_2_27", "_2_26", "_2_24", "_2_17", "2014")
_VERSION = "1"


class BundleError(ValueError):
    """A folder cannot be packed."""


def files(directory: Path) -> Iterator[Path]:
    """What belongs to a UDF: every file that is neither hidden nor Python's own. TICKscripts go to Kapacitor's API."""
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        if path.suffix == ".tick" or not path.is_file():
            continue
        if any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        yield path


def digest(directory: Path, python: str, architecture: str) -> str:
    """SHA-256 over the files; if there are packages, over what they are chosen for, too."""
    found = hashlib.sha256(_VERSION.encode())
    for path in files(directory):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(directory).as_posix()}\0{content}\n".encode())
    if (directory / REQUIREMENTS).is_file():
        found.update(f"{python} {architecture}\n".encode())
    return found.hexdigest()


def pack(directory: Path, archive: Path, python: str, architecture: str, index: str = "") -> None:
    """Writes a tar.gz with the folders `code` and `packages`. `index`: a mirror of PyPI.

    Raises BundleError with what pip said if a package cannot be had.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial")
    with tempfile.TemporaryDirectory() as temporary:
        packages = Path(temporary) / "packages"
        packages.mkdir()
        if (directory / REQUIREMENTS).is_file():
            _install(directory / REQUIREMENTS, packages, python, architecture, index)
        with tarfile.open(partial, "w:gz") as tar:
            tar.add(packages, "packages")
            tar.addfile(_folder("code"))
            for path in files(directory):
                tar.add(path, f"code/{path.relative_to(directory).as_posix()}", recursive=False)
    partial.rename(archive)


def _folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def _install(requirements: Path, target: Path, python: str, architecture: str, index: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--target", str(target), "--requirement", str(requirements)]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    for platform in _PLATFORMS:
        command += ["--platform", f"manylinux{platform}_{architecture}"]
    if index:
        command += ["--index-url", index]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise BundleError(
            f"{requirements}: the packages cannot be had as wheels for Python {python} on {architecture}: {said}"
        )
