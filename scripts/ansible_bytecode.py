"""Keeps the bytecode of Ansible's modules, so that a module that runs on this machine does not compile its imports.

Ansible sends a module and the Python code that it imports as one zip file. Python keeps no bytecode of what it imports
from a zip file, and compiles each file twice: once to learn its name, once to run it. That is most of what a short
module costs, and a run of `site.yml` starts dozens of them.

`scripts/bootstrap` copies this file into `.venv` and lets each Python that starts there import it. It teaches Python's
import system (`sys.path_hooks`) one more kind of zip file: those of Ansible's modules, whose bytecode lies by the hash
of its source in `~/.ansible` of the user that the module runs as. Modules on other hosts, and with other interpreters,
run as they always do.
"""

from __future__ import annotations

import sys
import zipimport
from types import CodeType

# What Ansible calls the zip file of a module, in a temporary folder.
PAYLOAD = "_payload.zip"
FOLDER = ".ansible/influx-anomaly-bytecode"


def placed(code: CodeType, filename: str) -> CodeType:
    """Return the code as if it had been compiled from `filename`: Ansible reads from it whose code is running."""
    inner = (placed(part, filename) if isinstance(part, CodeType) else part for part in code.co_consts)
    return code.replace(co_filename=filename, co_consts=tuple(inner))


def folder() -> str:
    """Return the folder of the bytecode, and make it.

    Raises:
        PermissionError: somebody else may write to it, and so decide what runs as this user.
    """
    import os
    import pwd

    path = os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, FOLDER)  # noqa: PTH118 (pathlib takes 10 ms to import)
    os.makedirs(path, mode=0o700, exist_ok=True)  # noqa: PTH103
    status = os.lstat(path)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(path)
    return path


class PayloadImporter(zipimport.zipimporter):
    """Imports from the zip file of a module, and compiles only sources that it has not met before."""

    def get_filename(self, fullname: str) -> str:
        """Return the name of a module's file, for which the base class compiles the file."""
        ending = "/__init__.py" if self.is_package(fullname) else ".py"
        return f"{self.archive}/{self.prefix}{fullname.rpartition('.')[2]}{ending}"

    def get_code(self, fullname: str) -> CodeType:
        """Return a module's code; where keeping it fails, from the base class alone."""
        try:
            return self._kept_code(fullname)
        except (OSError, KeyError):  # no home, or nowhere to write
            return super().get_code(fullname)

    def _kept_code(self, fullname: str) -> CodeType:
        import hashlib
        import marshal
        import os

        source = self.get_source(fullname)
        if source is None:
            return super().get_code(fullname)
        python = f"{sys.implementation.cache_tag}-{sys.hexversion:x}-{sys.flags.optimize}"
        path = f"{folder()}/{python}-{hashlib.sha256(source.encode()).hexdigest()}"
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                return placed(marshal.loads(file.read()), self.get_filename(fullname))  # noqa: S302 (its owner is checked)
        except (FileNotFoundError, EOFError, ValueError, TypeError):  # not there, or damaged
            pass
        code = super().get_code(fullname)
        unfinished = f"{path}.{os.getpid()}"
        with open(unfinished, "wb") as file:  # noqa: PTH123
            file.write(marshal.dumps(code))
        os.replace(unfinished, path)  # noqa: PTH105
        return code


def payload_importer(path: str) -> PayloadImporter:
    """Return the importer of a module's zip file, or of a folder in it.

    Raises:
        ImportError: it is something else, and the next hook's business.
    """
    if PAYLOAD not in path:
        raise ImportError(path)
    return PayloadImporter(path)


sys.path_hooks.insert(0, payload_importer)
