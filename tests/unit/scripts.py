"""Loads programs of `scripts/`, whose names have no ending, as modules."""

import importlib.machinery
import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def load_script(name: str) -> ModuleType:
    """Return a program of `scripts/` as a module, without running it.

    Args:
        name: the file's name.
    """
    # Some programs have the names of packages.
    module_name = f"script_{name.replace('-', '_')}"
    loader = importlib.machinery.SourceFileLoader(module_name, str(ROOT / "scripts" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
