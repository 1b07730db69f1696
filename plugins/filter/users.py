"""Who runs Ansible, for inventories.

A shell could tell it too, by the lookup `pipe`. But an inventory's values are templated anew for each use, more than a
hundred times in a run, and each shell takes as long as a short task's own work.
"""

from __future__ import annotations

import os
import pwd
from typing import Any


def is_another_user(name: str) -> bool:
    """Return whether the user that runs Ansible is not the one of this name."""
    try:
        return pwd.getpwnam(name).pw_uid != os.geteuid()
    except KeyError:
        return True


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return each filter's function by its name."""
        return {"is_another_user": is_another_user}
