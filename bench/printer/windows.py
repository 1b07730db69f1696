"""The stream as the pipeline's windows, aggregated by the code that serves."""

from collections.abc import Iterator

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.windows.aggregate import aggregate
from anomaly.windows.arrays import Floats
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
        counts = np.add.reduceat(np.isfinite(samples).astype(np.float64), bounds, axis=0)
        values = np.array([_aggregates(pipeline, window) for window in np.split(samples, bounds[1:])], dtype=np.float64)
        run = SeriesWindows((f"printer-{printer + 1}",), begins, values, counts)
        yield run.where(np.asarray(counts.any(axis=1)))


def _aggregates(pipeline: Pipeline, samples: Floats) -> list[float | None]:
    # Only `first` and `last` look at times, and need no more than their order.
    columns = [list(enumerate(column[np.isfinite(column)].tolist())) for column in samples.T]
    return [aggregate(column, function) for column in columns for function in pipeline.aggregate]


def together(runs: list[SeriesWindows]) -> Windows:
    """Put the windows of all printers together, as training reads them."""
    return Windows(
        tuple(run.key for run in runs),
        np.repeat(np.arange(len(runs)), [len(run) for run in runs]),
        np.concatenate([run.begin_ns for run in runs]),
        np.concatenate([run.values for run in runs]),
        np.concatenate([run.counts for run in runs]),
    )
