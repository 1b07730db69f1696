"""The faults of the benchmark: every kind that heat pumps know, twice, in another order for each seed."""

import random
from collections.abc import Iterator

from bench.dealing import deal
from ingest.faults import Schedule
from ingest.heatpump import FIELDS, HEAT_PUMPS
from ingest.times import parse_duration

# Strengths begin at those of the demonstration's day (ingest/faults/heatpump/day.yml). A silence is not a matter of
# detectors, so that kind is left out.
_MACHINE = (
    ("leak", "6h", (0.2, 0.35)),
    ("filter", "3h", (0.25, 0.4)),
    ("valve", "2h", (5.0, 8.0)),
)
_SENSOR = (
    ("replay", "2h", (6.0, 11.0)),
    ("drift", "4h", (60.0, -60.0)),
    ("offset", "1h", (50.0, -50.0)),
    ("sigma", "1h", (6.0, 10.0)),
    ("stuck", "1h30m", (0.0, 0.0)),
    ("spike", "1m", (60.0, -60.0)),
)
_COUPLED = (("supply_temperature", "return_temperature"), ("power",), ("low_pressure",), ("flow",))
_APART_MS = parse_duration("2h")


def schedule(seed: int, devices: int) -> Schedule:
    """Deal all faults to the heat pumps in a shuffled order; the fields of sensors' faults are drawn.

    Args:
        seed: decides the order and the fields.
        devices: how many heat pumps there are.

    Returns:
        The schedule.
    """
    rng = random.Random(seed)  # noqa: S311 -- a benchmark's, not a secret's
    entries = deal(rng, _faults(rng), devices, _APART_MS, 3_600)
    return Schedule("benchmark", tuple(entries), HEAT_PUMPS)


def _faults(rng: random.Random) -> Iterator[tuple[str, tuple[str, ...], str, float]]:
    for kind, length, strengths in _MACHINE:
        for strength in strengths:
            yield kind, FIELDS, length, strength
    for kind, length, strengths in _SENSOR:
        for strength in strengths:
            yield kind, rng.choice(_COUPLED), length, strength
