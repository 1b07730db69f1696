"""A model of its own for each series that has history enough, and the pooled one for all others.

The pooled model knows what any series does, in units of the series' own scales. One of its own knows how the fields of
this series go together: where one is high when the other is low, and both are high together in another series, only its
own model sees a swap.

What is its own is smaller than what is pooled, and all of them together have a budget, so that hundreds of series fit
into the memory of one process: with more series each is smaller still, down to a least size; beyond that, the series
with the shortest histories have the pooled one (`chosen`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly.detectors.base import LONG_WINDOWS, Follower, History, Memoryless

_ROWS = "own_rows"
_PREFIX = "own_"
_LENGTHS = "_lengths"
# What all series' own models may have together, as arrays; served, they take a little more.
BUDGET_BYTES = 96 * 2**20
Arrays = Mapping[str, NDArray[np.generic]]


class OwnModels:
    """pooled: for series without their own, and those that training has not seen. own: by row (see `Detector.follow`).
    None of them remembers anything."""

    def __init__(self, pooled: Memoryless, own: Mapping[int, Memoryless]) -> None:
        self.pooled = pooled
        self.own = own

    @property
    def adds_up(self) -> bool:
        """No: each looks at one window."""
        return False

    def follow(self, row: int, state: Any = None) -> Follower:
        """See `Detector.follow`."""
        return self.own.get(row, self.pooled).follow(row, state)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Detector.arrays`. Each array of the series' own is there once, for all of them one after the other."""
        joined = _joined([model.arrays() for model in self.own.values()])
        return {
            **self.pooled.arrays(),
            _ROWS: np.array([*self.own], dtype=np.int32),
            **{f"{_PREFIX}{name}": array for name, array in joined.items()},
        }


def load(arrays: Arrays, inner: Callable[[Arrays], Memoryless]) -> Memoryless | OwnModels:
    """The inverse of `OwnModels.arrays`; the pooled model alone, where they hold no others. inner: makes one from its
    arrays. Raises KeyError or ValueError where these do not fit."""
    pooled = inner(arrays)
    if _ROWS not in arrays:
        return pooled
    mine = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)}
    rows = mine.pop(_ROWS.removeprefix(_PREFIX)).tolist()
    return OwnModels(pooled, dict(zip(rows, map(inner, _parted(mine, len(rows))), strict=True)))


def chosen(lengths: NDArray[np.intp], least_bytes: int) -> NDArray[np.bool_] | None:
    """(s,): which of several series, with so many windows each (s,), get a model of their own, if each takes so many
    bytes at the least; None: none does."""
    longest = np.argsort(-lengths, kind="stable")[: BUDGET_BYTES // least_bytes]
    own = np.zeros(len(lengths), dtype=np.bool_)
    own[longest] = lengths[longest] >= LONG_WINDOWS
    return own if len(own) > 1 and own.any() else None


def fit(
    pooled: Memoryless, history: History, fit_one: Callable[[History, int, int], Memoryless], seed: int, jobs: int
) -> Memoryless | OwnModels:
    """Fits their own to the series that `history.own` names, by so many threads; the pooled one alone where it names
    none. fit_one: of one series' history, how many bytes its model may take, and a seed, which is the series' own, so
    that threads change nothing."""
    if history.own is None:
        return pooled
    # Training only: joblib is not part of serving.
    from joblib import Parallel, delayed

    budget = BUDGET_BYTES // int(history.own.sum())

    def one(series: int) -> tuple[int, Memoryless]:
        (own_seed,) = np.random.SeedSequence([seed, series]).generate_state(1).tolist()
        return series + 1, fit_one(history.where(history.series == series), budget, own_seed)

    # A part of the history may hold too little of a series.
    lengths = np.bincount(history.series, minlength=history.count)
    mine = np.flatnonzero(history.own & (lengths >= LONG_WINDOWS // 2)).tolist()
    return OwnModels(pooled, dict(Parallel(n_jobs=jobs, prefer="threads")(delayed(one)(series) for series in mine)))


def _joined(each: Sequence[Arrays]) -> dict[str, NDArray[np.generic]]:
    """Arrays of several models, one after the other, with their lengths; those without a length as one array."""
    joined: dict[str, NDArray[np.generic]] = {}
    for name in each[0] if each else ():
        parts = [arrays[name] for arrays in each]
        if parts[0].ndim:
            joined[name] = np.concatenate(parts)
            joined[f"{name}{_LENGTHS}"] = np.array([len(part) for part in parts], dtype=np.int32)
        else:
            joined[name] = np.array(parts)
    return joined


def _parted(joined: Arrays, count: int) -> list[dict[str, Any]]:
    """The inverse of `_joined`, for so many models. Nothing is copied."""
    each: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, array in joined.items():
        if name.endswith(_LENGTHS):
            continue
        lengths = joined.get(f"{name}{_LENGTHS}")
        parts = array if lengths is None else np.split(array, np.cumsum(lengths)[:-1])
        for arrays, part in zip(each, parts, strict=True):
            arrays[name] = part
    return each
