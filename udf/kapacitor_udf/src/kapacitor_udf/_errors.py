"""Every exception of this library, by who is at fault."""


class UDFError(Exception):
    """Base of what this library raises."""


class FramingError(UDFError):
    """The bytes from Kapacitor cannot be cut into messages any more."""


class MalformedError(UDFError):
    """One message from Kapacitor cannot be understood; the next one may."""


class DeclarationError(UDFError, ValueError):
    """The UDF is declared in a way that cannot work."""


class InitError(UDFError, ValueError):
    """The UDF cannot start: its options are wrong, or the handler refused them."""


class ListenError(UDFError):
    """The socket of a server cannot be listened on."""


class RecordingError(UDFError):
    """A file is no recording that can be read."""


class ReplayError(UDFError):
    """A recording cannot be replayed to its end."""


class SnapshotError(UDFError, ValueError):
    """A snapshot cannot be restored by this handler."""


class Rejected(UDFError):
    """Raise it from a handler to give up the point or batch at hand, and nothing else.

    `reason` is what it is counted under: a short constant, e.g. "missing field". `detail` is for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
