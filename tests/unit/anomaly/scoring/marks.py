"""A mark of a false alarm, and a printer that its UDF scores with and without marks."""

import numpy as np

from anomaly.scoring.feedback import FALSE_ALARM, Appearance, Mark
from kapacitor_udf import Point
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import WINDOW_NS
from tests.unit.anomaly.serving.test_handler import T0, batch, blocks, harness, periods

SAMPLES = printers.clean(7, 900)
LOOK = Appearance(10.0, (0.1, 0.8, 0.1), (219.0, 95.0, 27.0), (221.0, 97.0, 29.0))
MARK = Mark(FALSE_ALARM, 0, WINDOW_NS, {"printer": "printer-1"}, "a door", LOOK)


def streamed(samples: np.ndarray) -> list[Point]:
    with harness() as udf:
        return udf.feed([batch(number, block) for number, block in enumerate(blocks(samples))])


def broken() -> np.ndarray:
    """Offsets of the bed twice alike, and a third one that is farther away."""
    samples = SAMPLES.copy()
    for start, offset in ((200, 6.0), (400, 6.0), (600, 30.0)):
        samples[start : start + 40, 1] += offset
    return samples


def begins(points: list[Point]) -> list[int]:
    return sorted({(period["begin_ms"] * 1_000_000 - T0) // WINDOW_NS for period in periods(points)})
