"""The clean history to train on: is it there, as it should be?"""

import math

import numpy as np

from demo.database import Totals
from ingest.stream import PrinterStream


def expected_totals(stream: PrinterStream) -> dict[str, Totals]:
    """What InfluxDB must count and sum for each printer, if it holds this stream and nothing else."""
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
    """Whether the counts are equal, and the sums but for the order in which floats were added.

    The sums tell a history of another seed, or yesterday's faulty day, from a clean one of the same length.
    """
    return found.counts == expected.counts and all(
        math.isclose(a, b, rel_tol=1e-9) for a, b in zip(found.sums, expected.sums, strict=True)
    )
