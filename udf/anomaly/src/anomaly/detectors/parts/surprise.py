"""How rare a number is among those before it: -ln of its tail probability, learnt as it goes.

Up to the 98 % quantile u of the past, the probability is the share of numbers at least as great. Beyond u it goes on as
an exponential with the mean excess of the numbers beyond u. The past is kept as counts in cells that grow with the
number, so that memory does not grow with time. The surprise of the first `WARM_UP` numbers is 0.

Reference: peaks over threshold, Pickands, "Statistical Inference Using Extreme Order Statistics", Annals of Statistics
3 (1), 1975; the exponential is the generalized Pareto distribution of shape 0.
"""

import math
from typing import Any

WARM_UP = 100
# After this many numbers the tail is fitted anew.
_EVERY = 100
_TAIL = 0.02
# Cell i > 0 holds numbers in _SMALLEST * _RATIO ** [i - 1, i); cell 0 holds all below, and the last all above.
_SMALLEST = 1e-6
_RATIO = 1.02
_CELLS = 1_400
_LARGEST = _SMALLEST * _RATIO ** (_CELLS - 1)
_PER_CELL = 1.0 / math.log(_RATIO)
# After this many numbers the past counts half.
_MOST_COUNTED = 100_000
_SMALLEST_EXCESS = 1e-3


class Surprise:
    """The past of one number that is not negative, and the rarer the greater it is.

    Args:
        most_excess: once u is known, a number joins the past as at most this many mean excesses beyond u.
    """

    __slots__ = ("_body", "_counts", "_excess", "_fitted", "_most_cell", "_most_excess", "_total", "_u")

    def __init__(self, most_excess: float = math.inf) -> None:
        self._most_excess = most_excess
        self._counts: dict[int, int] = {}
        self._total = 0
        self._fitted: dict[int, int] = {}
        self._u = 0.0
        self._excess = 1.0
        self._body: list[float] = []
        self._most_cell = _CELLS

    def feed(self, number: float) -> float:
        """Take the next number, which then belongs to the past.

        Args:
            number: 0 or greater.

        Returns:
            Its surprise, 0 or greater.
        """
        cell = _cell(number)
        surprise = 0.0
        if self._body:
            if number > self._u:
                surprise = -math.log(_TAIL) + (number - self._u) / self._excess
            else:
                surprise = self._body[min(cell, len(self._body) - 1)]
        cell = min(cell, self._most_cell)
        self._counts[cell] = self._counts.get(cell, 0) + 1
        self._total += 1
        if self._total % _EVERY == 0 and self._total >= WARM_UP:
            if self._total >= _MOST_COUNTED:
                self._counts = {cell: count // 2 for cell, count in self._counts.items() if count > 1}
                self._total = sum(self._counts.values())
            self._fit(dict(self._counts))
        return surprise

    def _fit(self, counts: dict[int, int]) -> None:
        self._fitted = counts
        total = sum(counts.values())
        cells = sorted(counts)
        body: list[float] = []
        above, at_least = total, 0
        for cell in cells:
            # The probability of a number at least as great; it holds for the empty cells below, too.
            body += [-math.log(max(above / total, _TAIL))] * (cell + 1 - len(body))
            above -= counts[cell]
            at_least = cell
            if above < _TAIL * total:
                break
        self._u = _upper_edge(at_least)
        beyond = [(cell, counts[cell]) for cell in cells if cell > at_least]
        number = sum(count for _, count in beyond)
        excess = sum((_middle(cell) - self._u) * count for cell, count in beyond) / number if number else 0.0
        self._excess = max(excess, _SMALLEST_EXCESS * self._u)
        self._body = body
        self._most_cell = _cell(self._u + self._most_excess * self._excess)

    def state(self) -> Any:
        """Return the past, for JSON."""
        return [self._total, sorted(self._counts.items()), sorted(self._fitted.items())]

    @classmethod
    def from_state(cls, state: Any, most_excess: float = math.inf) -> "Surprise":
        """Make the past of a former `state`.

        Args:
            state: what `state` returned.
            most_excess: as at first.

        Returns:
            The past.

        Raises:
            TypeError: the state is of another form.
            ValueError: the state is of another form.
        """
        surprise = cls(most_excess)
        total, counts, fitted = state
        surprise._total = int(total)
        surprise._counts = {int(cell): int(count) for cell, count in counts}
        if fitted:
            surprise._fit({int(cell): int(count) for cell, count in fitted})
        return surprise


def _cell(number: float) -> int:
    if number < _SMALLEST:
        return 0
    if number >= _LARGEST:
        return _CELLS
    return 1 + int(math.log(number / _SMALLEST) * _PER_CELL)


def _upper_edge(cell: int) -> float:
    return float(_SMALLEST * _RATIO**cell)


def _middle(cell: int) -> float:
    return float(_SMALLEST * _RATIO ** (cell - 0.5))
