"""Free ports on the loopback address."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below the range that the kernel hands out by itself, so that no outgoing connection takes one in between.
_LOWEST, _HIGHEST = 20_000, 32_000
_LOCKS = Path(tempfile.gettempdir()) / f"influx-anomaly-tests.ports.{os.getuid()}"
# The locks of the ports that this process has, which end with it.
_held: dict[int, int] = {}


def free_port() -> int:
    """A port that nothing listens on, and that no process of the tests has asked for before as long as it lives."""
    _LOCKS.mkdir(exist_ok=True)
    while True:
        port = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311 - it need not be secret
        if port not in _held and _is_free(port) and _lock(port):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            # On all addresses: a container's port may be published on another one than the loopback address.
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _lock(port: int) -> bool:
    """Keep other processes from taking the port until it is used; return whether none has it."""
    file = os.open(_LOCKS / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    _held[port] = file
    return True
