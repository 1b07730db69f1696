"""Free ports on the loopback address."""

from __future__ import annotations

import random
import socket

# Below the range that the kernel hands out by itself, so that no outgoing connection takes one in between.
_LOWEST, _HIGHEST = 20_000, 32_000
_given: set[int] = set()


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on, and that this process hasn't asked for before."""
    while True:
        port = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311 - it need not be secret
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
