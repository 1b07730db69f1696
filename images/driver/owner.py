"""Ends a build with the process that it works for: a build left alone would go on for nobody."""

from __future__ import annotations

import os
import select
import signal
import threading


def follow(owner: int) -> None:
    """Ends this process by SIGTERM when another process ends, or at once if that has ended already.

    Args:
        owner: number of the other process, which need not be the parent.
    """
    if not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(owner)
    except ProcessLookupError:
        _end()
        return
    except OSError:  # a kernel before 5.3
        return
    threading.Thread(target=_wait, args=(descriptor,), name="owner", daemon=True).start()


def _wait(descriptor: int) -> None:
    # A descriptor of a process becomes readable when the process ends.
    select.select([descriptor], [], [])
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
