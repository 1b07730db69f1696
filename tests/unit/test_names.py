"""Names: a class name is used once in the code base, and nothing imports a private name of another module.

Classes of tests are left out, since a double is named after what it stands for. So are programs that run alone, such as
the UDFs of benchmarks and the examples, and classes whose names begin with an underscore, which nobody else sees.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("bench", "daemons", "demo", "images", "ingest", "plugins", "tests", "udf")
ALONE = {"tests", "programs", "examples"}
# Ansible looks for these in each plugin.
ANSIBLES = {"ActionModule", "CallbackModule", "FilterModule", "ModuleDocFragment"}
OURS = {"anomaly", "kapacitor_udf", "ansible_collections", *FOLDERS}


CLASS = re.compile(r"^ *class ([A-Za-z]\w*)", re.MULTILINE)
# Only files that may import a private name are parsed, as that takes long.
SUSPECT = re.compile(r"\b(from|import)\b[^\n]*\b_[A-Za-z]|^ +_\w+,$", re.MULTILINE)


@pytest.fixture(scope="module")
def texts() -> dict[Path, str]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in paths if "_pb2" not in path.name}


def test_a_class_name_is_used_once(texts: dict[Path, str]) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, text in texts.items():
        if not ALONE & set(path.parts):
            for name in CLASS.findall(text):
                places[name].append(str(path))

    repeated = {name: paths for name, paths in places.items() if len(paths) > 1 and name not in ANSIBLES}
    assert repeated == {}
    assert len(places) > 500


def test_nothing_imports_a_private_name_of_another_module(texts: dict[Path, str]) -> None:
    imported = [
        f"{path}: from {'.' * node.level}{node.module or ''} import {name}"
        for path, text in texts.items()
        if SUSPECT.search(text)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for name in private(path, node)
    ]

    assert imported == []


@pytest.mark.parametrize(
    ("file", "line", "names"),
    [
        ("tests/unit/test_x.py", "from anomaly.scoring.levels import Levels, _line", ["_line"]),
        ("tests/unit/test_x.py", "from kapacitor_udf._wire import decode", ["kapacitor_udf._wire"]),
        ("udf/kapacitor_udf/tests/test_wire.py", "from kapacitor_udf._wire import decode", []),
        ("udf/kapacitor_udf/src/kapacitor_udf/a.py", "from . import _wire", []),
        ("udf/kapacitor_udf/src/kapacitor_udf/a.py", "from ._wire import _decode", ["_decode"]),
        ("plugins/a.py", "from ansible._internal._datatag import _tags", []),
        ("plugins/a.py", "from __future__ import annotations", []),
    ],
)
def test_what_is_private(file: str, line: str, names: list[str]) -> None:
    (node,) = ast.parse(line).body
    assert isinstance(node, ast.ImportFrom)

    assert list(private(Path(file), node)) == names
    assert SUSPECT.search(line) or not names


def private(path: Path, node: ast.ImportFrom) -> Iterator[str]:
    """Yield the private names that an import takes from another module of ours.

    A module of `kapacitor_udf` whose name begins with an underscore belongs to the package, and its tests are part of
    it, so both may import the module, and nobody else.
    """
    is_of_package = path.parts[:2] == ("udf", "kapacitor_udf")
    parts = (node.module or "").split(".")
    if node.level == 0 and parts[0] not in OURS:
        return
    if any(is_private(part) for part in parts) and not is_of_package:
        yield node.module or ""
    takes_modules = is_of_package and (not node.module or node.module == "kapacitor_udf")
    yield from (alias.name for alias in node.names if is_private(alias.name) and not takes_modules)


def is_private(name: str) -> bool:
    """Tell whether a name begins with one underscore."""
    return name.startswith("_") and not name.startswith("__")
