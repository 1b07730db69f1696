"""Whether the ensemble's make-up carries over to files that it was not chosen on.

All that was chosen with labels in sight is chosen anew on half of the files, and scored on the other half: which
detectors are members, the level of each, and the fatigue of alarms and its decay. A score is the greatest of the
members' scores, each divided by its level, and raises an alarm at 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from anomaly.windows.arrays import Floats
from bench.nab.alarms import Policy
from bench.nab.corpus import Series
from bench.nab.evaluate import held_out
from bench.nab.scoring import PROFILES, CorpusScorer

# Infinity leaves a detector out.
LEVELS = {
    "gap": (0.045, 0.0525, 0.06, 0.075, 0.09, np.inf),
    "slow_gap": (2.5, 3.0, 3.5, 4.0, np.inf),
    "seasonal": (9.0, 10.2, 11.0, 12.0, np.inf),
    "seasonal_gap": (0.11, 0.15, np.inf),
    "isolation_forest": (12.0, 16.0, 24.0, np.inf),
}
_POLICIES = tuple(Policy(fatigue=fatigue, decay=decay) for fatigue in (2.0, 2.5, 3.0) for decay in (50.0, 75.0))

Levels = Mapping[str, float]


@dataclass(frozen=True)
class Structures:
    """How well ensembles do that were made up on the other half of the files.

    Attributes:
        count: how many candidates there were.
        held_out: the standard score, (mean, lowest), as `bench.nab.evaluate.held_out` computes it.
        levels: the members' levels that all files together choose.
        policy: the policy that all files together choose.
        score: the standard score of this choice, in sight of all labels.
    """

    count: int
    held_out: tuple[float, float]
    levels: Levels
    policy: Policy
    score: float


def compare(corpus: Sequence[Series], scores: Mapping[str, Sequence[Floats]], pool: Executor) -> Structures:
    """Compare all candidates.

    Args:
        corpus: s series.
        scores: scores of each series, shape (n,) each, by each detector in `LEVELS`.
        pool: processes that share the work.

    Returns:
        How well the candidates do.
    """
    candidates = list(_candidates())
    # Each task computes the gains of all candidates on one series.
    columns = pool.map(partial(_gains, candidates), corpus, *(scores[name] for name in LEVELS))
    gains = np.stack(list(columns), axis=1)
    best = int(gains.sum(axis=1).argmax())
    levels, policy = candidates[best]
    score = 100.0 * float(gains[best].sum() / CorpusScorer(corpus).perfect(PROFILES["standard"]).sum())
    return Structures(len(candidates), held_out(corpus, gains), levels, policy, score)


def _candidates() -> Iterator[tuple[Levels, Policy]]:
    for values in product(*LEVELS.values()):
        if not all(np.isinf(values)):
            for policy in _POLICIES:
                yield dict(zip(LEVELS, values, strict=True)), policy


def _gains(candidates: Sequence[tuple[Levels, Policy]], series: Series, *scores: Floats) -> Floats:
    scorer = CorpusScorer([series])
    stacked = np.stack(scores)
    gains = np.empty(len(candidates))
    for row, (levels, policy) in enumerate(candidates):
        score = (stacked / np.array(list(levels.values()))[:, None]).max(axis=0)
        gains[row] = scorer.gains([policy.emitted(score, 1.0)], PROFILES["standard"])[0]
    return gains
