"""The faults of the benchmark: on each source one of every kind that a sensor knows, in another order for each seed."""

import random
from collections.abc import Iterator

from ingest.faults import Entry, Schedule
from ingest.kinds import SOURCES
from ingest.times import parse_duration

# Heights in units of the field's noise. A usual value at the wrong time is a fault only where there is a rhythm.
_KINDS = (
    ("offset", "15m", 12.0),
    ("offset", "3h", 10.0),
    ("drift", "12h", 15.0),
    ("stuck", "4h", 0.0),
    ("replay", "3h", 12.0),
)
RHYTHMIC = ("daily", "weekly", "night")
# What is never below zero cannot fall by as much.
_SIGNED = ("daily", "weekly", "growth", "steps")
_APART_MS = parse_duration("6h")


def schedule(field: str, seed: int, devices: int) -> Schedule:
    """Deal each source all faults in a shuffled order; signs of offsets and drifts are drawn.

    Args:
        field: the kind of series.
        seed: decides order, signs and pauses.
        devices: how many sources there are.

    Returns:
        The schedule.
    """
    rng = random.Random(f"{field} {seed}")  # noqa: S311 -- a benchmark's, not a secret's
    entries: list[Entry] = []
    for device in range(1, devices + 1):
        at_ms = _APART_MS
        faults = list(_faults(field))
        rng.shuffle(faults)
        for kind, length, strength in faults:
            at_ms += 60_000 * rng.randrange(0, 300)
            for_ms = parse_duration(length)
            sign = rng.choice((-1, 1)) if field in _SIGNED and kind in ("offset", "drift") else 1
            entries.append(Entry(len(entries) + 1, kind, device, (field,), at_ms, for_ms, sign * strength))
            at_ms += for_ms + _APART_MS
    return Schedule("benchmark", tuple(entries), SOURCES)


def _faults(field: str) -> Iterator[tuple[str, str, float]]:
    for kind, length, strength in _KINDS:
        if kind != "replay" or field in RHYTHMIC:
            yield kind, length, strength
