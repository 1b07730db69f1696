"""Which windows of the day must have a score."""

import numpy as np

from ingest.stream import PrinterStream


def complete_windows(stream: PrinterStream, window_ms: int, end_ms: int) -> dict[str, int]:
    """For each printer the number of windows before ``end_ms`` in which no sample of any field is missing.

    What a detector makes of windows with fewer samples is its own affair; these it must score.
    """
    begin_ms = stream.start_ms // window_ms * window_ms
    per_window = np.zeros((stream.printers, -(-(stream.end_ms - begin_ms) // window_ms)), dtype=np.int64)
    for first, blocks in stream.blocks():
        for index, block in enumerate(blocks):
            times = stream.grid.times_ms(first, first + len(block))
            whole = np.isfinite(block).all(axis=1)
            np.add.at(per_window[index], (times[whole] - begin_ms) // window_ms, 1)
    before_end = per_window[:, : (end_ms - begin_ms) // window_ms]
    full = (before_end == window_ms // stream.step_ms).sum(axis=1)
    return {f"printer-{index + 1}": int(full[index]) for index in range(stream.printers)}
