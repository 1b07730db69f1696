"""A model for each series that has enough history, and the pooled model for all others.

The pooled model knows what any series does, in units of that series' scales. A model for one series knows how the
fields of this series go together: where one is high when the other is low, and both are high together in another
series, only the model of that series sees a swap.

A model for one series is smaller than the pooled one, and all of them together have a budget, so that hundreds of
series fit into the memory of one process. With more series each model is smaller still, down to a least size. Beyond
that, the series with the shortest histories have the pooled model (`chosen`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from anomaly.detectors.base import LONG_WINDOWS, FeatureHistory, Memoryless
from anomaly.detectors.declaration import Arrays
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times, groups
from anomaly.windows.civil import PLAIN, CivilTime

# Stored models have these names.
_ROWS = "own_rows"
_PREFIX = "own_"
_LENGTHS = "_lengths"
# All models for one series each may take this many bytes as arrays; served, they take a little more.
BUDGET_BYTES = 96 * 2**20
# The parameter of every detector that has models for each series.
PARAMETER = {
    "description": (
        "Forests and `knn`: pooled fits one model for all series; own fits a model for each series with 1,000 windows "
        "or more, and the pooled one for the others."
    ),
    "type": "string",
    "enum": ["pooled", "own"],
    "default": "pooled",
    "examples": ["own"],
}


class PerSeries:
    """Models for single series, and a pooled one.

    None of them remembers anything.

    Attributes:
        pooled: the model for series without one for themselves, and for those that training has not seen.
        per_series: models by row (`Followers.begin`).
    """

    def __init__(self, pooled: Memoryless, per_series: Mapping[int, Memoryless]) -> None:
        self.pooled = pooled
        self.per_series = per_series

    @property
    def adds_up(self) -> bool:
        """False: each model looks at one window."""
        return False

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> "PerSeriesFollowers":
        """Make followers, as `Detector.followers` says."""
        return PerSeriesFollowers(self, capacity)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the pooled model's arrays; and those of all others, each name's one after the other in one array."""
        joined = _joined([model.arrays() for model in self.per_series.values()])
        return {
            **self.pooled.arrays(),
            _ROWS: np.array([*self.per_series], dtype=np.int32),
            **{f"{_PREFIX}{name}": array for name, array in joined.items()},
        }


class PerSeriesFollowers:
    """The model of each of up to `capacity` series. Which one it is follows from `begin`, so nothing is remembered."""

    def __init__(self, models: PerSeries, capacity: int) -> None:
        self._models = models
        self._row = np.zeros(capacity, dtype=np.intp)
        # By row; rows beyond the last one with a model are clipped to the end.
        self._has_model = np.zeros(max(models.per_series, default=0) + 2, dtype=np.bool_)
        self._has_model[list(models.per_series)] = True

    @property
    def bytes_per_series(self) -> int:
        """0: nothing is remembered."""
        return 0

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        """Score windows by their series' models, and the rest by the pooled one."""
        row = self._row[place]
        row = np.where(self._has_model[row], row, 0)
        scores, shares = np.empty(len(x)), np.empty(x.shape)
        for windows in groups(row):
            model = self._models.per_series.get(int(row[windows[0]]), self._models.pooled)
            scores[windows], shares[windows] = model.explain_incomplete(x[windows])
        return scores, shares

    def begin(self, place: Ints, row: Ints) -> None:
        """Choose the models of places."""
        self._row[place] = np.minimum(row, len(self._has_model) - 1)

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        """Return nothing."""
        return {}

    def restore(self, place: Ints, arrays: Arrays) -> None:
        """Do nothing."""


def load(arrays: Arrays, inner: Callable[[Arrays], Memoryless]) -> Memoryless | PerSeries:
    """Make models from the arrays of equal ones.

    Args:
        arrays: what `PerSeries.arrays`, or the pooled model's `arrays`, returned.
        inner: makes one model from its arrays.

    Returns:
        All models; the pooled one alone where there are no others.

    Raises:
        KeyError: an array is missing.
        ValueError: the arrays do not fit each other.
    """
    pooled = inner(arrays)
    if _ROWS not in arrays:
        return pooled
    joined = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)}
    rows = joined.pop(_ROWS.removeprefix(_PREFIX)).tolist()
    return PerSeries(pooled, dict(zip(rows, map(inner, _parted(joined, len(rows))), strict=True)))


def chosen(lengths: Ints, least_bytes: int) -> Bools | None:
    """Choose the series that get a model for themselves.

    Args:
        lengths: how many windows each series has, shape (s,).
        least_bytes: size of the smallest model.

    Returns:
        Which series, shape (s,); None for none of them, and where there is one series only.
    """
    longest = np.argsort(-lengths, kind="stable")[: BUDGET_BYTES // least_bytes]
    mask = np.zeros(len(lengths), dtype=np.bool_)
    mask[longest] = lengths[longest] >= LONG_WINDOWS
    return mask if len(mask) > 1 and mask.any() else None


def fit(
    pooled: Memoryless,
    history: FeatureHistory,
    fit_series: Callable[[FeatureHistory, int, int], Memoryless],
    seed: int,
    jobs: int,
) -> Memoryless | PerSeries:
    """Fit a model for each series that `history.per_series` names.

    Args:
        pooled: the model that is fitted already.
        history: all series.
        fit_series: fits a model to one series' history, within a number of bytes, with a seed of its own, so that the
            number of threads changes nothing.
        seed: of all models.
        jobs: how many threads.

    Returns:
        All models; the pooled one alone where the history names no series.
    """
    if history.per_series is None:
        return pooled
    # joblib is for training only: serving must not load it.
    from joblib import Parallel, delayed

    budget_bytes = BUDGET_BYTES // int(history.per_series.sum())

    def one(series: int) -> tuple[int, Memoryless]:
        (series_seed,) = np.random.SeedSequence([seed, series]).generate_state(1).tolist()
        return series + 1, fit_series(history.where(history.series == series), budget_bytes, series_seed)

    # A part of the history may hold too little of a series.
    lengths = np.bincount(history.series, minlength=history.series_count)
    fitted = np.flatnonzero(history.per_series & (lengths >= LONG_WINDOWS // 2)).tolist()
    return PerSeries(pooled, dict(Parallel(n_jobs=jobs, prefer="threads")(delayed(one)(series) for series in fitted)))


def _joined(each: Sequence[Arrays]) -> dict[str, AnyArray]:
    """Join arrays of several models, name by name, with their lengths; arrays without a length become one array."""
    joined: dict[str, AnyArray] = {}
    for name in each[0] if each else ():
        parts = [arrays[name] for arrays in each]
        if parts[0].ndim:
            joined[name] = np.concatenate(parts)
            joined[f"{name}{_LENGTHS}"] = np.array([len(part) for part in parts], dtype=np.int32)
        else:
            joined[name] = np.array(parts)
    return joined


def _parted(joined: Arrays, count: int) -> list[dict[str, Any]]:
    """Take apart what `_joined` joined, for `count` models. Nothing is copied."""
    each: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, array in joined.items():
        if name.endswith(_LENGTHS):
            continue
        lengths = joined.get(f"{name}{_LENGTHS}")
        parts = array if lengths is None else np.split(array, np.cumsum(lengths)[:-1])
        for arrays, part in zip(each, parts, strict=True):
            arrays[name] = part
    return each
