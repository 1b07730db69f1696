"""The files of an image in an archive of `docker save`, as a container of the image would see them.

The layers are read from the last to the first. A file of a later layer hides that of an earlier one, and so does a
whiteout (OCI image specification, "Image Layer Filesystem Changeset"), an empty file named `.wh.NAME`.
"""

from __future__ import annotations

import gzip
import json
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_COMPRESSED = b"\x1f\x8b"


class ImageArchiveError(Exception):
    """A file is not an archive of an image."""


@dataclass(frozen=True)
class ImageFile:
    """One file of an image.

    Attributes:
        path: its path, without a slash before it.
        mode: its mode, with the bits for setuid and setgid.
        size: its size in bytes.
        read: returns its content, as long as its image is open.
    """

    path: str
    mode: int
    size: int
    read: Callable[[], bytes]


def image_files(archive: Path) -> Iterator[ImageFile]:
    """Yield the regular files of the image in an archive, which may be compressed.

    Raises:
        ImageArchiveError: the file is not an archive of an image.
        OSError: the file cannot be read.
    """
    with tempfile.TemporaryFile(dir=archive.parent) as plain:
        with archive.open("rb") as file:
            compressed = file.read(2) == _COMPRESSED
            file.seek(0)
            # Layers are read out of their order, which a compressed file would have to be unpacked for each time.
            shutil.copyfileobj(gzip.GzipFile(fileobj=file) if compressed else file, plain, 1 << 20)
        plain.seek(0)
        try:
            with tarfile.open(fileobj=plain) as saved:
                yield from _files(saved)
        except (KeyError, IndexError, TypeError, ValueError, tarfile.TarError) as error:
            raise ImageArchiveError(
                f"{archive} is not an archive of an image ({error}). Fix: write it with docker save"
            ) from error


def image_config(archive: Path) -> dict[str, Any]:
    """Return the configuration of the image in an archive: its environment, command and history.

    Raises:
        ImageArchiveError: the file is not an archive of an image.
        OSError: the file cannot be read.
    """
    try:
        with tarfile.open(archive) as saved:
            config: dict[str, Any] = _json(saved, _json(saved, "manifest.json")[0]["Config"])
            return config
    except (KeyError, IndexError, TypeError, ValueError, tarfile.TarError) as error:
        raise ImageArchiveError(
            f"{archive} is not an archive of an image ({error}). Fix: write it with docker save"
        ) from error


def _json(saved: tarfile.TarFile, name: str) -> Any:
    stream = saved.extractfile(name)
    if stream is None:
        raise ValueError(f"{name} is not a regular file")
    return json.load(stream)


def _files(saved: tarfile.TarFile) -> Iterator[ImageFile]:
    hidden: set[str] = set()
    for name in reversed(_json(saved, "manifest.json")[0]["Layers"]):
        stream = saved.extractfile(name)
        if stream is None:
            raise ValueError(f"the layer {name} is not a regular file")
        with tarfile.open(fileobj=stream) as layer:
            entries = {posixpath.normpath(member.name): member for member in layer}
            for path, member in entries.items():
                if (
                    member.isreg()
                    and not path.rpartition("/")[2].startswith(_WHITEOUT)
                    and not _is_hidden(path, hidden)
                ):
                    yield ImageFile(path, member.mode, member.size, _reader(layer, member))
        for path, member in entries.items():
            folder, _, base = path.rpartition("/")
            if base == _OPAQUE:
                hidden.add(f"{folder}/")
            elif base.startswith(_WHITEOUT):
                hidden.add(posixpath.join(folder, base.removeprefix(_WHITEOUT)))
            elif not member.isdir():
                hidden.add(path)


def _is_hidden(path: str, hidden: set[str]) -> bool:
    """Return whether a later layer has the file, or has removed it or a folder of it."""
    if path in hidden:
        return True
    folder = path
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        if folder in hidden or f"{folder}/" in hidden:
            return True
    return False


def _reader(layer: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        stream = layer.extractfile(member)
        return b"" if stream is None else stream.read()

    return read
