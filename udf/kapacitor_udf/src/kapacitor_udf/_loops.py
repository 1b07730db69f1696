"""The loops over bytes: compiled where they were built, else in Python.

`compiled` tells which. Everything works without them; only a `RowsHandler` and a `FieldsHandler` are slower.
"""

try:
    from ._compiled import Appender, PointWriter, Scanner, TagScanner, pass_points, split

    compiled = True
except ImportError:
    from ._uncompiled import Appender, PointWriter, Scanner, TagScanner, pass_points, split  # type: ignore[assignment]

    compiled = False

__all__ = ["Appender", "PointWriter", "Scanner", "TagScanner", "compiled", "pass_points", "split"]
