"""Printers of the tests' own: three temperatures at one sample a second, noise with a memory, a daily swing, and
faults."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly.models.model import Model, Verdict
from anomaly.pipeline import Pipeline, normalize
from anomaly.windows.arrays import Floats
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

FIELDS = ("hotend", "bed", "air")
LEVEL = np.array([220.0, 90.0, 28.0])
SIGMA = np.array([0.6, 0.4, 0.2])
SWING = np.array([0.0, 0.0, 0.2])
MEMORY = 0.78
DAY = 86_400
WINDOW = 10
WINDOW_NS = WINDOW * 1_000_000_000

PIPELINE: Pipeline = normalize(
    [
        {
            "name": "printer",
            "database": "printer",
            "measurement": "temperature",
            "fields": list(FIELDS),
            "group_by": ["printer"],
            "window": "10s",
            "detector": "isolation_forest",
        }
    ]
)[0]


@dataclass(frozen=True)
class Fault:
    """What goes wrong from `start` on, for `length` samples. strength: in standard deviations (sigma: their factor)."""

    kind: str
    fields: Sequence[int]
    start: int
    length: int
    strength: float = 0.0


def clean(seed: int, seconds: int = DAY) -> Floats:
    """Samples (seconds, 3), beginning at midnight."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((seconds, 3)) * np.sqrt(1 - MEMORY**2)
    noise[0] /= np.sqrt(1 - MEMORY**2)
    for row in range(1, seconds):
        noise[row] += MEMORY * noise[row - 1]
    hour = np.arange(seconds)[:, None] * (2 * np.pi / DAY)
    samples: Floats = np.round(LEVEL + SIGMA * noise + SWING * np.sin(hour), 3)
    return samples


def break_down(samples: Floats, fault: Fault, seed: int = 0) -> None:
    """Puts a fault into samples, in place. A gap is NaN."""
    rng = np.random.default_rng(seed)
    part = slice(fault.start, fault.start + fault.length)
    for field in fault.fields:
        column = samples[:, field]
        if fault.kind == "sigma":
            column[part] += rng.standard_normal(fault.length) * SIGMA[field] * np.sqrt(fault.strength**2 - 1)
        elif fault.kind in ("offset", "spike"):
            column[part] += fault.strength * SIGMA[field]
        elif fault.kind == "drift":
            column[part] += np.linspace(0, fault.strength * SIGMA[field], fault.length)
        elif fault.kind == "stuck":
            column[part] = column[fault.start]
        elif fault.kind == "gap":
            column[part] = np.nan
        else:
            raise ValueError(f"no fault {fault.kind!r}")


def windows(*series: Floats, begin_ns: int = 0) -> Windows:
    """What the training query would give of samples (seconds, 3) of each printer."""
    parts = []
    for samples in series:
        blocks = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW, 3)
        counts = np.isfinite(blocks).sum(axis=1).astype(np.float64)
        total = np.nansum(blocks, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / counts
            deviation = np.sqrt(np.nansum((blocks - mean[:, None, :]) ** 2, axis=1) / (counts - 1))
        mean[counts == 0] = np.nan
        deviation[counts < 2] = np.nan
        parts.append((np.stack([mean, deviation], axis=2).reshape(len(blocks), -1), counts))
    lengths = [len(values) for values, _ in parts]
    return Windows(
        tuple((f"printer-{number}",) for number in range(1, len(series) + 1)),
        np.repeat(np.arange(len(series)), lengths).astype(np.intp),
        np.concatenate([begin_ns + np.arange(length, dtype=np.int64) * WINDOW_NS for length in lengths]),
        np.concatenate([values for values, _ in parts]),
        np.concatenate([counts for _, counts in parts]),
    )


def runs(windows: Windows) -> list[SeriesWindows]:
    """Each series' windows, as a scorer is fed with them."""
    return [
        SeriesWindows(key, windows.begin_ns[mine], windows.values[mine], windows.counts[mine])
        for index, key in enumerate(windows.keys)
        for mine in [windows.series == index]
    ]


def judge(model: Model, key: tuple[str, ...], values: Floats, begin_ns: int = 0) -> list[Verdict]:
    """What a model says of windows (n, d) of a series, one after the other, right after training."""
    times = begin_ns + np.arange(len(values), dtype=np.int64) * model.pipeline.window_ns
    return model.judge(model.follow(key), key, times, values)
