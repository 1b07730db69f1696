"""How far a value is from all values before: a set of past values, thinned.

A value close to a kept one (within 0.2 % of the range) only renews it, so some hundreds of values stand for a history
of any length. Where there is no room for a new value, one of the two that are closest to each other is dropped, so that
distances are as right as the room allows. Values that were not seen for long are dropped where they are to be
forgotten.

`anomaly.detectors.parts.loops.Novelties` computes it.
"""

import numpy as np

from anomaly.detectors.parts.memory import MemoryField


def fields(most: int, *, forgets: bool) -> tuple[MemoryField, ...]:
    """Return what is remembered of the values.

    Args:
        most: how many values are kept.
        forgets: whether values are forgotten, so that times of values are kept, in seconds since 1970.

    Returns:
        The fields.
    """
    values = (MemoryField("kept", np.uint16, most=most), MemoryField("values", np.float32, most, length="kept"))
    times = (MemoryField("seen", np.uint32, most, length="kept"), MemoryField("added", np.uint8))
    return (*values, *times) if forgets else values
