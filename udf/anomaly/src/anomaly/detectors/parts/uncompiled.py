"""Stands in for the package `cython` where a module of compiled loops runs uncompiled, and Cython is not installed.

A compiled module does not need Cython, and a machine without a compiler need not have it. The decorators change
nothing, and types have no meaning.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

compiled = False
double, Py_ssize_t, uint = float, int, int


def _unchanged(decorated: Any) -> Any:
    return decorated


class _NoGil(nullcontext[None]):
    def __call__(self, decorated: Any) -> Any:
        return decorated


nogil = _NoGil()

cclass = cfunc = ccall = inline = final = _unchanged


def exceptval(*, check: bool) -> Callable[[Any], Any]:
    """Make a decorator that changes nothing."""
    return _unchanged


def declare(kind: type, value: Any) -> Any:
    """Return a constant."""
    return value


def cast(kind: type, value: Any) -> Any:
    """Return a number as one of another kind."""
    return kind(value)
