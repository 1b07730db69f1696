"""Copies of a backup's archive in other places: sent, read back, and only then counted for what stays.

A place is one of

    /mnt/nas/backups                    a folder that the controller sees
    rsync:[USER@]HOST:FOLDER            by rsync over ssh
    rclone:REMOTE:PATH                  by rclone: S3 and its likes, SFTP, and all else that rclone knows

rsync and rclone are the operator's, with keys and credentials in ssh's and rclone's own configuration: nothing of them
is in the inventory. A copy is verified by its content, which the other end reads again: rsync compares checksums, and
rclone downloads the copy and compares it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.backup import BackupError, expired_names

_FORMS = "an absolute folder, rsync:[USER@]HOST:FOLDER, or rclone:REMOTE:PATH"


class Place(ABC):
    """Where copies go.

    Args:
        text: the place as the inventory has it.
        seconds: how long one step may take.
    """

    def __init__(self, text: str, seconds: int) -> None:
        self.text = text
        self._seconds = seconds

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of the files that are there. Raises BackupError."""

    @abstractmethod
    def put(self, archive: Path) -> None:
        """Copy an archive there, and verify it. Raises BackupError."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file. Raises BackupError."""

    def send(self, archive: Path, stack: str, keep: int) -> list[str]:
        """Copy an archive, verify the copy, and then remove copies of the stack beyond the newest ones.

        Args:
            archive: the file.
            stack: the stack's name.
            keep: how many copies stay; 0 for all.

        Returns:
            The names of the copies that were removed.

        Raises:
            BackupError: the copy cannot be made or differs; then it does not stay, and all others do.
        """
        try:
            self.put(archive)
        except BackupError:
            # Else what is half there would count as one of the newest.
            with suppress(BackupError):
                self.remove(archive.name)
            raise
        removed = expired_names(self.names(), stack, keep)
        for name in removed:
            self.remove(name)
        return removed

    def check(self) -> None:
        """Check that the place can be reached. Raises BackupError."""
        self.names()

    def failed(self, what: str, fix: str) -> BackupError:
        """Return the error of this place."""
        return BackupError(f"backup_copies: {self.text}: {what}. Fix: {fix}")

    def _run(self, *command: str) -> str:
        """Run a tool, and return what it prints. Raises BackupError with its last words."""
        try:
            done = subprocess.run(  # noqa: S603 - the operator's tools, and places of the inventory
                command, capture_output=True, text=True, timeout=self._seconds, check=False, stdin=subprocess.DEVNULL
            )
        except FileNotFoundError:
            raise self.failed(f"{command[0]} is not installed on the controller", f"install {command[0]}") from None
        except subprocess.TimeoutExpired:
            raise self.failed(
                f"{' '.join(command[:2])} took longer than backup_timeout = {self._seconds} s", "raise backup_timeout"
            ) from None
        if done.returncode:
            words = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise self.failed(
                f"{' '.join(command[:2])} ended with {done.returncode}: {' | '.join(words[-2:])}",
                f"try it as the user who runs Ansible: {' '.join(command)}",
            )
        return done.stdout


class FolderPlace(Place):
    """A folder that the controller sees, such as a mounted share."""

    @property
    def _folder(self) -> Path:
        return Path(self.text).expanduser()

    def names(self) -> list[str]:
        """Return the names of the files that are there."""
        try:
            return [path.name for path in self._folder.iterdir()]
        except OSError as error:
            # It is not made: where a share is not mounted, copies would lie beside the archives.
            raise self.failed(f"{error.strerror}", "mount or make the folder, for the user who runs Ansible") from error

    def check(self) -> None:
        """Check that the folder is there and that files can be made in it. Raises BackupError."""
        self.names()
        try:
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise self.failed(f"{error.strerror}", "let the user who runs Ansible write into the folder") from error

    def put(self, archive: Path) -> None:
        """Copy under another name, flush, read again, and rename."""
        final = self._folder / archive.name
        draft = final.with_name(f".{archive.name}.new")
        try:
            with archive.open("rb") as source, draft.open("wb") as copy:
                os.fchmod(copy.fileno(), 0o600)
                shutil.copyfileobj(source, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())
                # What is read next comes from the storage, as far as the operating system lets go of it.
                os.posix_fadvise(copy.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if _sum(draft) != _sum(archive):
                raise self.failed("the copy differs from the archive", "look after the storage, and run this again")
            draft.rename(final)
        except OSError as error:
            raise self.failed(f"{error.strerror}", "see that the folder has room and may be written") from error
        finally:
            draft.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._folder / name).unlink(missing_ok=True)


