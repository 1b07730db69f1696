"""The life of a UDF, as a table: what it may say in which state, and which state follows.

          info           init ok           data, snapshot, restored
    +--<------+    +------------->-------------+ +--<--+
    +-> WAITING ---+                         RUNNING --+
                   +--> FAILED (init failed)

End of input leads from everywhere to CLOSED. Answers that mean nothing in a state are mistakes of this library, never
of its user, so they raise. What Kapacitor sends out of place does not get here: the worker counts it.
"""

from enum import Enum, auto


class LifeState(Enum):
    """Where a UDF is in its life."""

    WAITING = auto()
    RUNNING = auto()
    FAILED = auto()
    CLOSED = auto()


class Said(Enum):
    """What a UDF says that matters to its state."""

    INFO = auto()
    INIT_OK = auto()
    INIT_FAILED = auto()
    SNAPSHOT = auto()
    RESTORED = auto()
    DATA = auto()
    NOTHING_MORE = auto()


TABLE: dict[LifeState, dict[Said, LifeState]] = {
    LifeState.WAITING: {
        Said.INFO: LifeState.WAITING,
        Said.INIT_OK: LifeState.RUNNING,
        Said.INIT_FAILED: LifeState.FAILED,
        # Out of place, but Kapacitor would wait for the answer for ever.
        Said.SNAPSHOT: LifeState.WAITING,
        Said.RESTORED: LifeState.WAITING,
        Said.NOTHING_MORE: LifeState.CLOSED,
    },
    LifeState.RUNNING: {
        Said.INFO: LifeState.RUNNING,
        Said.SNAPSHOT: LifeState.RUNNING,
        Said.RESTORED: LifeState.RUNNING,
        Said.DATA: LifeState.RUNNING,
        Said.NOTHING_MORE: LifeState.CLOSED,
    },
    LifeState.FAILED: {Said.NOTHING_MORE: LifeState.CLOSED},
    LifeState.CLOSED: {},
}


class Life:
    """One UDF's state."""

    def __init__(self) -> None:
        self.state = LifeState.WAITING

    def says(self, what: Said) -> None:
        """Go on to the next state. Raises RuntimeError if `what` may not be said now."""
        following = TABLE[self.state].get(what)
        if following is None:
            raise RuntimeError(f"{what.name} cannot be said in the state {self.state.name}")
        self.state = following
