"""From a score to its rarity: tail probability, days, severity.

Up to the 99 % quantile of the hold-out's scores, a score's tail probability is the share of them that are as high.
Above, it goes on as an exponential with the mean excess of the scores beyond that quantile. The mean excess is taken
two standard errors too large: a day of history knows little of what happens once in forty days, and a false alarm costs
trust. Measured on twelve clean printers, trained on a day each: 0.18 windows a day above severity 70 without that, 0.15
with one standard error, 0.05 with two (0.025 is meant). A free shape was measured, too: on a day of windows its error
moves the threshold by a factor of two.

Severity is on a scale of days, which is one scale for every detector, window and series: clip(50 + 12.5 log10(days), 0,
100), where `days` is how long one series would wait for a score so high. Once a day is 50, once in 10,000 days is 100.

References: peaks over threshold, Pickands, "Statistical Inference Using Extreme Order Statistics", Annals of Statistics
3 (1), 1975; Balkema and de Haan, "Residual Life Time at Great Age", Annals of Probability 2 (5), 1974. The exponential
is the generalized Pareto distribution of shape 0.
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


@dataclass(frozen=True)
class Calibration:
    """The tail of a detector's scores.

    Attributes:
        levels: ascending scores, shape (k,), whose tail probabilities fall evenly from 1 to `tail`.
        tail: the tail probability of the last level.
        excess: mean excess of the scores beyond the last level, in units of the score.
        count: how many scores it was made from.
    """

    levels: Floats
    tail: float
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
        # exp(-700) is the smallest power that is not zero.
        beyond = np.minimum(np.maximum((scores - self.levels[-1]) / self.excess, 0.0), 700.0)
        return np.where(scores > self.levels[-1], self.tail * np.exp(-beyond), body)

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
        """Find the score from which on the severity is at least as given.

        Args:
            severity: 0 to 100.
            windows_per_day: how many windows a day has, for one series.

        Returns:
            The score.
        """
        probability = 1.0 / (windows_per_day * days(severity))
        if probability < self.tail:
            return float(self.levels[-1] + self.excess * np.log(self.tail / probability))
        return float(np.interp(-probability, -self._probabilities, self.levels))

    @cached_property
    def _probabilities(self) -> Floats:
        return np.linspace(1.0, self.tail, len(self.levels))

    def arrays(self) -> dict[str, AnyArray]:
        """Return the calibration as arrays, for the model's file."""
        return {
            "calibration_levels": self.levels,
            "calibration_tail": np.array([self.tail, self.excess, self.count]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Calibration":
        """Make a calibration from the arrays of an equal one.

        Args:
            arrays: what `arrays` returned, and perhaps others.

        Returns:
            The calibration.

        Raises:
            KeyError: an array is missing.
        """
        tail, excess, count = (float(value) for value in arrays["calibration_tail"])
        return cls(np.asarray(arrays["calibration_levels"], dtype=np.float64), tail, excess, int(count))


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
    beyond = scores[scores > levels[-1]] - levels[-1]
    excess = 0.0
    if len(beyond):
        mean = float(np.median(beyond)) / np.log(2.0) if robust else float(beyond.mean())
        excess = mean * (1.0 + _CAUTION / np.sqrt(len(beyond)))
    return Calibration(levels, tail, max(excess, _SMALLEST_EXCESS * max(1.0, abs(float(levels[-1])))), len(scores))
