"""From scores of the whole corpus to the figures of one row.

The figures are those at the best alarm level, and those at the level that the other half of the files would have
chosen. NAB has no periods, so coverage is the share of the labelled points whose score reaches the standard profile's
best level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Floats
from bench.nab.alarms import Policy
from bench.nab.corpus import Series
from bench.nab.scoring import PROFILES, CorpusScore, CorpusScorer

# The alarm levels that are tried are the scores that these shares of all points reach.
_SHARES = np.geomspace(0.0003, 0.05, 40)
_SPLITS = 10


@dataclass(frozen=True)
class DetectorFigures:
    """The figures of one detector.

    Attributes:
        results: results by profile, each at its best level.
        levels: these levels by profile.
        held_out: the standard score at the level that the other half of the files chose, (mean, lowest).
        coverage: the share of the labelled points after probation whose score reaches the standard profile's level.
    """

    results: dict[str, CorpusScore]
    levels: dict[str, float]
    held_out: tuple[float, float]
    coverage: float


def evaluate(corpus: Sequence[Series], scores: Sequence[Floats], policy: Policy) -> DetectorFigures:
    """Compute the figures of one detector.

    Args:
        corpus: all series.
        scores: the detector's scores of each series, shape (n,) each.
        policy: how scores become alarms.

    Returns:
        The figures.
    """
    levels = alarm_levels(corpus, scores)
    emitted = [[policy.emitted(one, level) for one in scores] for level in levels]
    scorer = CorpusScorer(corpus)
    gains = [scorer.gains(each, PROFILES["standard"]) for each in emitted]
    best = {}
    for name, profile in PROFILES.items():
        results = [scorer.best(each, profile) for each in emitted]
        place = int(np.argmax([result.score for result in results]))
        best[name] = results[place], levels[place]
    return DetectorFigures(
        {name: result for name, (result, _) in best.items()},
        {name: level for name, (_, level) in best.items()},
        held_out(corpus, np.array(gains)),
        coverage(corpus, scores, best["standard"][1]),
    )


def coverage(corpus: Sequence[Series], scores: Sequence[Floats], level: float) -> float:
    """Compute how much of the labelled anomalies a detector's scores cover, without hold-off and fatigue.

    Args:
        corpus: all series.
        scores: the detector's scores of each series, shape (n,) each.
        level: the score from which on a point is covered.

    Returns:
        The share of the labelled points after the probationary periods; 0 where there are none.
    """
    labelled = [
        one[series.probation :][series.labels[series.probation :] == 1]
        for one, series in zip(scores, corpus, strict=True)
    ]
    points = np.concatenate(labelled)
    return float((points >= level).mean()) if len(points) else 0.0


def alarm_levels(corpus: Sequence[Series], scores: Sequence[Floats]) -> list[float]:
    """Choose the alarm levels to try.

    Args:
        corpus: all series.
        scores: a detector's scores of each series, shape (n,) each.

    Returns:
        Levels, ascending; 1, at which the ensemble says "anomalous", is one of them.
    """
    scored = np.concatenate([one[series.probation :] for one, series in zip(scores, corpus, strict=True)])
    levels = np.unique([1.0, *np.quantile(scored, 1 - _SHARES)])
    return [float(level) for level in levels if level > 0]


def halves(corpus: Sequence[Series], splits: int = _SPLITS) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Halve the files at random, each category alike.

    Args:
        corpus: all series.
        splits: how many times.

    Returns:
        Indexes of the files that a candidate is chosen on, and of those that it is scored on; both ways for each split.
    """
    generator = np.random.default_rng(0)
    categories = np.array([series.name.split("/")[0] for series in corpus])
    pairs = []
    for _ in range(splits):
        first = np.zeros(len(corpus), dtype=np.bool_)
        spare = 0
        for category in np.unique(categories):
            files = generator.permutation(np.flatnonzero(categories == category))
            half, odd = divmod(len(files), 2)
            first[files[: half + (odd and spare)]] = True
            spare ^= odd
        pairs += [(np.flatnonzero(first), np.flatnonzero(~first)), (np.flatnonzero(~first), np.flatnonzero(first))]
    return pairs


def held_out(corpus: Sequence[Series], gains: Floats) -> tuple[float, float]:
    """Score each half of the files by the candidate that is best on the other half, over several splits.

    There is no further threshold: it would be chosen on the labels that it is scored by.

    Args:
        corpus: s series.
        gains: what the alarms of each of c candidates gain on each series (`CorpusScorer.gains`), shape (c, s).

    Returns:
        The standard score: its mean and its lowest value.
    """
    perfect = CorpusScorer(corpus).perfect(PROFILES["standard"])
    scores = []
    for chosen_on, scored_on in halves(corpus):
        best = int(np.argmax(gains[:, chosen_on].sum(axis=1)))
        scores.append(100.0 * gains[best, scored_on].sum() / perfect[scored_on].sum())
    return float(np.mean(scores)), float(np.min(scores))
