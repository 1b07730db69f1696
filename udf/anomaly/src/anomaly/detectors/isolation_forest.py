"""Isolation Forest: how few random cuts separate a window from those of training, all features together.

The score of a forest alone, its saturation and the distance that makes up for it are described in
`anomaly.detectors.forest.served`. This module puts together what is around the forest:

- Where fields go together, it also sees how far each feature is from what the others say of it
  (`anomaly.detectors.wrappers.coupling`).
- With a long history it first measures features beyond their 1 % quantiles in units of their tails
  (`anomaly.detectors.wrappers.tails`). A pipeline may ask for a forest for each series
  (`anomaly.detectors.wrappers.per_series`) and for features of earlier windows and of the time
  (`anomaly.detectors.wrappers.context`).
- With a short history it remembers outliers, and ranks each score among those of the same series so far
  (`anomaly.detectors.wrappers.outliers`). As a member of the ensemble it ranks scores alone
  (`anomaly.detectors.wrappers.running_tail`).

Reference: Liu, Ting and Zhou, "Isolation Forest", ICDM 2008.

Example:
    A point between two modes is usual in each feature's range, and far from all that training has seen.

    >>> import numpy as np
    >>> from anomaly.detectors import registry
    >>> from anomaly.detectors.base import FeatureHistory, follow
    >>> from anomaly.detectors.declaration import FitRequest
    >>> x = np.random.default_rng(0).normal([[-5.0, 0.0], [5.0, 0.0]] * 1_000, 1.0)
    >>> begin_ns = np.arange(2_000) * 60_000_000_000
    >>> history = FeatureHistory(x, np.zeros(2_000, dtype=np.intp), 1, begin_ns, 60_000_000_000, is_long=True)
    >>> request = FitRequest(history, registry.declaration("isolation_forest").description.defaults)
    >>> detector, _ = registry.fit("isolation_forest", request)
    >>> scores, shares = follow(detector, 1).explain(begin_ns[:2], np.array([[5.0, 0.0], [0.0, 0.0]]))
    >>> [bool(score > 1.0) for score in scores], int(shares[1].argmax())
    ([False, True], 0)
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from anomaly.detectors.base import Detector, FeatureHistory, Memoryless
from anomaly.detectors.declaration import Arrays, Declaration, FitRequest, Fitted
from anomaly.detectors.forest.fit import fit_forest, largest_tree_bytes
from anomaly.detectors.forest.served import IsolationForest
from anomaly.detectors.wrappers import context, outliers, per_series, running_tail
from anomaly.detectors.wrappers.coupling import Coupled, Coupling, coupling_from_arrays, fields, fit_coupling
from anomaly.detectors.wrappers.tails import Tailed, are_tails_in, fit_tails, tails_from_arrays
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import Floats
from anomaly.windows.blocks import FOLDS, Blocks

# A forest for one series has this many trees at least.
_LEAST_TREES = 10


def fit(request: FitRequest, *, remembers: bool = True) -> Fitted:
    """Fit the forest and what is around it.

    Args:
        request: history, parameters `trees`, `samples`, `context`, and the rest.
        remembers: whether it remembers outliers where the history is short.

    Returns:
        The detector, and scikit-learn's forest for all series where the request asks for it.
    """
    if not request.history.is_long:
        history = request.history
        coupling = fit_coupling(history, history.x.shape[1])
        x = coupling.apply(history.weighted)
        forest, estimator = fit_forest(x, request.parameters, request.seed, keep=request.keep_estimator)
        scores = _cross_fitted(history, request.parameters, request.seed)
        if remembers:
            return Fitted(outliers.fit(coupling, forest, history, scores), estimator)
        return Fitted(running_tail.fit(_coupled(coupling, forest, history), history, scores), estimator)
    kinds = request.parameters.get("context", ())
    if not kinds:
        pooled, estimator = _tailed(request.history, request, keep=request.keep_estimator)
        return Fitted(_for_each_series(pooled, request.history, request), estimator)
    return _fit_with_context(kinds, request)


def _fit_with_context(kinds: tuple[str, ...], request: FitRequest) -> Fitted:
    history = request.history
    columns = context.Columns(kinds, history.x.shape[1], history.window_ns, history.sides)
    extended, known = columns.along(history)
    with_columns = replace(history, x=extended).where(known)
    plain, _ = _tailed(history, request)
    pooled, estimator = _tailed(with_columns, request, keep=request.keep_estimator)
    full = _for_each_series(pooled, with_columns, request)
    return Fitted(context.Contextual(columns, plain, full, context.learnt(columns, history)), estimator)


def _tailed(history: FeatureHistory, request: FitRequest, *, keep: bool = False) -> tuple[Memoryless, object]:
    # The other columns are those of context.
    width = request.history.x.shape[1]
    coupling = fit_coupling(history, width)
    tails = fit_tails(coupling.apply(history.unconfirmed))
    x = tails.apply(coupling.apply(history.weighted))
    forest, estimator = fit_forest(x, request.parameters, request.seed, keep=keep)
    return _coupled(coupling, Tailed(tails, forest), request.history), estimator


def _coupled(coupling: Coupling, inner: Memoryless, history: FeatureHistory) -> Memoryless:
    """Return a detector that is given residuals; a single field has none, whatever was seen of it."""
    return Coupled(coupling, inner) if len(np.unique(fields(history, history.x.shape[1]))) > 1 else inner


def _for_each_series(pooled: Memoryless, history: FeatureHistory, request: FitRequest) -> Detector:
    # Each feature may have a residual.
    tree_bytes = largest_tree_bytes(request.parameters, history.x.shape[1] + request.history.x.shape[1])

    def fit_series(series_history: FeatureHistory, budget_bytes: int, seed: int) -> Memoryless:
        trees = min(max(_LEAST_TREES, int(request.parameters["trees"]) // 4), budget_bytes // tree_bytes)
        return _tailed(series_history, replace(request, parameters={**request.parameters, "trees": trees}, seed=seed))[
            0
        ]

    return per_series.fit(pooled, history, fit_series, request.seed, request.jobs)


def _cross_fitted(history: FeatureHistory, parameters: Mapping[str, Any], seed: int) -> Floats:
    """Score each block of the history by a forest that was fitted without it.

    Args:
        history: n windows.
        parameters: those of the whole forest; a quarter of its trees says the same but for some noise.
        seed: of the whole forest.

    Returns:
        Scores, shape (n,).
    """
    parameters = {**parameters, "trees": max(1, int(parameters["trees"]) // 4)}
    blocks = Blocks(history.begin_ns)
    scores = np.empty(len(history.x))
    for fold in range(FOLDS):
        known = history.where(blocks.trained_on(fold))
        coupling = fit_coupling(known, history.x.shape[1])
        forest, _ = fit_forest(coupling.apply(known.x), parameters, seed + 1 + fold)
        held_out = blocks.held_back(fold)
        scores[held_out] = forest.score(coupling.apply(history.x[held_out]))
    return scores


def load(arrays: Arrays) -> Detector:
    """Make the fitted detector from its arrays, with all that is around the forest.

    Args:
        arrays: what `arrays` of the fitted detector returned.

    Returns:
        A detector that scores as the stored one did.
    """
    return context.load(arrays, _load_plain) if context.is_in(arrays) else _load_plain(arrays)


def _load_plain(arrays: Arrays) -> Detector:
    ranked = outliers.load(arrays) or running_tail.load(_load_coupled, arrays)
    return per_series.load(arrays, _load_coupled) if ranked is None else ranked


def _load_coupled(arrays: Arrays) -> Memoryless:
    forest = IsolationForest.from_arrays(arrays)
    inner = Tailed(tails_from_arrays(arrays), forest) if are_tails_in(arrays) else forest
    coupling = coupling_from_arrays(arrays)
    return inner if coupling is None else Coupled(coupling, inner)


def _least_bytes(parameters: Mapping[str, Any], width: int) -> int:
    return _LEAST_TREES * largest_tree_bytes(parameters, 2 * width)


DECLARATION = Declaration(
    description=Description(
        name="isolation_forest",
        summary="few random cuts separate what is anomalous from all that training has seen",
        sees="what training has not seen, all features together, again and again; couplings of fields that break",
        misses="slow shifts within the usual range, the usual value at the wrong time; less so with `context`",
        remembers="outliers and how rare scores are with a short history, 24 windows with context; else nothing",
        series_bytes=2_304,
        feature_bytes=512,
        parameters={
            "trees": {
                "description": "How many trees the forest has.",
                "type": "integer",
                "minimum": 10,
                "maximum": 1000,
                "default": 100,
                "examples": [100],
            },
            "samples": {
                "description": "How many windows each tree is grown from.",
                "type": "integer",
                "minimum": 16,
                "maximum": 65536,
                "default": 256,
                "examples": [256],
            },
            "context": context.PARAMETER,
            "models": per_series.PARAMETER,
        },
    ),
    fit=fit,
    load=load,
    least_bytes=_least_bytes,
)
# The ensemble has another member that remembers, and its forest is to find again what comes again.
MEMBER = replace(DECLARATION, fit=partial(fit, remembers=False))
