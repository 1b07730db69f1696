"""How templates show numbers, times and names."""

from collections.abc import Callable, Mapping
from typing import Any

from anomaly.scoring.wording import plain
from anomaly.severity.rarity import once_in

# From these severities on, bars have another colour.
_LEVELS = ((87.5, "high"), (75.0, "raised"))
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_MOST_OF_A_NAME = 120


def age(seconds: float | None) -> str:
    """Return a length of time in the largest unit of which there are two, such as `3 min`."""
    if seconds is None:
        return "never"
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def severity(value: float | None) -> str:
    """Return a severity as people read it."""
    return "–" if value is None else f"{value:.0f}"


def level(value: float | None) -> str:
    """Return how bad a severity is, in a word for the style sheet."""
    return next((name for least, name in _LEVELS if value is not None and value >= least), "calm")


def tags(series: Mapping[str, str]) -> str:
    """Return the name of a series."""
    return (
        ", ".join(f"{plain(name, 60)}={plain(value, 60)}" for name, value in series.items() if value) or "only series"
    )


def moment(text: str) -> str:
    """Return an RFC 3339 time as people read it."""
    return text.replace("T", " ").replace("Z", "")


FILTERS: dict[str, Callable[..., Any]] = {
    "age": age,
    "level": level,
    "moment": moment,
    "once_in": once_in,
    "plain": plain,
    "severity": severity,
    "tags": tags,
}
