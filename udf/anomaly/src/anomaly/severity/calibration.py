"""From a score to its rarity: tail probability, days, severity.

Up to the 99 % quantile of the hold-out's scores, a score's tail probability is the share of them that are as high.
Above, it goes on as a generalized Pareto distribution. Its shape is 0, which is the exponential, unless the scores
beyond that quantile show a heavier tail: the shape is that of their probability-weighted moments where it exceeds 0 by
two standard errors. Beyond a probability that one hold-out in two would show once, nobody knows the shape: with windows
of 10 s and hours of history, once in 100 days is a hundred times rarer than that, and a shape would hide most faults.
So the tail goes on from there as an exponential with the mean excess beyond the quantile.

In exponentials the mean excess is taken two standard errors too large: a day of history knows little of what happens
once in forty days, and a false alarm costs trust. Measured on twelve clean printers, trained on a day each: 0.18
windows a day above severity 70 without that, 0.15 with one standard error, 0.05 with two (0.025 is meant).

Without a shape, forests open too often: their scores are the share of a forest's cuts, and far beyond that a distance,
whose tail is heavy. Trained on three made-up series for 14 days, in 140 days that they had not seen, a daily rhythm and
bursts reached severity 75 6 and 9 times as often as it promises; with a shape 1.4 and 0.5 times.

Severity is on a scale of days, which is one scale for every detector, window and series: clip(50 + 12.5 log10(days), 0,
100), where `days` is how long one series would wait for a score so high. Once a day is 50, once in 10,000 days is 100.

References: peaks over threshold, Pickands, "Statistical Inference Using Extreme Order Statistics", Annals of Statistics
3 (1), 1975; Balkema and de Haan, "Residual Life Time at Great Age", Annals of Probability 2 (5), 1974; Hosking and
Wallis, "Parameter and Quantile Estimation for the Generalized Pareto Distribution", Technometrics 29 (3), 1987.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anomaly.severity.rarity import days
from anomaly.windows.arrays import AnyArray, Floats

_TAIL = 0.01
_TAIL_POINTS = 50
_LARGEST_TAIL = 0.1
_LEVELS = 257
_CAUTION = 2.0
_SMALLEST_EXCESS = 1e-6
_ROUNDING = 1e-9
# A shape is taken where it exceeds 0 by this many standard errors, from this many scores on, and up to this one.
_SIGNIFICANT, _SHAPE_POINTS, _HEAVIEST = 2.0, 30, 0.9


@dataclass(frozen=True)
class Calibration:
    """The tail of a detector's scores.

    Attributes:
        levels: ascending scores, shape (k,), whose tail probabilities fall evenly from 1 to `tail`.
        tail: the tail probability of the last level.
        excess: scale of the scores beyond the last level, in units of the score; with the shape 0 their mean excess.
        count: how many scores it was made from.
        shape: the shape of their distribution; 0 is the exponential, and more is heavier.
    """

    levels: Floats
    tail: float
    excess: float
    count: int
    shape: float = 0.0

    def probability(self, scores: Floats) -> Floats:
        """Compute how likely a score as high is in one window.

        Args:
            scores: shape (n,).

        Returns:
            Probabilities, shape (n,), in (0, 1].
        """
        body = np.interp(scores, self.levels, self._probabilities)
        # Where many scores were equal, all of them are as high as each of them.
        first = np.minimum(np.searchsorted(self.levels, scores), len(self.levels) - 1)
        body = np.where(self.levels[first] == scores, self._probabilities[first], body)
        beyond = np.maximum(scores - self.levels[-1], 0.0)
        # exp(-700) is the smallest power that is not zero.
        return np.where(scores > self.levels[-1], np.exp(-np.minimum(self._rarity(beyond), 700.0)), body)

    def _rarity(self, beyond: Floats) -> Floats:
        """Compute -ln of the probability of scores this far beyond the last level, shape (n,)."""
        rarity = -np.log(self.tail)
        if self.shape == 0.0:
            return np.asarray(rarity + beyond / self.excess)
        near = np.minimum(beyond, self._farthest)
        rarity = rarity + np.log1p(self.shape * near / self.excess) / self.shape
        return np.asarray(rarity + (beyond - near) / self._farthest_excess)

    def _beyond(self, probability: Floats) -> Floats:
        """Find how far beyond the last level probabilities are, shape (n,), which are `tail` at most."""
        if self.shape == 0.0:
            return np.asarray(self.excess * np.log(self.tail / probability))
        known = np.maximum(probability, self._least)
        beyond = self.excess / self.shape * ((self.tail / known) ** self.shape - 1.0)
        return np.asarray(beyond + self._farthest_excess * np.log(known / probability))

    @property
    def _least(self) -> float:
        """The least probability down to which the shape is known."""
        return min(self.tail, 0.5 / self.count)

    @property
    def _farthest(self) -> float:
        """How far beyond the last level the shape is known."""
        return float(self.excess / self.shape * ((self.tail / self._least) ** self.shape - 1.0))

    @property
    def _farthest_excess(self) -> float:
        """The mean excess that is taken beyond that: the one beyond the last level."""
        return self.excess / (1.0 - self.shape) * (1.0 + _CAUTION / float(np.sqrt(self.tail * self.count)))

    def surprise(self, scores: Floats) -> Floats:
        """Compute -ln of the probability of scores, both of shape (n,)."""
        return np.asarray(-np.log(self.probability(scores)))

    def severity(self, scores: Floats, windows_per_day: float) -> Floats:
        """Compute severities.

        Args:
            scores: shape (n,).
            windows_per_day: how many windows a day has, for one series.

        Returns:
            Severities, shape (n,), 0 to 100.
        """
        waited = 1.0 / (self.probability(scores) * windows_per_day)
        return np.asarray(np.minimum(np.maximum(50.0 + 12.5 * np.log10(waited), 0.0), 100.0))

    def score_at(self, severity: float, windows_per_day: float) -> float:
        """Find the score from which on the severity is at least as given, as `scores_at` does those of several."""
        return float(self.scores_at(np.array([severity]), windows_per_day)[0])

    def scores_at(self, severity: Floats, windows_per_day: float) -> Floats:
        """Find the scores from which on severities are at least as given.

        Args:
            severity: 0 to 100, shape (n,).
            windows_per_day: how many windows a day has, for one series.

        Returns:
            The scores, shape (n,).
        """
        probability = 1.0 / (windows_per_day * days(severity))
        scores = np.interp(-probability, -self._probabilities, self.levels)
        # A score that many windows had is likelier than wanted; the least one beyond it is not.
        is_too_likely = self.probability(scores) > probability * (1.0 + _ROUNDING)
        scores = np.where(is_too_likely, np.nextafter(scores, np.inf), scores)
        beyond = self.levels[-1] + self._beyond(np.minimum(probability, self.tail))
        return np.where(probability < self.tail, beyond, scores)

    @cached_property
    def _probabilities(self) -> Floats:
        return np.linspace(1.0, self.tail, len(self.levels))

    def arrays(self, prefix: str = "calibration_") -> dict[str, AnyArray]:
        """Return the calibration as arrays whose names have a prefix, for the model's file."""
        return {
            f"{prefix}levels": self.levels,
            f"{prefix}tail": np.array([self.tail, self.excess, self.count, self.shape]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray], prefix: str = "calibration_") -> "Calibration":
        """Make a calibration from the arrays of an equal one.

        Args:
            arrays: what `arrays` returned, and perhaps others.
            prefix: of their names.

        Returns:
            The calibration.

        Raises:
            KeyError: an array is missing.
        """
        # Models of a release before know no shape.
        tail, excess, count, *shape = (float(value) for value in arrays[f"{prefix}tail"])
        return cls(np.asarray(arrays[f"{prefix}levels"], dtype=np.float64), tail, excess, int(count), *shape)


