"""Every exception of this library.

The kind says who is at fault: Kapacitor's bytes (`FramingError`, `MalformedError`), the declaration or its use
(`DeclarationError`, `InitError`, `ListenError`), a file (`RecordingError`, `ReplayError`, `SnapshotError`), or one
point that a handler gives up (`Rejected`). Only `Rejected` is meant to be raised by handlers.
"""

import math


class UDFError(Exception):
    """Base of all exceptions of this library."""


class FramingError(UDFError):
    """The bytes from Kapacitor cannot be cut into messages any more."""


class MalformedError(UDFError):
    """One message from Kapacitor cannot be understood; the next one may."""


class DeclarationError(UDFError, ValueError):
    """The UDF is declared in a way that cannot work."""


def check_number(name: str, value: object, lowest: float, highest: float) -> None:
    """Refuse a number that is declared outside of its range.

    Args:
        name: what the number is.
        value: the number.
        lowest: the least that it may be; if this is an int, only an int is accepted.
        highest: the most that it may be.

    Raises:
        DeclarationError: It is not a number of the range; the message has name, value and range.
    """
    types = (int,) if type(lowest) is int else (int, float)
    if type(value) in types and math.isfinite(value) and lowest <= value <= highest:  # type: ignore[arg-type, operator]
        return
    kind = "an integer" if type(lowest) is int else "a number"
    raise DeclarationError(f"{name} is {value!r:.100}, expected {kind} from {lowest} to {highest}")


class InitError(UDFError, ValueError):
    """The UDF cannot start: its options are wrong, or the handler refused them."""


class ListenError(UDFError):
    """The socket of a server cannot be listened on."""


class RecordingError(UDFError):
    """A file is not a recording, or cannot be read as one."""


class ReplayError(UDFError):
    """A recording cannot be replayed to its end."""


class SnapshotError(UDFError, ValueError):
    """A snapshot cannot be restored by this handler."""


class Rejected(UDFError):
    """A handler gives up the point or batch at hand, and nothing else.

    Attributes:
        reason: what the loss is counted under: a short constant, e.g. "missing field".
        detail: an explanation for people, with names and values; may be empty.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
