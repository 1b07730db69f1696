"""Turns an exception into messages, an exit code and a result, for all commands."""

import sys
import traceback
from collections.abc import Callable

from anomaly.cli import codes
from anomaly.cli.common import UsageError, result, say
from anomaly.pipeline import SpecError


def failed(
    error: BaseException, pipeline: str | None, tell: Callable[[str], None] = say, *, answer: bool = True
) -> int:
    """Say why a command failed; a bug gets its traceback, too.

    Args:
        error: the exception.
        pipeline: the name of the pipeline that failed; None where the failure is not of one pipeline.
        tell: is told each line for people.
        answer: whether to print a line for programs, too.

    Returns:
        The exit code.
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
    """Return the exit code of an exception.

    It imports no module of an exception's class: where the module is not loaded, the class was not raised.
    """
    if isinstance(error, (SpecError, UsageError)):
        return codes.USAGE
    if isinstance(error, KeyboardInterrupt):
        return codes.INTERRUPTED
    for module, name, code in (
        ("anomaly.models.store", "StoreError", codes.STORE),
        ("anomaly.influxdb.client", "InfluxClientError", codes.INFLUXDB),
        ("anomaly.refusal", "Refused", codes.REFUSED),
    ):
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, getattr(loaded, name)):
            return code
    return codes.BUG
