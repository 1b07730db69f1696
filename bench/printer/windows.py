"""The stream as the pipeline's windows, aggregated by the code that serves."""

from collections.abc import Iterator

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.windows.aggregates import aggregate_windows
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from ingest.printer import FIELD_NAMES
from ingest.stream import PrinterStream


def runs(pipeline: Pipeline, stream: PrinterStream) -> Iterator[SeriesWindows]:
    """Aggregate a stream whose bounds are edges of windows.

    Args:
        pipeline: names fields, aggregates and the window.
        stream: the samples.

    Yields:
        Each printer's windows with samples.
    """
    columns = [FIELD_NAMES.index(field) for field in pipeline.fields]
    parts = [(stream.grid.times_ms(first, first + len(blocks[0])), blocks) for first, blocks in stream.blocks()]
    times_ns = np.concatenate([times for times, _ in parts]) * 1_000_000
    bounds = np.flatnonzero(np.diff(times_ns // pipeline.window_ns, prepend=-1))
    begins = times_ns[bounds] // pipeline.window_ns * pipeline.window_ns
    for printer in range(stream.printers):
        samples = np.concatenate([blocks[printer] for _, blocks in parts])[:, columns]
        window = np.repeat(np.arange(len(bounds)), np.diff(bounds, append=len(samples)))
        identities = np.zeros(len(samples), dtype=np.uint64)
        aggregated = aggregate_windows(window, times_ns, identities, samples.T, pipeline.aggregate)
        run = SeriesWindows((f"printer-{printer + 1}",), begins, aggregated.values, aggregated.counts)
        yield run.where(np.asarray(aggregated.counts.any(axis=1)))


def together(runs: list[SeriesWindows]) -> Windows:
    """Put the windows of all printers together, as training reads them."""
    return Windows(
        tuple(run.key for run in runs),
        np.repeat(np.arange(len(runs)), [len(run) for run in runs]),
        np.concatenate([run.begin_ns for run in runs]),
        np.concatenate([run.values for run in runs]),
        np.concatenate([run.counts for run in runs]),
    )
