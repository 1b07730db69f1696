"""The files of a stack's secrets on the controller, one each, and the rotation of secrets in them.

A rotation replaces a secret's file by a new secret, and keeps the old one in the folder PREVIOUS until every service
has the new one. The old one is written first, so that an interruption at any point leaves both at hand.
"""

from __future__ import annotations

import contextlib
import os
import random
import string
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

LETTERS = string.ascii_letters + string.digits
PREVIOUS = ".previous"
"""The folder, in that of the secrets, with the old ones of a rotation that is not done yet."""


def generate(length: int) -> str:
    """Return a new secret of letters and digits."""
    source = random.SystemRandom()
    return "".join(source.choice(LETTERS) for _ in range(length))


def missing(folder: Path, names: Iterable[str], given: Mapping[str, Any]) -> list[str]:
    """Return the names of secrets that are neither given nor in a file.

    Args:
        folder: where the files lie.
        names: the secrets of a stack.
        given: name to value of those that the inventory gives.
    """
    return [name for name in names if name not in given and not (folder / name).is_file()]


def make_folder(folder: Path) -> None:
    """Make a folder with its parents for the user alone, and hide what it holds from Git."""
    for parent in (*reversed(folder.parents), folder):
        parent.mkdir(exist_ok=True, mode=0o700)
    # Whatever repository the inventory lies in.
    _link(folder / ".gitignore", "*\n")


def write(folder: Path, name: str, value: str) -> None:
    """Write a secret into a file of its own unless another run has done it meanwhile.

    Args:
        folder: where it lies; made as `make_folder` does.
        name: the file's name.
        value: what is written.
    """
    make_folder(folder)
    _link(folder / name, f"{value}\n")


def _link(file: Path, text: str) -> None:
    """Link a file into its place whole, so that another run reads all of it or finds nothing."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def too_open(folder: Path) -> list[tuple[Path, int]]:
    """Return what others than the owner may read, or the owner may not, with the mode that it is to have.

    Args:
        folder: where the files lie.
    """
    files = []
    for path in (folder, *sorted(folder.rglob("*"))):
        if path.is_symlink():
            continue
        try:
            mode = path.stat().st_mode & 0o7777
        except FileNotFoundError:
            # Another host's run has put its draft into place meanwhile.
            continue
        # As chmod u=rwX,g=,o= has it.
        executable = path.is_dir() or mode & 0o111
        closed_mode = 0o700 if executable else 0o600
        if mode != closed_mode:
            files.append((path, closed_mode))
    return files


def rotating(folder: Path, names: Iterable[str]) -> list[str]:
    """Return the names of secrets whose rotation has begun and is not done.

    Args:
        folder: where the files lie.
        names: the secrets of a stack.
    """
    return [name for name in names if (folder / PREVIOUS / name).is_file()]


def rotate(folder: Path, name: str, make: Callable[[], str]) -> bool:
    """Replace a secret by a new one, and keep the old one in PREVIOUS.

    A rotation that has begun is left alone, because services may know either of its two secrets.

    Args:
        folder: where the files lie.
        name: the secret, which must have a file.
        make: returns the new content of the file.

    Returns:
        Whether the secret was replaced.

    Raises:
        OSError: a file cannot be read or written. The secret is then either the old one or rotated whole.
    """
    file, kept = folder / name, folder / PREVIOUS / name
    old = file.read_bytes()
    # Both are equal if a run was interrupted between the two lines that write.
    if kept.is_file() and kept.read_bytes() != old:
        return False
    kept.parent.mkdir(exist_ok=True, mode=0o700)
    replace(kept, old)
    replace(file, make().encode())
    return True


def replace(file: Path, content: bytes) -> None:
    """Write a file whole and onto the disk: with both secrets of a rotation, a service's data would be lost.

    Args:
        file: the file, which its owner alone may read; a run that is interrupted leaves the old one.
        content: what it is to hold.

    Raises:
        OSError: it cannot be written.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600)
        with draft.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        # Some file systems sync no folders.
        with contextlib.suppress(OSError):
            os.fsync(folder)
    finally:
        os.close(folder)
