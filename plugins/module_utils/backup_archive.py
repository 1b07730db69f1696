# SPDX-License-Identifier: MIT
"""The format of backups: a tar file that begins with its layout and ends with a manifest.

The first member, ``LAYOUT``, holds the number of the layout. Files follow. The last two members are ``manifest.json``,
which has the size, the mode and the SHA-256 of every file, and its own sum. Because the manifest comes last, files are
read once while they are written, and an archive that was cut off has none. Folders and links are in the manifest only:
a member is always a regular file with a relative path, so ``tar`` unpacks nothing elsewhere, whoever made the archive.

A whole backup and each of its parts (one host's share) have this format. Anything else is refused by `check` before a
caller unpacks a byte. The module needs Python's standard library alone, because it runs on managed hosts.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

LAYOUT = 1
"""What this release writes. A change that an earlier release could misread raises it."""

_FIRST = "LAYOUT"
_MANIFEST = "manifest.json"
_SUM = "manifest.json.sha256"
_RESERVED = (_FIRST, _MANIFEST, _SUM)
# Limits of what is read into memory.
_MOST_FIRST = 64
_MOST_MANIFEST = 256 * 2**20
_PIECE = 2**20
_BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError, IndexError)


class ArchiveError(Exception):
    """An archive that cannot be used; the message says why."""


class VanishedError(Exception):
    """A file was removed while its folder was being archived."""


class ArchiveWriter:
    """Writes one archive; a context manager that removes what it wrote unless `finish` was called.

    Args:
        path: the archive's file, which only its owner may read. It must not exist.
        compress: whether to compress, for content that is not compressed already.
    """

    def __init__(self, path: Path, compress: bool = False) -> None:
        self.path = path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        # The compressor's level 1 halves what states and models take, at the speed of a disk.
        how: dict[str, Any] = {"mode": "w:gz", "compresslevel": 1} if compress else {"mode": "w"}
        self._tar = tarfile.open(fileobj=self._file, format=tarfile.GNU_FORMAT, **how)  # noqa: SIM115 - finish() closes it
        self._files: dict[str, dict[str, Any]] = {}
        self._folders: set[str] = set()
        self._folder_modes: dict[str, int] = {}
        self._links: dict[str, str] = {}
        self._finished = False
        self._add(_FIRST, f"{LAYOUT}\n".encode())

    def __enter__(self) -> ArchiveWriter:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove an archive that is not finished."""
        if not self._finished:
            self._file.close()
            self.path.unlink()

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a file with this content.

        Args:
            name: its path in the archive.
            content: of any length that memory holds.
        """
        self._claim(name)
        self._files[name] = {"size": len(content), "mode": 0o600, "sha256": hashlib.sha256(content).hexdigest()}
        self._add(name, content)

    def add_file(self, name: str, path: Path) -> None:
        """Add a file as it is when it is opened; what is appended to it later is left out.

        Args:
            name: its path in the archive.
            path: the file.

        Raises:
            VanishedError: it was removed, or cut off while it was read.
        """
        self._claim(name)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                reader = _SummingReader(file, status.st_size)
                self._tar.addfile(_header(name, status.st_size, status.st_mode, int(status.st_mtime)), reader)
        except FileNotFoundError:
            raise VanishedError(str(path)) from None
        self._files[name] = {"size": status.st_size, "mode": status.st_mode & 0o777, "sha256": reader.hexdigest()}

    def add_tree(
        self,
        prefix: str,
        folder: Path,
        only: Sequence[str] = ("*",),
        skip: Sequence[str] = (),
        follow: bool = False,
    ) -> None:
        """Add a folder with what lies in it. Sockets, pipes and devices are left out.

        Args:
            prefix: the folder's path in the archive.
            folder: the folder.
            only: shell-like patterns of the names directly in the folder that are taken.
            skip: shell-like patterns of names that are left out, at every depth.
            follow: add what links lead to; otherwise links to a neighbour are kept, and others are refused.

        Raises:
            VanishedError: a file was removed meanwhile.
            ArchiveError: a link leads out of its folder.
        """
        self._claim(prefix, is_folder=True)
        self._folder_modes[prefix] = folder.stat().st_mode & 0o777
        for path in _listed(folder):
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in skip) or not any(
                fnmatch.fnmatch(path.name, pattern) for pattern in only
            ):
                continue
            name = f"{prefix}/{path.name}"
            try:
                mode = (path.stat() if follow else path.lstat()).st_mode
            except FileNotFoundError:
                if follow and path.is_symlink():
                    continue
                raise VanishedError(str(path)) from None
            if stat.S_ISLNK(mode):
                self._add_link(name, path)
            elif stat.S_ISDIR(mode):
                self.add_tree(name, path, skip=skip, follow=follow)
            elif stat.S_ISREG(mode):
                self.add_file(name, path)

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write the manifest and close the archive.

        Args:
            about: what the archive is of, as JSON.
        """
        manifest = {
            "layout": LAYOUT,
            "about": about,
            "files": self._files,
            "folders": sorted(self._folders),
            "folder_modes": self._folder_modes,
            "links": self._links,
        }
        content = json.dumps(manifest, indent=1, sort_keys=True).encode()
        self._add(_MANIFEST, content)
        self._add(_SUM, f"{hashlib.sha256(content).hexdigest()}  {_MANIFEST}\n".encode())
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._finished = True

    def _add_link(self, name: str, path: Path) -> None:
        try:
            target = str(path.readlink())
        except FileNotFoundError:
            raise VanishedError(str(path)) from None
        if not _is_plain(target):
            raise ArchiveError(f"{path} is a link to {target!r}, and only links to a neighbour are backed up")
        self._claim(name)
        self._links[name] = target

    def _claim(self, name: str, is_folder: bool = False) -> None:
        problem = _path_problem(name)
        if problem:
            raise ArchiveError(f"the path {name!r} cannot be backed up: it {problem}")
        if name in _RESERVED or name in self._files or name in self._links:
            raise ArchiveError(f"the path {name!r} is there twice")
        parts = name.split("/")
        self._folders.update("/".join(parts[:depth]) for depth in range(1, len(parts) + is_folder))

    def _add(self, name: str, content: bytes) -> None:
        self._tar.addfile(_header(name, len(content), 0o600, 0), io.BytesIO(content))


