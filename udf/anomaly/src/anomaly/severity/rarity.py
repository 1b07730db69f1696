"""What a severity means: how long one series waits for such a window.

`anomaly.severity.calibration` defines the scale.
"""


def days(severity: float) -> float:
    """Return how many days one series waits for a window of this severity, on average."""
    return float(10.0 ** ((severity - 50.0) / 12.5))


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
