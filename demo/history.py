"""Checks whether InfluxDB holds the clean history to train on, complete and unchanged."""

import math

import numpy as np

from demo.database import Totals
from ingest.stream import DeviceStream


def expected_totals(stream: DeviceStream) -> dict[str, Totals]:
    """Return the totals of each device if InfluxDB holds this stream and nothing else.

    Args:
        stream: the stream.
    """
    counts = np.zeros((stream.devices, len(stream.process.fields)), dtype=np.int64)
    sums = np.zeros(counts.shape)
    for _, blocks in stream.blocks():
        for index, block in enumerate(blocks):
            counts[index] += np.isfinite(block).sum(axis=0)
            sums[index] += np.nansum(block, axis=0)
    return {
        name: Totals(tuple(counts[index].tolist()), tuple(sums[index].tolist()))
        for index, name in enumerate(stream.process.device_names(stream.devices))
    }


def matches(stored: Totals, expected: Totals) -> bool:
    """Check whether the counts are equal, and the sums too, apart from the order in which floats were added.

    The sums distinguish a clean history from one of another seed, or from a faulty day, of the same length.

    Args:
        stored: the totals in InfluxDB.
        expected: the totals of the stream.
    """
    return stored.counts == expected.counts and all(
        math.isclose(a, b, rel_tol=1e-9) for a, b in zip(stored.sums, expected.sums, strict=True)
    )