class _SummingReader(io.RawIOBase):
    """Reads `size` bytes of a file and sums them."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__()
        self._file = file
        self._left = size
        self._sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        length = min(size, self._left) if size >= 0 else self._left
        content = self._file.read(length)
        if len(content) < length:
            raise VanishedError(str(self._file.name))
        self._left -= len(content)
        self._sum.update(content)
        return content

    def hexdigest(self) -> str:
        return self._sum.hexdigest()


def check(source: Path | IO[bytes]) -> dict[str, Any]:
    """Read a whole archive and check it against its manifest. Nothing is written.

    Args:
        source: the archive's file, or a stream of it.

    Returns:
        The manifest: ``about``, ``files`` (name to ``size`` in bytes, ``mode`` and ``sha256``), ``folders``, and
        ``links`` (name to the name of a neighbour).

    Raises:
        ArchiveError: the archive is damaged, cut off, of a newer layout, or holds what no backup of this project holds.
    """
    sums: dict[str, tuple[int, str]] = {}
    manifest = b""
    with _members(source) as members:
        for member, content in members:
            if manifest:
                _check_sum(member, content, manifest)
                manifest_is_last = next(members, None) is None
                if not manifest_is_last:
                    raise ArchiveError("it goes on after its manifest")
                return _checked(manifest, sums)
            if member.name == _MANIFEST:
                if member.size > _MOST_MANIFEST:
                    raise ArchiveError(f"its manifest has {member.size} bytes")
                manifest = _read(content)
            elif member.name in sums:
                raise ArchiveError(f"it has {member.name!r} twice")
            else:
                sums[member.name] = _summed(content)
    raise ArchiveError("its end is missing: it was cut off or is damaged")


def contents(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield each file of an archive that `check` has passed, as its path and a stream to read before the next one.

    Args:
        path: the archive's file.
    """
    with _members(path) as members:
        for member, content in members:
            if member.name not in _RESERVED:
                yield member.name, content


