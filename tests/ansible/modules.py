"""Makes the modules of plugins/modules importable: Ansible looks for their module_utils inside its own package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import ansible.module_utils

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
if str(PLUGINS / "module_utils") not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(str(PLUGINS / "module_utils"))


def load(name: str) -> Any:
    """The module plugins/modules/NAME.py."""
    specification = importlib.util.spec_from_file_location(name, PLUGINS / "modules" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    # Dataclasses look their module up.
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module
