"""Tests that a page of the documentation names as `path::name`."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"`((?:tests|udf)/[\w/]+\.py)::(\w+)`")


def named_tests(page: str) -> list[tuple[str, str]]:
    """Return path and name of each test that a page names, in its order."""
    return NAMED.findall(page)


def is_there(path: str, name: str) -> bool:
    """Return whether a file of the repository has a test of a name."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return name.startswith("test_") and name in {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }
