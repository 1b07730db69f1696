"""Deals the faults of a benchmark's schedule to its devices."""

import random
from collections.abc import Iterable, Iterator

from ingest.faults import Entry
from ingest.times import parse_duration


def deal(
    rng: random.Random,
    faults: Iterable[tuple[str, tuple[str, ...], str, float]],
    devices: int,
    apart_ms: int,
    most_wait_s: int,
) -> Iterator[Entry]:
    """Yield an entry for each fault, in a shuffled order; the devices take turns.

    Each entry is drawn when it is asked for, so a caller may draw more for it from the same numbers.

    Args:
        rng: draws the order, and for each fault how long it waits.
        faults: kind, fields, duration and strength of each.
        devices: how many devices there are.
        apart_ms: the least time between two faults of a device, and before the first one.
        most_wait_s: each fault waits for less than this many seconds more, so that it begins at any second.
    """
    shuffled = list(faults)
    rng.shuffle(shuffled)
    at_ms = [apart_ms] * devices
    for number, (kind, fields, length, strength) in enumerate(shuffled):
        device = number % devices
        at_ms[device] += 1_000 * rng.randrange(1, most_wait_s)
        for_ms = parse_duration(length)
        yield Entry(number + 1, kind, device + 1, fields, at_ms[device], for_ms, strength)
        at_ms[device] += for_ms + apart_ms
