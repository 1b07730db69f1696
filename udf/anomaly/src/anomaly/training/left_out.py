"""Tells people which windows of a history training leaves out, and why.

Such windows are scored all the same, by what they have. But a model that has not seen a good part of the history knows
less of it, and nobody would look for that in a count.
"""

from dataclasses import dataclass

from anomaly.pipeline import Pipeline
from anomaly.windows.unscored import advice

# From this share on, people are told at the end of the training, too.
_TOLD_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many windows are left out, by reason.

    Attributes:
        single: those with a field of one point, which has no spread.
        lacking: those that lack a field otherwise.
        cut_off: those with less than half of the usual points of a field.
    """

    single: int
    lacking: int
    cut_off: int

    @property
    def total(self) -> int:
        """The number of all of them."""
        return self.single + self.lacking + self.cut_off

    def __str__(self) -> str:
        """Return the reasons for people; empty if nothing is left out."""
        reasons = (
            (self.single, "with one point of a field, which has no spread"),
            (self.lacking, "without a field"),
            (self.cut_off, "with less than half of the usual points"),
        )
        return ", ".join(f"{number} {why}" for number, why in reasons if number)

    def note(self, pipeline: Pipeline, windows: int) -> str:
        """Return what people should know of it; empty where few are left out.

        Args:
            pipeline: the pipeline.
            windows: how many windows the history has.
        """
        if self.total < _TOLD_SHARE * windows:
            return ""
        fix = f": {advice(pipeline)}" if self.single else ""
        return f"{self.total / windows:.0%} of the windows are not trained on: {self}{fix}"
