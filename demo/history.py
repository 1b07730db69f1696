"""Checks whether InfluxDB holds the clean history to train on, complete and unchanged."""

import math

import numpy as np

from demo.database import Totals
from ingest.stream import PrinterStream


def expected_totals(stream: PrinterStream) -> dict[str, Totals]:
    """Return the totals of each printer if InfluxDB holds this stream and nothing else.

    Args:
        stream: the stream.
    """
    counts = np.zeros((stream.printers, 3), dtype=np.int64)
    sums = np.zeros((stream.printers, 3))
    for _, blocks in stream.blocks():
        for index, block in enumerate(blocks):
            counts[index] += np.isfinite(block).sum(axis=0)
            sums[index] += np.nansum(block, axis=0)
    return {
        f"printer-{index + 1}": Totals(tuple(counts[index].tolist()), tuple(sums[index].tolist()))
        for index in range(stream.printers)
    }


def matches(found: Totals, expected: Totals) -> bool:
    """Check whether the counts are equal, and the sums too, apart from the order in which floats were added.

    The sums distinguish a clean history from one of another seed, or from a faulty day, of the same length.

    Args:
        found: the totals in InfluxDB.
        expected: the totals of the stream.
    """
    return found.counts == expected.counts and all(
        math.isclose(a, b, rel_tol=1e-9) for a, b in zip(found.sums, expected.sums, strict=True)
    )
