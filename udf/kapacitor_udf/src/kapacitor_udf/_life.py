"""The life of a UDF as a table: what it may say in which state, and which state follows.

          info           init ok           data, snapshot, restored
    +--<------+    +------------->-------------+ +--<--+
    +-> WAITING ---+                         RUNNING --+
                   +--> FAILED (init failed)

The end of input leads from everywhere to CLOSED. An answer that means nothing in a state is a mistake of this library,
never of its user, so it raises. Requests that Kapacitor sends out of place do not get here: `_questions` counts them.
"""

from enum import Enum, auto


class LifeState(Enum):
    """A stage of a UDF's life."""

    WAITING = auto()
    RUNNING = auto()
    FAILED = auto()
    CLOSED = auto()


class Said(Enum):
    """A kind of answer, as far as it matters to the state."""

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
        # These two are out of place, but Kapacitor would wait for the answer for ever.
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
    """One UDF's way through its states.

    Attributes:
        state: where it is now.
    """

    def __init__(self) -> None:
        self.state = LifeState.WAITING

    def says(self, what: Said) -> None:
        """Go on to the next state.

        Args:
            what: what the UDF says.

        Raises:
            RuntimeError: This may not be said now.
        """
        following = TABLE[self.state].get(what)
        if following is None:
            raise RuntimeError(f"{what.name} cannot be said in the state {self.state.name}")
        self.state = following