def unpack(path: Path, manifest: Mapping[str, Any], folders: Mapping[str, Path]) -> None:
    """Unpack an archive that `check` has passed; sums are checked again while files are written.

    Args:
        path: the archive's file.
        manifest: what `check` returned.
        folders: folder in the archive to the folder that it becomes, which must not exist. The rest is left out.

    Raises:
        ArchiveError: the archive is not the one that was checked.
        OSError: a file cannot be written.
    """
    for folder in folders.values():
        folder.mkdir(mode=0o700, parents=True)
    for name in manifest["folders"]:
        place = _place(name, folders)
        if place is not None:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _members(path) as members:
        for member, content in members:
            place = _place(member.name, folders)
            if place is None:
                continue
            expected = manifest["files"].get(member.name)
            if expected is None:
                raise ArchiveError(f"it has {member.name!r} now, which it had not when it was checked")
            with place.open("xb") as file:
                _, digest = _summed(content, file)
            if digest != expected["sha256"]:
                raise ArchiveError(f"{member.name!r} is another file than when it was checked")
            place.chmod(expected["mode"])
            os.utime(place, (member.mtime, member.mtime))
    for name, target in manifest["links"].items():
        place = _place(name, folders)
        if place is not None:
            place.symlink_to(target)
    for name, mode in manifest["folder_modes"].items():
        place = _place(name, folders)
        if place is not None and place.is_dir():
            place.chmod(mode)


def unpacked_size(manifest: Mapping[str, Any], folders: Iterable[str]) -> int:
    """Return how many bytes the files of some folders of an archive have.

    Args:
        manifest: what `check` returned.
        folders: their paths in the archive.
    """
    prefixes = tuple(f"{folder}/" for folder in folders)
    return sum(int(entry["size"]) for name, entry in manifest["files"].items() if name.startswith(prefixes))


def swap_in(fresh: Path, place: Path, former: Path) -> None:
    """Put a folder into its place, and keep the one that was there.

    Args:
        fresh: the new folder.
        place: where it goes.
        former: where the old one goes; if it exists already, an earlier attempt has kept the original there, and what
            is in `place` is removed.
    """
    if place.exists():
        if former.exists():
            shutil.rmtree(place)
        else:
            place.rename(former)
    fresh.rename(place)


def hand_over(folder: Path, uid: int, gid: int) -> None:
    """Give a folder and all that is in it to a user.

    Args:
        folder: the folder.
        uid: number of the user.
        gid: number of the group.
    """
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


def _place(name: str, folders: Mapping[str, Path]) -> Path | None:
    for prefix, folder in folders.items():
        if name.startswith(f"{prefix}/"):
            return folder / name[len(prefix) + 1 :]
    return None


