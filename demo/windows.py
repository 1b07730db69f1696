"""Counts the windows of the day that must have a score."""

import numpy as np

from ingest.stream import DeviceStream


def complete_windows(stream: DeviceStream, window_ms: int, end_ms: int) -> dict[str, int]:
    """Return how many windows before ``end_ms`` lack no sample of any field, for each device.

    A detector must score these windows; it may or may not score windows with fewer samples.

    Args:
        stream: the day's stream.
        window_ms: the pipeline's window.
        end_ms: the day's end.
    """
    begin_ms = stream.begin_ms // window_ms * window_ms
    per_window = np.zeros((stream.devices, -(-(stream.end_ms - begin_ms) // window_ms)), dtype=np.int64)
    for first, blocks in stream.blocks():
        for index, block in enumerate(blocks):
            times = stream.grid.times_ms(first, first + len(block))
            whole = np.isfinite(block).all(axis=1)
            np.add.at(per_window[index], (times[whole] - begin_ms) // window_ms, 1)
    before_end = per_window[:, : (end_ms - begin_ms) // window_ms]
    full = (before_end == window_ms // stream.step_ms).sum(axis=1)
    return {name: int(full[index]) for index, name in enumerate(stream.process.device_names(stream.devices))}
