"""Action plugin: reads a stack's secrets on the controller, and generates those that are missing.

Everything here is the controller's and belongs to the user who runs Ansible, whoever the hosts' tasks become. Several
hosts may run it at the same time: a secret that is there is never replaced.
"""

from __future__ import annotations

import contextlib
import os
import random
import string
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

LETTERS = string.ascii_letters + string.digits


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


def write(folder: Path, name: str, value: str) -> None:
    """Write a secret into a file of its own unless another run has done it meanwhile.

    Args:
        folder: where it lies; made with its parents for the user alone, and hidden from Git.
        name: the file's name.
        value: what is written.
    """
    for parent in (*reversed(folder.parents), folder):
        parent.mkdir(exist_ok=True, mode=0o700)
    # Whatever repository the inventory lies in.
    for file, text in ((folder / ".gitignore", "*\n"), (folder / name, f"{value}\n")):
        # Linked into its place whole, so that another run reads all of it or finds nothing.
        draft = folder / f".{file.name}.{os.getpid()}"
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
    found = []
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
        wanted = 0o700 if executable else 0o600
        if mode != wanted:
            found.append((path, wanted))
    return found


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `folder`, `names`, `given` (name to value), `length`, and `generate` (false: write nothing).

    Returns `secrets`, name to value, and `missing`, the names that were neither given nor in a file before the run.
    A secret that is not written, in check mode or without `generate`, gets a throw-away value, so that a dry run goes
    on as the real run would.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the secrets, after writing the missing ones."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        folder = Path(arguments["folder"])
        names = list(arguments["names"])
        given = dict(arguments["given"])
        length = int(arguments["length"])
        result["missing"] = missing(folder, names, given)
        changed = False
        if arguments.get("generate", True):
            try:
                changed = self._ensure(folder, result["missing"], length)
            except OSError as error:
                raise AnsibleActionFail(
                    f"secrets_dir is '{folder}', and {error.filename or folder} cannot be written: {error.strerror}. "
                    "Fix: make it writable for the user who runs Ansible, or set secrets_dir to another folder"
                ) from None
        result["secrets"] = {name: self._value(folder, name, given, length) for name in names}
        result["changed"] = changed
        return result

    def _ensure(self, folder: Path, names: list[str], length: int) -> bool:
        """Write the missing secrets, keep all of them to their owner, and tell whether there was anything to do."""
        if self._task.check_mode:
            return bool(names) or (folder.is_dir() and bool(too_open(folder)))
        for name in names:
            write(folder, name, generate(length))
        opened = too_open(folder) if folder.is_dir() else []
        for path, mode in opened:
            with contextlib.suppress(FileNotFoundError):
                path.chmod(mode)
        return bool(names or opened)

    def _value(self, folder: Path, name: str, given: Mapping[str, Any], length: int) -> Any:
        if name in given:
            return given[name]
        if (folder / name).is_file():
            # Through Ansible's loader, as the files may be encrypted with Ansible Vault.
            return str(self._loader.get_text_file_contents(str(folder / name))).rstrip()
        return generate(length)
