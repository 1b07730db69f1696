"""A dummy process's stream as a pipeline's windows, aggregated by the code that serves."""

from collections.abc import Iterator

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.windows.aggregates import aggregate_windows
from anomaly.windows.series import SeriesWindows
from ingest.stream import DeviceStream


def runs(pipeline: Pipeline, stream: DeviceStream) -> Iterator[SeriesWindows]:
    """Aggregate a stream whose bounds are edges of windows.

    Args:
        pipeline: names fields, aggregates and the window.
        stream: the samples.

    Yields:
        Each device's windows with samples.
    """
    columns = [stream.process.fields.index(field) for field in pipeline.fields]
    parts = [(stream.grid.times_ms(first, first + len(blocks[0])), blocks) for first, blocks in stream.blocks()]
    times_ns = np.concatenate([times for times, _ in parts]) * 1_000_000
    bounds = np.flatnonzero(np.diff(times_ns // pipeline.window_ns, prepend=-1))
    begins = times_ns[bounds] // pipeline.window_ns * pipeline.window_ns
    for device, name in enumerate(stream.process.device_names(stream.devices)):
        samples = np.concatenate([blocks[device] for _, blocks in parts])[:, columns]
        window = np.repeat(np.arange(len(bounds)), np.diff(bounds, append=len(samples)))
        identities = np.zeros(len(samples), dtype=np.uint64)
        aggregated = aggregate_windows(window, times_ns, identities, samples.T, pipeline.aggregate)
        run = SeriesWindows((name,), begins, aggregated.values, aggregated.counts)
        yield run.where(np.asarray(aggregated.counts.any(axis=1)))
