"""The loops over bytes: compiled where they were built, else in Python.

`compiled` tells which. Everything works without them; only a `FieldsHandler` is slower.
"""

try:
    from ._compiled import Appender, Scanner, pass_points, split

    compiled = True
except ImportError:
    from ._uncompiled import Appender, Scanner, pass_points, split  # type: ignore[assignment]

    compiled = False

__all__ = ["Appender", "Scanner", "compiled", "pass_points", "split"]