@contextlib.contextmanager
def _members(source: Path | IO[bytes]) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes]]]]:
    """Open an archive, check its layout, and iterate over the members after it, each with its content.

    Raises:
        ArchiveError: for whatever is wrong with the archive while it is read.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        except OSError as error:
            raise ArchiveError(f"it cannot be read: {error.strerror}") from None
        try:
            tar = stack.enter_context(tarfile.open(fileobj=file, mode="r|*"))
            first = tar.next()
            _check_layout(tar, first)
        except _BROKEN:
            raise ArchiveError("it is not a backup of influx-anomaly, or its beginning is damaged") from None
        yield _rest(tar)


def _rest(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    try:
        while True:
            member = tar.next()
            if member is None:
                return
            _check_member(member)
            content = tar.extractfile(member)
            if content is None:
                raise ArchiveError(f"{member.name!r} in it has no content")
            yield member, content
    except _BROKEN as error:
        raise ArchiveError(f"it is damaged ({error or type(error).__name__})") from None


def _check_layout(tar: tarfile.TarFile, first: tarfile.TarInfo | None) -> None:
    if first is None or first.name != _FIRST or not first.isreg() or first.size > _MOST_FIRST:
        raise ValueError(_FIRST)
    content = tar.extractfile(first)
    layout = int((_read(content) if content else b"").decode("ascii"))
    if layout > LAYOUT:
        raise ArchiveError(
            f"its layout is {layout}, and this release knows layouts up to {LAYOUT}: a newer release wrote it. "
            "Fix: check out that release"
        )
    if layout < 1:
        raise ValueError(_FIRST)


def _check_member(member: tarfile.TarInfo) -> None:
    problem = _path_problem(member.name)
    if problem:
        raise ArchiveError(f"the path {member.name!r} in it {problem}")
    if member.issym() or member.islnk():
        raise ArchiveError(f"{member.name!r} in it is a link, and a backup has none")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise ArchiveError(f"{member.name!r} in it is not a regular file")


def _check_sum(member: tarfile.TarInfo, content: IO[bytes], manifest: bytes) -> None:
    if member.name != _SUM or member.size > _MOST_FIRST * 2:
        raise ArchiveError("the sum of its manifest is missing: it was cut off or is damaged")
    if _read(content).split()[:1] != [hashlib.sha256(manifest).hexdigest().encode()]:
        raise ArchiveError("its manifest is damaged: it has another SHA-256 than the archive says")


def _checked(text: bytes, sums: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    """Return the manifest if it is one and describes the files that were found."""
    try:
        manifest = json.loads(text)
        files, folders, links = manifest["files"], manifest["folders"], manifest["links"]
        listed = {name: (int(entry["size"]), str(entry["sha256"])) for name, entry in files.items()}
        # Backups of earlier releases do not say who else may enter their folders.
        folder_modes = {str(name): int(mode) for name, mode in dict(manifest.get("folder_modes", {})).items()}
        modes = [*(int(entry["mode"]) for entry in files.values()), *folder_modes.values()]
        about, layout = dict(manifest["about"]), int(manifest["layout"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(f"its manifest is not one of a backup ({error or type(error).__name__})") from None
    if layout > LAYOUT:
        raise ArchiveError(f"its manifest has the layout {layout}, and this release knows layouts up to {LAYOUT}")
    for name in sorted(listed.keys() | sums.keys()):
        if name not in sums:
            raise ArchiveError(f"{name!r} is missing in it")
        if name not in listed:
            raise ArchiveError(f"{name!r} in it is not in its manifest")
        if listed[name] != sums[name]:
            raise ArchiveError(f"{name!r} in it is damaged: its size or SHA-256 is not the one of the manifest")
    if any(mode & ~0o777 for mode in modes):
        raise ArchiveError("its manifest has modes with setuid, setgid or sticky bits")
    _check_tree(files, folders, links)
    return {
        "layout": layout,
        "about": about,
        "files": files,
        "folders": folders,
        "folder_modes": folder_modes,
        "links": links,
    }


def _check_tree(files: Mapping[str, Any], folders: Sequence[Any], links: Mapping[str, Any]) -> None:
    """Check that folders, files and links are one tree, and that links lead to neighbours that are there."""
    known = set()
    for name in folders:
        problem = _path_problem(name) if isinstance(name, str) else "is not a text"
        if problem:
            raise ArchiveError(f"the folder {name!r} in its manifest {problem}")
        known.add(name)
    leaves = [*files, *links]
    if len(set(leaves) | known) != len(leaves) + len(known):
        raise ArchiveError("its manifest has the same path twice")
    for name in (*leaves, *known):
        parent = name.rpartition("/")[0]
        if parent and parent not in known:
            raise ArchiveError(f"the folder of {name!r} is not in its manifest")
    for name, target in links.items():
        problem = _path_problem(name)
        if problem:
            raise ArchiveError(f"the link {name!r} in its manifest {problem}")
        neighbour = "/".join([*name.split("/")[:-1], str(target)])
        if not isinstance(target, str) or not _is_plain(target) or not (neighbour in known or neighbour in files):
            raise ArchiveError(f"the link {name!r} in its manifest leads to {target!r}, which is not a neighbour in it")


def _path_problem(name: str) -> str:
    """Return why a path must not be in an archive, as the end of a sentence; empty for a good one."""
    if name.startswith("/"):
        return "is absolute"
    if ".." in name.split("/"):
        return "leads out of its folder (..)"
    if any(part in ("", ".") for part in name.split("/")):
        return "has an empty part"
    if "\0" in name or "\n" in name:
        return "has a control character"
    return ""


def _is_plain(name: str) -> bool:
    return "/" not in name and not _path_problem(name)


def _summed(content: IO[bytes], copy: IO[bytes] | None = None) -> tuple[int, str]:
    """Return the size in bytes and the SHA-256 of a stream, and copy it if there is a `copy`."""
    total, size = hashlib.sha256(), 0
    while True:
        piece = _read(content, _PIECE)
        if not piece:
            return size, total.hexdigest()
        size += len(piece)
        total.update(piece)
        if copy is not None:
            copy.write(piece)


def _read(content: IO[bytes], size: int = -1) -> bytes:
    """Read a member's content; whatever is wrong with the archive is one kind of error."""
    try:
        return content.read(size)
    except _BROKEN as error:
        raise ArchiveError(f"it is damaged or was cut off ({error or type(error).__name__})") from None


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        raise VanishedError(str(folder)) from None


def _header(name: str, size: int, mode: int, mtime: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = size, mode & 0o777, mtime
    return header
