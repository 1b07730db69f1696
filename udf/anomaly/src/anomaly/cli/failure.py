"""From an exception to messages, an exit code and a result: the one place where that is decided."""

import sys
import traceback
from collections.abc import Callable

from anomaly.cli import codes
from anomaly.cli.common import UsageError, result, say
from anomaly.pipeline import SpecError


def failed(
    error: BaseException, pipeline: str | None, tell: Callable[[str], None] = say, *, answer: bool = True
) -> int:
    """Tells why something failed, with the traceback of a bug, and returns the exit code.

    pipeline: what failed, if it was one pipeline's. tell: a line for people. answer: prints a line for programs, too.
    """
    code = _code(error)
    message = "interrupted" if code == codes.INTERRUPTED else str(error) or type(error).__name__
    if code == codes.BUG:
        for line in "".join(traceback.format_exception(error)).splitlines():
            tell(line)
    for line in message.splitlines():
        tell(f"anomaly: {line}")
    if answer:
        result({"status": "failed", "pipeline": pipeline, "message": message})
    return code


def _code(error: BaseException) -> int:
    """Without importing what the command has not: an exception's class is there only if its module is."""
    if isinstance(error, (SpecError, UsageError)):
        return codes.USAGE
    if isinstance(error, KeyboardInterrupt):
        return codes.INTERRUPTED
    for module, name, code in (
        ("anomaly.models.store", "StoreError", codes.STORE),
        ("anomaly.influxdb.client", "InfluxClientError", codes.INFLUXDB),
        ("anomaly.training.gate", "Refused", codes.REFUSED),
    ):
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, getattr(loaded, name)):
            return code
    return codes.BUG
