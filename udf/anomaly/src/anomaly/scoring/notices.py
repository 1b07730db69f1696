"""Notices: what people should know of a pipeline's data although it is not an anomaly.

A notice has a kind (`clock`, `rate`, `invalid`, `silence` or `warm_up`), a begin and an end like a period, and a text.
It is told once when it opens, and once when it closes.
"""

from dataclasses import dataclass

CLOCK = "clock"
RATE = "rate"
INVALID = "invalid"
SILENCE = "silence"
WARM_UP = "warm_up"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice, as it is known so far.

    Attributes:
        kind: CLOCK, RATE, INVALID, SILENCE or WARM_UP.
        begin_ns: where what it tells begins.
        end_ns: where it ends; while the notice is open, the time at which it was told.
        state: `open` or `closed`.
        text: what people read.
        count: of how many points, windows or series it speaks.
    """

    kind: str
    begin_ns: int
    end_ns: int
    state: str
    text: str
    count: int
