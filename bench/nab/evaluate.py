"""From scores of the whole corpus to the figures of one row: at the best alarm level, and at what the other half of the
files would have chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Floats
from bench.nab.alarms import Policy
from bench.nab.corpus import Series
from bench.nab.scoring import PROFILES, Result, Scorer

# Alarm levels that are tried: scores that this share of all points reach.
_SHARES = np.geomspace(0.0003, 0.05, 40)
_SPLITS = 10


@dataclass(frozen=True)
class Evaluation:
    """results: by profile, each at its best level. levels: those levels. held_out: the standard score at the level that
    the other half of the files chose, see `held_out`."""

    results: dict[str, Result]
    levels: dict[str, float]
    held_out: tuple[float, float]


def evaluate(corpus: Sequence[Series], scores: Sequence[Floats], policy: Policy) -> Evaluation:
    """Scores, (n,) for each series."""
    levels = alarm_levels(corpus, scores)
    emitted = [[policy.emitted(one, level) for one in scores] for level in levels]
    scorer = Scorer(corpus)
    gains = [scorer.gains(each, PROFILES["standard"]) for each in emitted]
    best = {}
    for name, profile in PROFILES.items():
        results = [scorer.best(each, profile) for each in emitted]
        place = int(np.argmax([result.score for result in results]))
        best[name] = results[place], levels[place]
    return Evaluation(
        {name: result for name, (result, _) in best.items()},
        {name: level for name, (_, level) in best.items()},
        held_out(corpus, np.array(gains)),
    )


def alarm_levels(corpus: Sequence[Series], scores: Sequence[Floats]) -> list[float]:
    """Levels worth trying, ascending; 1 is the ensemble's own."""
    scored = np.concatenate([one[series.probation :] for one, series in zip(scores, corpus, strict=True)])
    levels = np.unique([1.0, *np.quantile(scored, 1 - _SHARES)])
    return [float(level) for level in levels if level > 0]


def halves(corpus: Sequence[Series], splits: int = _SPLITS) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Random halves of the files, of each category alike; each half in turn is the first: (chosen on, scored on)."""
    generator = np.random.default_rng(0)
    categories = np.array([series.name.split("/")[0] for series in corpus])
    pairs = []
    for _ in range(splits):
        first = np.zeros(len(corpus), dtype=np.bool_)
        spare = 0
        for category in np.unique(categories):
            mine = generator.permutation(np.flatnonzero(categories == category))
            half, odd = divmod(len(mine), 2)
            first[mine[: half + (odd and spare)]] = True
            spare ^= odd
        pairs += [(np.flatnonzero(first), np.flatnonzero(~first)), (np.flatnonzero(~first), np.flatnonzero(first))]
    return pairs


def held_out(corpus: Sequence[Series], gains: Floats) -> tuple[float, float]:
    """The standard score of a half of the files, by the candidate that is best on the other half, over several splits:
    (mean, lowest).

    gains: (c, s), what the alarms of each of c candidates gain on each series, see `Scorer.gains`. There is no further
    threshold: it would be chosen on the labels that it is scored by.
    """
    perfect = Scorer(corpus).perfect(PROFILES["standard"])
    scores = []
    for chosen_on, scored_on in halves(corpus):
        best = int(np.argmax(gains[:, chosen_on].sum(axis=1)))
        scores.append(100.0 * gains[best, scored_on].sum() / perfect[scored_on].sum())
    return float(np.mean(scores)), float(np.min(scores))
