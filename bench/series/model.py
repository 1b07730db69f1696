"""The pipeline of the bench and its model: the default detector, trained on a few hosts and copied to all others.

A training of thousands of hosts takes an hour, and what scoring does with a host does not depend on the numbers that
training left there. So a few hosts are trained, and each of the others gets a copy of what one of them left.
"""

from pathlib import Path

import numpy as np

from anomaly.detectors import gap, seasonal, seasonal_gap, slow_gap
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.memory import Learnt
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.training.fit import train
from anomaly.windows.arrays import Key, Times
from anomaly.windows.windows import Windows
from bench.series.load import FIELDS, MEASUREMENT, STEP_NS, TAG

# This many hosts are trained, by this many windows of each.
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


def store_model(pipeline: Pipeline, models: Path, end_ns: int, hosts: int) -> None:
    """Train the pipeline on a history that ends at a time, and make the version current.

    Args:
        pipeline: the pipeline.
        models: the directory of all models.
        end_ns: where the history ends.
        hosts: how many hosts the model knows, the first ones.
    """
    trained = train(pipeline, _history(pipeline, end_ns), "v1", seed=0)
    store = Store(models, pipeline.name)
    store.write(_knowing(trained.model, hosts))
    store.promote(trained.model.version)


def _knowing(model: Model, hosts: int) -> Model:
    """Return a model that knows this many hosts, each by a copy of what training left of one of the trained ones."""
    pipeline, arrays = model.pipeline, model.arrays()
    rows = np.concatenate([[0], 1 + np.arange(hosts) % len(model.scaling.keys)])
    for name in ("typical", "center", "scale", "usual"):
        arrays[f"scaling_{name}"] = arrays[f"scaling_{name}"][rows]
    for name in ("newcomers_is_newcomer", "evidence_excess"):
        arrays[name] = arrays[name][rows]
    settings = [Setting(pipeline.window_ns)] * len(arrays["scaling_spread"])
    for kind in (gap.KIND, slow_gap.KIND, seasonal.KIND, seasonal_gap.KIND):
        learnt = kind.learnt(settings, arrays)
        arrays.update(Learnt(learnt.prefix, learnt.fields, np.arange(len(rows)), learnt.of(rows)).kept())
    return Model.from_arrays(model.version, pipeline, _keys(hosts), arrays)


def _keys(hosts: int) -> tuple[Key, ...]:
    return tuple((f"h{host:05}",) for host in range(hosts))


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
        keys=_keys(_HOSTS),
        series=np.repeat(np.arange(_HOSTS), _WINDOWS),
        begin_ns=np.tile(begins, _HOSTS),
        values=values,
        counts=np.full((len(samples), len(FIELDS)), float(points)),
    )
