"""NAB's scoring: what a detection is worth, by where it falls.

This is an implementation of our own.

- A detection inside of a labelled window is worth scaled(y) / scaled(-1), where y runs from -1 at the window's begin to
  0 at its end and scaled(y) = 2 / (1 + exp(5 y)) - 1. Only the most valuable detection of a window counts.
- A window without one costs `miss`.
- Each detection outside costs `false` times scaled(y), y being the distance to the window before in lengths of that
  window; all of it where there is none, or where it is three lengths away.
- Detections in the probationary period count for nothing.

A detection is a score that reaches a threshold, one for the whole corpus: the one with the best sum, which is how NAB
reports. The sum is normalized: detecting nothing gets 0, and detecting each window at its begin and nothing else gets
100.

References: Lavin and Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms", ICMLA 2015; and numenta/NAB,
nab/sweeper.py, for what the paper leaves open.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Floats
from bench.nab.corpus import Series

_OUTSIDE = -1
_FAR = 3.0


@dataclass(frozen=True)
class Profile:
    """What mistakes cost, in units of a window that is detected at its begin.

    Attributes:
        false: cost of a false detection.
        miss: cost of a missed window.
    """

    false: float
    miss: float


# Source: numenta/NAB, config/profiles.json.
PROFILES = {
    "standard": Profile(0.11, 1.0),
    "reward_low_FP_rate": Profile(0.22, 1.0),
    "reward_low_FN_rate": Profile(0.11, 2.0),
}


@dataclass(frozen=True)
class CorpusScore:
    """A score of the whole corpus.

    Attributes:
        score: the normalized score.
        threshold: the threshold at which it is reached; infinite where detecting nothing is best.
        found: how many labelled windows have a detection.
        false: how many detections are outside of windows.
    """

    score: float
    threshold: float
    found: int
    false: int


@dataclass(frozen=True)
class _Worth:
    """What detections at the n scored points of one series are worth.

    Attributes:
        window: index of the labelled window that a point is in, or `_OUTSIDE`, shape (n,).
        worth: what a detection is worth before weighting, shape (n,).
    """

    window: NDArray[np.intp]
    worth: Floats


class CorpusScorer:
    """Scores detectors on some series: the whole corpus, or a part of it.

    Attributes:
        corpus: the s series.
        windows: how many labelled windows they have.
    """

    def __init__(self, corpus: Sequence[Series]) -> None:
        self.corpus = list(corpus)
        self._parts = [_worth(series) for series in self.corpus]
        starts = np.cumsum([0] + [len(series.windows) for series in self.corpus])
        self.windows = int(starts[-1])
        self._window = np.concatenate(
            [
                np.where(part.window == _OUTSIDE, _OUTSIDE, part.window + start)
                for part, start in zip(self._parts, starts, strict=False)
            ]
        )
        self._worth = np.concatenate([part.worth for part in self._parts])
        # A window in the probationary period can neither be found nor missed, yet the perfect detector has it.
        self._scored_windows = len(np.unique(self._window[self._window != _OUTSIDE]))

    def best(self, scores: Sequence[Floats], profile: Profile) -> CorpusScore:
        """Score at the best threshold.

        Args:
            scores: a detector's scores of each series, shape (n,) each.
            profile: what mistakes cost.

        Returns:
            The best result.
        """
        thresholds, totals, found, false = self._sweep(scores, profile)
        best = int(totals.argmax())
        return CorpusScore(
            self._normalized(totals[best], profile), thresholds[best], int(found[best]), int(false[best])
        )

    def at(self, scores: Sequence[Floats], threshold: float, profile: Profile) -> CorpusScore:
        """Score at a given threshold.

        Args:
            scores: a detector's scores of each series, shape (n,) each.
            threshold: the score from which on a point is detected.
            profile: what mistakes cost.

        Returns:
            The result.
        """
        thresholds, totals, found, false = self._sweep(scores, profile)
        # Thresholds descend: take the last one that is not below the given one.
        row = int(np.searchsorted(-thresholds, -threshold, side="right")) - 1
        return CorpusScore(self._normalized(totals[row], profile), threshold, int(found[row]), int(false[row]))

    def gains(self, scores: Sequence[Floats], profile: Profile) -> Floats:
        """Compute what detections gain over detecting nothing.

        The score of some series is 100 times the ratio of the sum of their gains to the sum of `perfect`.

        Args:
            scores: scores of each series, shape (n,) each; every positive one is a detection.
            profile: what mistakes cost.

        Returns:
            Gains, shape (s,).
        """
        gains = np.zeros(len(self.corpus))
        for row, (part, series, score) in enumerate(zip(self._parts, self.corpus, scores, strict=True)):
            detected = score[series.probation :] > 0
            window, worth = part.window[detected], part.worth[detected]
            outside = window == _OUTSIDE
            best = np.full(len(series.windows), -profile.miss)
            np.maximum.at(best, window[~outside], worth[~outside])
            gains[row] = profile.false * worth[outside].sum() + (best + profile.miss).sum()
        return gains

    def perfect(self, profile: Profile) -> Floats:
        """Compute what the perfect detector gains on each series, shape (s,)."""
        return np.array(
            [
                len(series.windows) + profile.miss * len(np.unique(part.window[part.window != _OUTSIDE]))
                for part, series in zip(self._parts, self.corpus, strict=True)
            ]
        )

    def _sweep(
        self, scores: Sequence[Floats], profile: Profile
    ) -> tuple[Floats, Floats, NDArray[np.intp], NDArray[np.intp]]:
        """Return descending thresholds from infinity on; and at each the sum, windows found, and false detections."""
        score = np.concatenate([one[series.probation :] for one, series in zip(scores, self.corpus, strict=True)])
        order = np.argsort(-score, kind="stable")
        score, window, worth = score[order], self._window[order], self._worth[order]
        outside = window == _OUTSIDE
        gain = np.where(outside, worth * profile.false, 0.0)
        first = np.zeros(len(score), dtype=np.intp)
        # A window is worth its best detection so far: a detection that is better than those before adds the difference.
        by_window = np.argsort(window, kind="stable")
        by_window = by_window[np.searchsorted(window[by_window], 0) :]
        bounds = np.flatnonzero(np.diff(window[by_window])) + 1
        for detections in np.split(by_window, bounds) if len(by_window) else []:
            best = np.maximum.accumulate(worth[detections])
            gain[detections] = np.diff(best, prepend=-profile.miss)
            first[detections[0]] = 1
        last = np.flatnonzero(np.diff(score, append=-np.inf))
        nothing = -profile.miss * self._scored_windows
        return (
            np.concatenate([[np.inf], score[last]]),
            nothing + np.concatenate([[0.0], np.cumsum(gain)[last]]),
            np.concatenate([[0], np.cumsum(first)[last]]),
            np.concatenate([[0], np.cumsum(outside)[last]]),
        )

    def _normalized(self, total: float, profile: Profile) -> float:
        nothing = -profile.miss * self._scored_windows
        return float(100.0 * (total - nothing) / (self.windows - nothing))

    @property
    def points(self) -> int:
        """How many points are scored."""
        return len(self._worth)


def _worth(series: Series) -> _Worth:
    n = len(series)
    window = np.full(n, _OUTSIDE, dtype=np.intp)
    worth = np.full(n, -1.0)
    index = np.arange(n)
    for number, (first, last) in enumerate(series.windows):
        length = last - first + 1
        inside = slice(first, last + 1)
        window[inside] = number
        worth[inside] = _scaled(-(last - index[inside] + 1) / length) / _scaled(np.array(-1.0))
        after = index[last + 1 :]
        distance = (after - last) / (length - 1)
        worth[last + 1 :] = np.where(distance > _FAR, -1.0, _scaled(np.minimum(distance, _FAR)))
    return _Worth(window[series.probation :], worth[series.probation :])


def _scaled(position: Floats) -> Floats:
    return np.asarray(2.0 / (1.0 + np.exp(5.0 * position)) - 1.0)
