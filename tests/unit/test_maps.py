"""The `__init__` of each package is the map of its modules, as docs/style.md wants it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("bench", "daemons", "demo", "images", "ingest", "plugins", "udf")
PACKAGES = sorted(
    path.parent.relative_to(ROOT)
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("__init__.py")
    if "tests" not in path.parts
)


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_package_names_each_of_its_modules(package: Path) -> None:
    folder = ROOT / package
    modules = {path.stem for path in folder.glob("*.py*") if path.suffix in (".py", ".pyx")}
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""

    unnamed = {name for name in (modules | rooms) - {"__init__", "__main__"} if not re.search(rf"\b{name}\b", text)}
    assert unnamed == set()


def test_the_packages_are_found() -> None:
    assert {Path("udf/anomaly/src/anomaly"), Path("plugins/plugin_utils/preflight"), Path("demo")} <= set(PACKAGES)