def calibrate(scores: Floats, *, robust: bool = False) -> Calibration:
    """Make a calibration from the scores of a hold-out.

    Args:
        scores: scores of windows that the detector was not trained on, shape (n,).
        robust: whether to take the excess by its median, for scores of which some may be anomalous.

    Returns:
        The calibration.

    Raises:
        ValueError: there are no scores.
    """
    if len(scores) == 0:
        raise ValueError("no scores to calibrate with")
    tail = min(_LARGEST_TAIL, max(_TAIL, _TAIL_POINTS / len(scores)))
    levels = np.quantile(scores, 1.0 - np.linspace(1.0, tail, _LEVELS)).astype(np.float64)
    excess, shape = _tail_of(scores[scores > levels[-1]] - levels[-1], robust=robust)
    excess = max(excess, _SMALLEST_EXCESS * max(1.0, abs(float(levels[-1]))))
    return Calibration(levels, tail, excess, len(scores), shape)


def _tail_of(beyond: Floats, *, robust: bool) -> tuple[float, float]:
    """Return the scale and the shape of the tail.

    Args:
        beyond: how far scores are beyond the last level, shape (m,).
        robust: as for `calibrate`.
    """
    count = len(beyond)
    if count == 0:
        return 0.0, 0.0
    if robust:
        return float(np.median(beyond)) / float(np.log(2.0)) * (1.0 + _CAUTION / np.sqrt(count)), 0.0
    mean = float(beyond.mean())
    if count >= _SHAPE_POINTS:
        # The mean of the lesser of two scores: half the mean if the tail is exponential.
        weights = np.arange(count - 1, -1, -1) / (count - 1)
        lesser = 2.0 * float((np.sort(beyond) * weights).mean())
        # Rounding cannot make the heaviest tails divide by zero.
        shape = min(2.0 - mean / max(mean - lesser, 1e-12 * mean), _HEAVIEST)
        if shape > _SIGNIFICANT / np.sqrt(count):
            return mean * (1.0 - shape), shape
    return mean * (1.0 + _CAUTION / np.sqrt(count)), 0.0
