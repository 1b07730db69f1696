"""From which surprise on a window is evidence that something is wrong with its series.

A window's surprise is -ln of how likely such a window is among those of all series, and periods add up what exceeds a
limit. One series may differ from the others for days without a fault: its level changed within the history, or it is
busy where they are idle. Its windows would add up to false periods. So each series has its own limit, beyond which a
twentieth of its own history lies.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anomaly.windows.arrays import AnyArray, Floats, Ints, Times

USUAL = 3.0
"""What exceeds this surprise is evidence; it is that of a probability of 5 %."""
_SHARE = 0.05
# A shorter history does not tell a twentieth of it.
_LEAST_WINDOWS = 200
_NAME = "evidence_excess"


def excesses(surprises: Floats, series: Ints, count: int) -> Floats:
    """Compute by how much the limits of series are above `USUAL`.

    Args:
        surprises: those of windows that the model had not seen, shape (n,).
        series: the windows' series, shape (n,).
        count: how many series there are, s.

    Returns:
        Excesses, shape (s + 1,); row i + 1 belongs to series i, and row 0, of all other series, is 0.
    """
    excess = np.zeros(count + 1)
    for number in range(count):
        own = surprises[series == number]
        if len(own) >= _LEAST_WINDOWS:
            excess[number + 1] = max(float(np.quantile(own, 1.0 - _SHARE)) - USUAL, 0.0)
    return excess


@dataclass(frozen=True, slots=True)
class Opening:
    """When evidence opens a period.

    Attributes:
        evidence: the evidence that opens one.
        longest_ns: the longest step in time from one window of a run to the next.
    """

    evidence: float
    longest_ns: int


def opened(surprises: Floats, begin_ns: Times, opening: Opening) -> list[tuple[int, int]]:
    """Find the runs of one series' windows that open a period.

    Args:
        surprises: those of the windows, less the series' excess, shape (n,), in the order of time.
        begin_ns: the windows' begins, shape (n,).
        opening: when evidence opens a period.

    Returns:
        The positions of the first and of the last window of each run, whose evidence rises to what opens a period.
    """
    is_apart = np.diff(begin_ns, prepend=begin_ns[:1]) > opening.longest_ns
    runs: list[tuple[int, int]] = []
    first, total, is_open = 0, 0.0, False
    for at, (surprise, begins_anew) in enumerate(zip(surprises.tolist(), is_apart.tolist(), strict=True)):
        before = 0.0 if begins_anew else total
        is_open = is_open and not begins_anew
        first = at if before == 0.0 else first
        # As `anomaly.scoring.periods.Tracker` adds it up.
        total = min(max(before + surprise - USUAL, 0.0), opening.evidence)
        if total >= opening.evidence and is_open:
            runs[-1] = (runs[-1][0], at)
        elif total >= opening.evidence:
            runs.append((first, at))
            is_open = True
        is_open = is_open and total > 0.0
    return runs


def to_arrays(excess: Floats | None) -> dict[str, AnyArray]:
    """Return excesses as an array for the model's file."""
    return {} if excess is None else {_NAME: excess}


def from_arrays(arrays: Mapping[str, AnyArray]) -> Floats | None:
    """Return the excesses in a model's arrays; None in models of a release that did not know them."""
    return np.asarray(arrays[_NAME], dtype=np.float64) if _NAME in arrays else None
