"""Build contexts: exactly the files an image is made from, the same bytes for the same files wherever they lie."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from .catalog import Image

# Caches, what was compiled or installed in the work tree, and what a locked list of requirements was made from.
IGNORED_SUFFIXES = ("__pycache__", ".pyc", ".egg-info", ".c", ".so", ".in", "node_modules")
TAG_DIGITS = 12


def context_files(image: Image, repository: Path) -> dict[str, Path]:
    """The files of an image's context by their path in it.

    Raises:
        FileNotFoundError: one that the catalog names is not there.
    """
    files: dict[str, Path] = {}
    for target, source in image.files.items():
        origin = repository / source
        if origin.is_file():
            files[target] = origin
            continue
        if not origin.is_dir():
            raise FileNotFoundError(f"{image.name} is made from '{source}', which is not in {repository}")
        for path in sorted(origin.rglob("*")):
            inside = path.relative_to(origin)
            if path.is_file() and not _ignored(inside):
                files[(Path(target) / inside).as_posix()] = path
    return dict(sorted(files.items()))


def _ignored(path: Path) -> bool:
    return any(part.startswith(".") or part.endswith(IGNORED_SUFFIXES) for part in path.parts)


def _mode(path: Path) -> int:
    """As git records it: the rest depends on the umask of whoever made the clone."""
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def content_hash(image: Image, files: Mapping[str, Path], bases: Mapping[str, str]) -> str:
    """Return a hash over all that makes the image what it is, without the mirrors and the CAs of the build.

    Args:
        image: the image.
        files: path in the build context to the file that lies there.
        bases: build argument to reference of the image that it is built on.
    """
    digest = hashlib.sha256()
    head = {"name": image.name, "version": image.version, "arguments": image.arguments, "bases": dict(bases)}
    digest.update(json.dumps(head, sort_keys=True).encode())
    for target, path in files.items():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"\n{target} {_mode(path):o} {content}".encode())
    return digest.hexdigest()[:TAG_DIGITS]


def context_archive(files: Mapping[str, Path], ca_bundle: bytes) -> bytes:
    """The context as a tar archive for ``docker build -``, with the CA bundle, empty or not, at its root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for target, path in files.items():
            _add(archive, target, path.read_bytes(), _mode(path))
        _add(archive, "ca-bundle.pem", ca_bundle, 0o644)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = mode
    archive.addfile(entry, io.BytesIO(content))
