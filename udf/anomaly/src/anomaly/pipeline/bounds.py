"""Bounds of a field's values: `[low, high]`, of which one side may be open."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values from `low` to `high`, both included.

    Attributes:
        low: the least value; -inf for none.
        high: the greatest value; inf for none.
    """

    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def of(cls, entry: Sequence[float | None]) -> "Bounds":
        """Return the bounds that an entry of a pipeline means, as `entry` returns it.

        Raises:
            TypeError: the entry or one of its sides has another type.
            ValueError: the entry has not two sides.
        """
        low, high = entry
        return cls(-math.inf if low is None else float(low), math.inf if high is None else float(high))

    def entry(self) -> list[float | None]:
        """Return the entry of a pipeline that means these bounds."""
        return [None if math.isinf(side) else side for side in (self.low, self.high)]

    def __str__(self) -> str:
        """Return the bounds for people."""
        if math.isinf(self.low):
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if math.isinf(self.high) else f"{self.low:g} to {self.high:g}"
