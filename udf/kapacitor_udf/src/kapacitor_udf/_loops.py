"""The loops over bytes: compiled where they were built, else in Python.

`compiled` tells which. Everything works without them, but slower.
"""

try:
    from ._compiled import (
        Appender,
        PointDecoder,
        PointEncoder,
        PointWriter,
        Scanner,
        TagScanner,
        pass_points,
        split,
    )

    compiled = True
except ImportError:
    from ._uncompiled import (  # type: ignore[assignment]
        Appender,
        PointDecoder,
        PointEncoder,
        PointWriter,
        Scanner,
        TagScanner,
        pass_points,
        split,
    )

    compiled = False

__all__ = [
    "Appender",
    "PointDecoder",
    "PointEncoder",
    "PointWriter",
    "Scanner",
    "TagScanner",
    "compiled",
    "pass_points",
    "split",
]
