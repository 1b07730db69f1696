"""The faults of the benchmark: every kind, on each field alone and on all, short and long.

Each seed has them in another order.
"""

import random
from collections.abc import Iterator
from dataclasses import replace

from bench.dealing import deal
from ingest.faults import Fault, Schedule
from ingest.printer import FIELD_NAMES
from ingest.times import parse_duration

# Strengths are the smallest of the demonstration's day (ingest/faults/day.yml) for each kind; there, too, the shorter
# of two spikes is the stronger one. A gap of six windows or less is not a period.
_KINDS = (
    ("sigma", {"short": ("2m", 4.0), "long": ("20m", 4.0)}),
    ("offset", {"short": ("30s", 6.0), "long": ("10m", 6.0)}),
    ("spike", {"short": ("1s", 25.0), "long": ("2m", 15.0)}),
    ("drift", {"short": ("20m", 10.0), "long": ("1h", 10.0)}),
    ("stuck", {"short": ("3m", 0.0), "long": ("15m", 0.0)}),
    ("gap", {"short": ("2m", 0.0), "long": ("5m", 0.0)}),
)
# Faults of these kinds have to be found without exception.
CERTAIN = frozenset({"sigma", "offset", "spike", "stuck"})
_APART_MS = parse_duration("20m")


def schedule(seed: int, printers: int) -> Schedule:
    """Deal all faults to the printers in a shuffled order; signs of offsets, spikes and drifts are drawn.

    Args:
        seed: decides the order and the signs.
        printers: how many printers there are.

    Returns:
        The schedule.
    """
    rng = random.Random(seed)  # noqa: S311 -- a benchmark's, not a secret's
    entries = (
        entry if entry.kind == "sigma" else replace(entry, strength=entry.strength * rng.choice((-1, 1)))
        for entry in deal(rng, _faults(), printers, _APART_MS, 30)
    )
    return Schedule("benchmark", tuple(entries))


def _faults() -> Iterator[tuple[str, tuple[str, ...], str, float]]:
    for kind, lengths in _KINDS:
        for length, strength in lengths.values():
            for fields in (*((name,) for name in FIELD_NAMES), FIELD_NAMES):
                yield kind, fields, length, strength


def name(fault: Fault) -> str:
    """Name the table's row of a fault, such as `offset 10m, all fields`."""
    (length,) = [
        length
        for kind, lengths in _KINDS
        for length, _ in lengths.values()
        if kind == fault.kind and parse_duration(length) == fault.end_ms - fault.begin_ms
    ]
    return f"{fault.kind} {length}, {'all fields' if len(fault.fields) > 1 else 'one field'}"
