"""What a severity means: how long one series waits for such a window. The scale is in
`anomaly.severity.calibration`."""


def days(severity: float) -> float:
    """How many days one series waits for a window of this severity, on average."""
    return float(10.0 ** ((severity - 50.0) / 12.5))


def once_in(severity: float) -> str:
    """The same for people: `4.3 years`, `100 days`, `2.4 hours`."""
    found = days(severity)
    if found > 2 * 365:
        return f"{found / 365:.2g} years"
    return f"{found:.3g} days" if found >= 1 else f"{24 * found:.2g} hours"
