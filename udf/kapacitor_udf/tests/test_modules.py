"""The package's inner order: what a module keeps to itself stays in it, and the map names every module."""

import ast
from pathlib import Path

import pytest

import kapacitor_udf

SOURCES = [
    path for path in sorted(Path(kapacitor_udf.__file__).parent.glob("*.py")) if not path.name.startswith("wire_pb2")
]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_private_name_crosses_modules(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules: set[str] = set()
    crossing: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node.module is None:
            modules |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            crossing += [f"{node.module}.{alias.name}" for alias in node.names if is_private(alias.name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            crossing += [f"{node.value.id}.{node.attr}"] if is_private(node.attr) else []
    assert crossing == []


def test_the_map_names_every_module() -> None:
    assert kapacitor_udf.__doc__
    missing = [path.stem for path in SOURCES if f"`{path.stem}`" not in kapacitor_udf.__doc__]
    assert missing == ["__init__"]
