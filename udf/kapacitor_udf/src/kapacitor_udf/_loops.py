"""The loops over bytes: compiled ones where there are any, else those in Python."""

try:
    from ._compiled import Appender, Scanner, pass_points, split

    compiled = True
except ImportError:
    from ._uncompiled import Appender, Scanner, pass_points, split  # type: ignore[assignment]

    compiled = False

__all__ = ["Appender", "Scanner", "compiled", "pass_points", "split"]
