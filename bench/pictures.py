"""docs/detectors.svg: what each detector sees in made-up series.

    PYTHONPATH=.:udf/anomaly/src .venv/bin/python -m bench.pictures

Each series has eight days of windows of ten minutes. The first four days are training, of which the last is shown.
Below each series are the detectors' scores, each in units of its maximum in the calm days five and six.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anomaly.detectors.base import FeatureHistory, follow
from anomaly.detectors.declaration import FitRequest
from anomaly.detectors.registry import fit
from anomaly.windows.arrays import Floats

DETECTORS = ("isolation_forest", "gap", "slow_gap", "seasonal", "robust_z", "half_space_trees")
_DAY = 144
_WINDOW_NS = 600_000_000_000
_TRAINED, _CALM, _LENGTH = 4 * _DAY, 6 * _DAY, 8 * _DAY
_SHOWN = slice(3 * _DAY, None)
_WIDTH, _LEFT, _SERIES, _ROW, _GAP = 880, 130, 60, 22, 16
_MOST = 4.0


def series() -> Iterator[tuple[str, Floats]]:
    """Yield the titles and values, shape (n,), of the series."""
    time = np.arange(_LENGTH)
    noise = np.random.default_rng(0).normal(0, 1, _LENGTH)
    swing = 6 * np.sin(time * 2 * np.pi / _DAY)
    spiked = swing + noise
    spiked[[6 * _DAY + 40, 7 * _DAY + 40]] += 14
    yield "a spike, and the same again a day later", spiked
    yield "a shift by two deviations of the noise", noise + np.where(time < 6 * _DAY + 72, 0.0, 2.0)
    moved = swing + noise
    moved[6 * _DAY + 96 : 6 * _DAY + 120] *= -1
    yield "evening values of the other sign: usual, at the wrong time", moved
    modes = np.where(time // 36 % 2 == 0, -5.0, 5.0) + noise / 4
    modes[6 * _DAY + 80 : 6 * _DAY + 84] = 0.0
    yield "between two modes", modes


def scores(values: Floats) -> dict[str, Floats]:
    """Score one series by all detectors.

    Args:
        values: shape (n,).

    Returns:
        Scores by detector, shape (n,) each, 0 in training.
    """
    begin_ns = np.arange(_LENGTH, dtype=np.int64) * _WINDOW_NS
    x = ((values - np.median(values[:_TRAINED])) / np.std(values[:_TRAINED]))[:, None]
    rows = np.zeros(_TRAINED, dtype=np.intp)
    history = FeatureHistory(x[:_TRAINED], rows, 1, begin_ns[:_TRAINED], _WINDOW_NS, is_long=True)
    by_detector = {}
    for name in DETECTORS:
        detector, _ = fit(name, FitRequest(history, {"trees": 100, "samples": 256}))
        score = follow(detector, 1).explain(begin_ns[_TRAINED:], x[_TRAINED:])[0]
        calm = score[: _CALM - _TRAINED].max()
        by_detector[name] = np.concatenate([np.zeros(_TRAINED), np.minimum(score / max(calm, 1e-9), _MOST)])
    return by_detector


def draw() -> str:
    """Draw the picture as SVG."""
    parts, top = [], 8
    for title, values in series():
        parts.append(f'<text x="{_LEFT}" y="{top + 11}" class="t">{title}</text>')
        top += 16
        parts.append(_line(values[_SHOWN], values.min(), values.max(), top, _SERIES, "v"))
        end = top + _SERIES + len(DETECTORS) * _ROW
        trained = _LEFT + (_WIDTH - _LEFT) * (_TRAINED - _SHOWN.start) // (_LENGTH - _SHOWN.start)
        parts.append(f'<rect x="{_LEFT}" y="{top}" width="{trained - _LEFT}" height="{end - top}" class="r"/>')
        top += _SERIES
        for name, score in scores(values).items():
            parts.append(f'<text x="4" y="{top + _ROW - 4}">{name}</text>')
            parts.append(_line(score[_SHOWN], 0.0, _MOST, top + 2, _ROW - 4, "s"))
            # The maximum in the calm days.
            calm = top + 2 + (_ROW - 4) * (1 - 1 / _MOST)
            parts.append(f'<path d="M{trained} {calm:.1f}H{_WIDTH}" class="c"/>')
            top += _ROW
        top += _GAP
    style = (
        "text{font:12px sans-serif;fill:#444}.t{font-weight:bold}path{fill:none}.v{stroke:#1f5f99}.s{stroke:#c0392b}"
        ".c{stroke:#bbb;stroke-dasharray:3}.r{fill:#000;opacity:.06}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + 10} {top}"><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _line(values: Floats, low: float, high: float, top: float, height: float, kind: str) -> str:
    x = _LEFT + np.arange(len(values)) * (_WIDTH - _LEFT) / len(values)
    y = np.round(top + height * (1 - (values - low) / (high - low)), 1)
    # A point on a level line draws nothing.
    bends = (np.diff(y, prepend=np.inf) != 0) | (np.diff(y, append=np.inf) != 0)
    points = "L".join(f"{a:.0f} {b:.1f}" for a, b in zip(x[bends], y[bends], strict=True))
    return f'<path d="M{points}" class="{kind}"/>'


if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs" / "detectors.svg").write_text(draw(), encoding="utf-8")
