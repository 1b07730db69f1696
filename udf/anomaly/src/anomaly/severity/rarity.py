"""What a severity means: how long one series waits for such a window.

`anomaly.severity.calibration` defines the scale.
"""

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from anomaly.windows.arrays import Floats


@overload
def days(severity: float) -> float: ...
@overload
def days(severity: "Floats") -> "Floats": ...
def days(severity: "float | Floats") -> "float | Floats":
    """Return how many days one series waits for a window of this severity, on average."""
    return 10.0 ** ((severity - 50.0) / 12.5)


def once_in(severity: float) -> str:
    """Say for people how long one series waits for a window of this severity.

    Args:
        severity: 0 to 100.

    Returns:
        Words such as `4.3 years`, `100 days` or `2.4 hours`.
    """
    waited = days(severity)
    if waited > 2 * 365:
        return f"{waited / 365:.2g} years"
    return f"{waited:.3g} days" if waited >= 1 else f"{24 * waited:.2g} hours"
