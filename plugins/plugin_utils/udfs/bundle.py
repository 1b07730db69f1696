"""Packs a UDF's folder on the controller for a host: the UDF's code and the packages that it requires.

The digest of all content names a packed folder. A host that has the folder needs no transfer, and no folder ever
changes in place. Packages come from `requirements.txt`, as wheels for the image's Python and the host's processor:
nothing is compiled, and neither the host nor the image needs pip or access to a package registry.
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
# The platforms of wheels that the image (Debian 13, glibc 2.41) accepts. pip derives older ones from manylinux2014.
_PLATFORMS = ("_2_34", "_2_31", "_2_28", "_2_27", "_2_26", "_2_24", "_2_17", "2014")
_VERSION = "1"


class BundleError(ValueError):
    """A folder cannot be packed."""


def files(directory: Path) -> Iterator[Path]:
    """Yield a UDF's files: all that are neither hidden nor Python's cache.

    TICKscripts are left out, since they go to Kapacitor's API.
    """
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        if path.suffix == ".tick" or not path.is_file():
            continue
        if any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        yield path


def digest(directory: Path, python: str, architecture: str) -> str:
    """Return the SHA-256 of a UDF's files, and of what its packages are chosen by.

    Args:
        directory: the UDF's folder.
        python: version of the image's Python, which chooses the packages.
        architecture: the host's processor, which chooses the packages.
    """
    total = hashlib.sha256(_VERSION.encode())
    for path in files(directory):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(directory).as_posix()}\0{content}\n".encode())
    if (directory / REQUIREMENTS).is_file():
        total.update(f"{python} {architecture}\n".encode())
    return total.hexdigest()


def pack(directory: Path, archive: Path, python: str, architecture: str, index: str = "") -> None:
    """Write a tar.gz with the folders `code` and `packages`.

    Args:
        directory: the UDF's folder.
        archive: the file to write.
        python: version of the image's Python.
        architecture: the host's processor.
        index: address of a mirror of PyPI; empty for PyPI.

    Raises:
        BundleError: pip cannot provide a package; the message holds pip's output.
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