class RsyncPlace(Place):
    """A folder on another machine, by rsync over ssh, which may not ask for a password."""

    _SSH = ("--rsh", "ssh -o BatchMode=yes")

    @property
    def _folder(self) -> str:
        return f"{self.text.removeprefix('rsync:').rstrip('/')}/"

    def names(self) -> list[str]:
        """Return the names of the files that are there."""
        listed = self._run("rsync", *self._SSH, "--list-only", self._folder)
        return [line.split(maxsplit=4)[4] for line in listed.splitlines() if line.startswith("-")]

    def put(self, archive: Path) -> None:
        """Copy, and have both ends compare the checksums of what they have."""
        self._run("rsync", *self._SSH, "--chmod=F600", "--times", str(archive), self._folder)
        ask = ("--checksum", "--dry-run", "--itemize-changes")
        if self._run("rsync", *self._SSH, *ask, str(archive), self._folder).strip():
            raise self.failed("the copy differs from the archive", "look after the storage, and run this again")

    def remove(self, name: str) -> None:
        """Remove a file, by making the folder like an empty one as far as this name goes."""
        with tempfile.TemporaryDirectory() as empty:
            only = ("--recursive", "--delete", f"--include=/{name}", "--exclude=*")
            self._run("rsync", *self._SSH, *only, f"{empty}/", self._folder)


class RclonePlace(Place):
    """A path of one of rclone's remotes."""

    @property
    def _path(self) -> str:
        return self.text.removeprefix("rclone:").rstrip("/")

    def _of(self, name: str) -> str:
        return f"{self._path}{name}" if self._path.endswith(":") else f"{self._path}/{name}"

    def names(self) -> list[str]:
        """Return the names of the files that are there; a path that is not there yet has none."""
        self._run("rclone", "mkdir", self._path)
        return self._run("rclone", "lsf", "--files-only", self._path).splitlines()

    def put(self, archive: Path) -> None:
        """Copy, and have rclone download the copy and compare it."""
        self._run("rclone", "copyto", "--no-traverse", str(archive), self._of(archive.name))
        only = ("--one-way", "--include", f"/{archive.name}")
        self._run("rclone", "check", *only, "--download", str(archive.parent), self._path)

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._run("rclone", "deletefile", self._of(name))


def place(text: str, seconds: int) -> Place:
    """Return the place that a text means.

    Args:
        text: an entry of `backup_copies`.
        seconds: how long one step may take.

    Raises:
        BackupError: the text does not name a place.
    """
    if text.startswith(("/", "~/")):
        return FolderPlace(text, seconds)
    kind, _, rest = text.partition(":")
    host, separator, folder = rest.partition(":")
    # What begins with a dash would be an option.
    if kind == "rsync" and host and separator and folder and not rest.startswith("-"):
        return RsyncPlace(text, seconds)
    if kind == "rclone" and separator and not rest.startswith("-"):
        return RclonePlace(text, seconds)
    raise BackupError(f"backup_copies: {text!r} does not name a place. Fix: write {_FORMS}")


def _each(places: Sequence[Place], do: Callable[[Place], list[str]]) -> dict[str, list[str]]:
    """Do something with each place, and raise one BackupError with the problems of all."""
    done, problems = {}, []
    for each in places:
        try:
            done[each.text] = do(each)
        except BackupError as error:
            problems.append(str(error))
    if problems:
        raise BackupError(" ".join(problems))
    return done


def _check(each: Place) -> list[str]:
    each.check()
    return []


def check(places: Sequence[Place]) -> None:
    """Check that each place can be reached, before a backup begins. Raises BackupError with all problems."""
    _each(places, _check)


def send(places: Sequence[Place], archive: Path, stack: str, keep: int) -> dict[str, list[str]]:
    """Copy an archive to each place, also if another one fails.

    Args:
        places: the places.
        archive: the file.
        stack: the stack's name.
        keep: how many copies of the stack stay in each place; 0 for all.

    Returns:
        What was removed, by place.

    Raises:
        BackupError: some places do not have the archive, with all problems.
    """
    return _each(places, lambda each: each.send(archive, stack, keep))


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
