"""Keeps the bytecode of Ansible's modules, so that a module that runs on this machine does not compile its imports.

On the way out it keeps what each source imports, so that Ansible does not parse the sources again to send a module.

Ansible sends a module and the Python code that it imports as one zip file. Python keeps no bytecode of what it imports
from a zip file, and compiles each file twice: once to learn its name, once to run it. That is most of what a short
module costs, and a run of `site.yml` starts dozens of them.

`scripts/bootstrap` copies this file into `.venv` and lets each Python that starts there import it. It teaches Python's
import system (`sys.path_hooks`) one more kind of zip file: those of Ansible's modules, whose bytecode lies by the hash
of its source in `~/.ansible` of the user that the module runs as. Modules on other hosts, and with other interpreters,
run as they always do.

To make such a file, Ansible parses the module, all that it imports, and so on, some 60 sources, and looks for the
imports among them, anew for each module of each run. `scripts/ansible` calls `keep_imports`: Ansible then parses the
imports of a source alone, which lie beside the bytecode. What goes into the file is decided by Ansible as ever.
"""

from __future__ import annotations

import sys
import zipimport
from types import CodeType, ModuleType

# What Ansible calls the zip file of a module, in a temporary folder.
PAYLOAD = "_payload.zip"
FOLDER = ".ansible/influx-anomaly-bytecode"
# What bytecode depends on beside its source.
PYTHON = f"{sys.implementation.cache_tag}-{sys.hexversion:x}-{sys.flags.optimize}"
# What ends a file of imports. One without it is damaged.
END = b"# end\n"


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


def write(path: str, content: bytes) -> None:
    """Write a file that others find whole or not at all."""
    import os

    unfinished = f"{path}.{os.getpid()}"
    with open(unfinished, "wb") as file:  # noqa: PTH123
        file.write(content)
    os.replace(unfinished, path)  # noqa: PTH105


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

        source = self.get_source(fullname)
        if source is None:
            return super().get_code(fullname)
        path = f"{folder()}/{PYTHON}-{hashlib.sha256(source.encode()).hexdigest()}"
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                return placed(marshal.loads(file.read()), self.get_filename(fullname))  # noqa: S302 (its owner is checked)
        except (FileNotFoundError, EOFError, ValueError, TypeError):  # not there, or damaged
            pass
        code = super().get_code(fullname)
        write(path, marshal.dumps(code))
        return code


def payload_importer(path: str) -> PayloadImporter:
    """Return the importer of a module's zip file, or of a folder in it.

    Raises:
        ImportError: it is something else, and the next hook's business.
    """
    if PAYLOAD not in path:
        raise ImportError(path)
    return PayloadImporter(path)


def imports(source: bytes) -> bytes:
    """Return the program that is left of a source without all that Ansible does not look for in it.

    These are its imports, below an `if` where they are not at the top level, because Ansible takes such an import for
    optional; and what a module says of itself in METADATA.

    Raises:
        SyntaxError: the source is not Python.
        ValueError: likewise.
    """
    import ast

    tree = ast.parse(source)
    kinds = (ast.Import, ast.ImportFrom)
    required = [node for node in tree.body if isinstance(node, kinds)]
    optional = [node for node in ast.walk(tree) if isinstance(node, kinds) and node not in required]
    metadata = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(name, ast.Name) and name.id == "METADATA" for name in node.targets)
    ]
    below: list[ast.stmt] = [ast.If(ast.Constant(False), [*optional], [])] if optional else []
    return ast.unparse(ast.Module([*required, *metadata, *below], [])).encode() + b"\n" + END


def kept_imports(source: bytes) -> bytes:
    """Return what `imports` does, from the file of this source where there is one.

    Raises:
        OSError: there is nowhere to keep it.
        KeyError: likewise.
        SyntaxError: the source is not Python.
        ValueError: likewise.
    """
    import hashlib

    path = f"{folder()}/{PYTHON}-imports-{hashlib.sha256(source).hexdigest()}"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
        if content.endswith(END):
            return content
    except FileNotFoundError:
        pass
    content = imports(source)
    write(path, content)
    return content


def keep_imports(module_common: ModuleType) -> None:
    """Let Ansible parse the imports of a source instead of the source, where it looks for a module's imports.

    Args:
        module_common: `ansible.executor.module_common`. It stays as it is if it does not parse sources as it used to.
    """
    parse = getattr(module_common, "_compile_module_ast", None)
    if parse is None:
        return

    def parse_imports(name: str, source: str | bytes) -> object:
        try:
            return parse(name, kept_imports(source.encode() if isinstance(source, str) else bytes(source)))
        except (OSError, KeyError, SyntaxError, ValueError):  # Ansible's own message names the source's file and line
            return parse(name, source)

    module_common._compile_module_ast = parse_imports  # type: ignore[attr-defined]


sys.path_hooks.insert(0, payload_importer)
