"""Whether two results are one, up to the last bits of their floats."""

from typing import Any

TOLERANCE = 1e-9


def is_close(value: Any, expected: Any) -> bool:
    """Return whether a value is the expected one; a float within 1e-9 of it, relative or absolute.

    `pytest.approx` says so, too, and takes a hundred times as long: these tests compare 100,000 values.
    """
    if not isinstance(expected, float):
        return bool(value == expected)
    return bool(value == expected or abs(value - expected) <= TOLERANCE * max(abs(expected), 1.0))
