"""From a score to its rarity: tail probability, days, severity.

Up to the 99 % quantile of the hold-out's scores, a score's tail probability is the share of them that are as high.
Above, it goes on as an exponential with their mean excess. Where does that tail begin? A forest's score is the share of
its cuts, and far beyond that a distance. What lies beyond the 99 % quantile is mostly cuts, and what comes once in
forty days is distance. So a tail begins there, and another one wherever half as many scores are left, down to ten of
them. The tail with the largest probability of a score counts.

The mean excess is taken two standard errors too large: a day of history knows little of what happens once in forty
days, and a false alarm costs trust. Measured on twelve clean printers, trained on a day each: 0.18 windows a day above
severity 70 without that, 0.15 with one standard error, 0.05 with two (0.025 is meant).

Later tails count down to the probability that one hold-out in two would show once. Beyond it the first tail's mean
excess goes on: with windows of 10 s and a day of history of two printers, once in 100 days is 25 times rarer than
that, and ten scores would decide it. On these printers, 82 % to 87 % of planted offsets were found with later tails
throughout, and 88 % to 92 % with later tails that end there.

Severity is on a scale of days, which is one scale for every detector, window and series: clip(50 + 12.5 log10(days), 0,
100), where `days` is how long one series would wait for a score so high. Once a day is 50, once in 10,000 days is 100.

References: peaks over threshold, Pickands, "Statistical Inference Using Extreme Order Statistics", Annals of Statistics
3 (1), 1975; Balkema and de Haan, "Residual Life Time at Great Age", Annals of Probability 2 (5), 1974.
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
# A tail has at least this many scores, unless there are fewer.
_LEAST_POINTS = 10
# Later tails count down to what comes once in this many times the hold-out.
_TIMES = 2.0
_SMALLEST_EXCESS = 1e-6
_ROUNDING = 1e-9
# A curve in a model of a release before becomes this many lines.
_CURVE_LINES = 128


@dataclass(frozen=True)
class Calibration:
    """The tail of a detector's scores.

    Attributes:
        levels: ascending scores, shape (k,), whose tail probabilities fall evenly from 1 to `tail`.
        tail: the tail probability of the last level.
        corners: the corners of the line from the last level on that has -ln of the probability by the score: their
            scores, ascending, and these surprises, shape (2, c).
        excess: by how much a score has to rise beyond the last corner until it is e times rarer.
        count: how many scores it was made from.
    """

    levels: Floats
    tail: float
    corners: Floats
    excess: float
    count: int

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
        places, surprises = self.corners
        rarity = np.interp(scores, places, surprises) + np.maximum(scores - places[-1], 0.0) / self.excess
        # exp(-700) is the smallest power that is not zero.
        return np.where(scores > self.levels[-1], np.exp(-np.minimum(rarity, 700.0)), body)

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
        places, surprises = self.corners
        surprise = -np.log(np.minimum(probability, self.tail))
        beyond = np.interp(surprise, surprises, places) + np.maximum(surprise - surprises[-1], 0.0) * self.excess
        return np.where(probability < self.tail, beyond, scores)

    @cached_property
    def _probabilities(self) -> Floats:
        return np.linspace(1.0, self.tail, len(self.levels))

    def arrays(self, prefix: str = "calibration_") -> dict[str, AnyArray]:
        """Return the calibration as arrays whose names have a prefix, for the model's file."""
        return {
            f"{prefix}levels": self.levels,
            f"{prefix}tail": np.array([self.tail, self.excess, self.count]),
            f"{prefix}corners": self.corners,
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
        levels = np.asarray(arrays[f"{prefix}levels"], dtype=np.float64)
        tail, excess, count, *shape = (float(value) for value in arrays[f"{prefix}tail"])
        if f"{prefix}corners" in arrays:
            corners = np.asarray(arrays[f"{prefix}corners"], dtype=np.float64)
        else:
            corners, excess = _corners_of_shape(float(levels[-1]), tail, excess, count, *shape)
        return cls(levels, tail, corners, excess, int(count))


def calibrate(scores: Floats, *, robust: bool = False, far: bool = False) -> Calibration:
    """Make a calibration from the scores of a hold-out.

    Args:
        scores: scores of windows that the detector was not trained on, shape (n,).
        robust: whether to take the excess by its median, for scores of which some may be anomalous.
        far: whether later tails count however far out, for the comparison of detectors.

    Returns:
        The calibration.

    Raises:
        ValueError: there are no scores.
    """
    if len(scores) == 0:
        raise ValueError("no scores to calibrate with")
    tail = min(_LARGEST_TAIL, max(_TAIL, _TAIL_POINTS / len(scores)))
    levels = np.quantile(scores, 1.0 - np.linspace(1.0, tail, _LEVELS)).astype(np.float64)
    begins, surprises, excesses = _tails(scores, float(levels[-1]), tail, robust=robust)
    known = float(np.inf if far else max(-np.log(tail), np.log(_TIMES * len(scores))))
    excess = float(excesses.max() if far else excesses[0])
    return Calibration(levels, tail, _corners(begins, surprises, excesses, known), excess, len(scores))


def _tails(scores: Floats, level: float, tail: float, *, robust: bool) -> tuple[Floats, Floats, Floats]:
    """Return where m exponential tails begin, their surprises there, and their mean excesses, shape (m,) each.

    Args:
        scores: all scores, shape (n,).
        level: where the first tail begins.
        tail: its probability.
        robust: as for `calibrate`.
    """
    beyond = np.sort(scores[scores > level])
    least = _SMALLEST_EXCESS * max(1.0, abs(level))
    if robust and len(beyond):
        mean = float(np.median(beyond) - level) / float(np.log(2.0))
        return np.array([level]), np.array([-np.log(tail)]), np.array([_careful(mean, len(beyond), least)])
    begins, surprises, excesses = [level], [-float(np.log(tail))], []
    while True:
        count = len(beyond)
        mean = float(beyond.mean()) - begins[-1] if count else 0.0
        excesses.append(_careful(mean, count, least))
        if count < 2 * _LEAST_POINTS:
            return np.array(begins), np.array(surprises), np.array(excesses)
        begin = float(beyond[-(count // 2) - 1])
        # Equal scores are all as high as each of them.
        surprises.append(float(np.log(len(scores) / ((beyond >= begin).sum() - 1))))
        begins.append(begin)
        beyond = beyond[-(count // 2) :]


def _careful(mean: float, count: int, least: float) -> float:
    """Return a mean excess of some scores that is two standard errors too large, and at least as large as given."""
    return max(mean * (1.0 + _CAUTION / float(np.sqrt(max(count, 1)))), least)


def _corners(begins: Floats, surprises: Floats, excesses: Floats, known: float) -> Floats:
    """Return the corners of the least surprise that exponential tails have for a score, shape (2, c).

    Before it begins, a tail says no more than that a score is likelier than where it begins.

    Args:
        begins: where the tails begin, ascending, shape (m,).
        surprises: their surprises there, shape (m,).
        excesses: their mean excesses, shape (m,).
        known: the surprise at which the last corner is.
    """
    # Tail i is at the score zeros[i] + surprise * excesses[i].
    zeros = begins - surprises * excesses
    at_begins = zeros[:, None] + surprises * excesses[:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        crossing = (zeros - zeros[:, None]) / (excesses[:, None] - excesses)
        crossings = zeros[:, None] + crossing * excesses[:, None]
    places = np.concatenate([begins, at_begins.ravel(), crossings[np.isfinite(crossings)]])
    places = np.unique(places[places >= begins[0]])
    least = (surprises + np.maximum(places[:, None] - begins, 0.0) / excesses).min(axis=1)
    corners = np.stack([places, least])[:, least < known]
    if np.isinf(known):
        return corners
    return np.append(corners, [[(zeros + known * excesses).max()], [known]], axis=1)


def _corners_of_shape(
    level: float, tail: float, excess: float, count: float, shape: float = 0.0
) -> tuple[Floats, float]:
    """Return corners and last excess of a tail in a model of a release before: an exponential, or one with a shape.

    Args:
        level: the last level.
        tail: the tail probability of the last level.
        excess: the scale of the scores beyond it.
        count: how many scores the tail was made from.
        shape: of a generalized Pareto distribution down to a probability that one hold-out in two shows once.
    """
    begin = -float(np.log(tail))
    if shape == 0.0:
        return np.array([[level], [begin]]), excess
    surprises = np.linspace(begin, -float(np.log(min(tail, 0.5 / count))), _CURVE_LINES + 1)
    places = level + excess / shape * np.expm1(shape * (surprises - begin))
    return np.stack([places, surprises]), excess / (1.0 - shape) * (1.0 + _CAUTION / float(np.sqrt(tail * count)))
