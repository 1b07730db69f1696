"""The pipeline of the bench and its model: the default detector, trained on some of the hosts."""

from pathlib import Path

import numpy as np

from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.training.fit import train
from anomaly.windows.arrays import Times
from anomaly.windows.windows import Windows
from bench.series.load import FIELDS, MEASUREMENT, STEP_NS, TAG

# The model knows this many of the hosts, by this many windows of each; the others begin as hosts that it has not seen.
_HOSTS = 10
_WINDOWS = 1_500


def make_pipeline(window: str, memory: str) -> Pipeline:
    """Return the pipeline of windows of this length, whose series may take this much memory."""
    (pipeline,) = normalize(
        [
            {
                "name": "machines",
                "database": "db",
                "measurement": MEASUREMENT,
                "fields": list(FIELDS),
                "group_by": [TAG],
                "window": window,
                # What is measured is scoring; a window waits for late points besides.
                "lateness": "1s",
                "memory": memory,
            }
        ]
    )
    return pipeline


def store_model(pipeline: Pipeline, models: Path, end_ns: int) -> None:
    """Train the pipeline on a history that ends at a time, and make the version current.

    Args:
        pipeline: the pipeline.
        models: the directory of all models.
        end_ns: where the history ends.
    """
    trained = train(pipeline, _history(pipeline, end_ns), "v1", seed=0)
    store = Store(models, pipeline.name)
    store.write(trained.model)
    store.promote(trained.model.version)


def _history(pipeline: Pipeline, end_ns: int) -> Windows:
    points = pipeline.window_ns // STEP_NS
    noise = np.random.default_rng(0).standard_normal((_HOSTS * _WINDOWS, points, len(FIELDS)))
    levels, sigmas = (np.array(column) for column in zip(*FIELDS.values(), strict=True))
    samples = levels + sigmas * noise
    # mean and stddev of each field, field by field
    values = np.stack([samples.mean(axis=1), samples.std(axis=1, ddof=1)], axis=2).reshape(len(samples), -1)
    end_ns = end_ns // pipeline.window_ns * pipeline.window_ns
    begins: Times = end_ns + np.arange(-_WINDOWS, 0) * pipeline.window_ns
    return Windows(
        keys=tuple((f"h{host:05}",) for host in range(_HOSTS)),
        series=np.repeat(np.arange(_HOSTS), _WINDOWS),
        begin_ns=np.tile(begins, _HOSTS),
        values=values,
        counts=np.full((len(samples), len(FIELDS)), float(points)),
    )
