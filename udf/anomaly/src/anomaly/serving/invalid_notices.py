"""Values that are invalid, told once for each series when they last, and not for each point.

A series has them where a point's value is beyond the field's `valid`. A notice opens when each of some windows in a row
has such a value, and closes when as many windows have passed without one. Single ones are counted and told to nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.scoring.notices import INVALID, Notice
from anomaly.windows.arrays import Key, Times
from anomaly.windows.cut import cut_of
from anomaly.windows.validity import Validity

# This many windows in a row make a notice, or end it.
LASTING_WINDOWS = 3


@dataclass(slots=True)
class _Broken:
    """The values of a series that are invalid, as far as they are one event.

    Attributes:
        begin_ns: the begin of the first window that has one.
        last_ns: the begin of the newest such window.
        windows: how many windows in a row have one.
        points: how many points have one.
        examples: the newest of each source field, by the field's place.
        text: what people read; empty before the notice opens.
    """

    begin_ns: int
    last_ns: int
    windows: int = 0
    points: int = 0
    examples: dict[int, float] = field(default_factory=dict)
    text: str = ""


class InvalidNotices:
    """The notices of the kind `invalid` of a pipeline's series.

    Args:
        pipeline: the pipeline.
        validity: knows the valid values.
    """

    def __init__(self, pipeline: Pipeline, validity: Validity) -> None:
        self._cut = cut_of(pipeline)
        self._validity = validity
        self._series: dict[Key, _Broken] = {}

    def take(self, key: Key, times: Times, examples: Mapping[int, float]) -> Notice | None:
        """Take points with values that are invalid into account.

        Args:
            key: the series.
            times: the times of these points, shape (n,).
            examples: such a value of each field that has any, by the source field's place.

        Returns:
            The notice that they open; None if it is open, or it is too early to tell.
        """
        begins = np.unique(self._cut.begin(times)).tolist()
        series = self._series.setdefault(key, _Broken(begins[0], self._cut.step(begins[0], -1)))
        for begin_ns in begins:
            if begin_ns <= series.last_ns:
                continue
            if not series.text and begin_ns > self._cut.after(series.last_ns):
                series.begin_ns, series.windows, series.points, series.examples = begin_ns, 0, 0, {}
            series.windows += 1
            series.last_ns = begin_ns
        series.points += len(times)
        series.examples.update(examples)
        if series.text or series.windows < LASTING_WINDOWS:
            return None
        series.text = self._validity.described(key, series.examples)
        return self._notice(series, "open")

    def pass_by(self, key: Key, time_ns: int) -> Notice | None:
        """Take into account that a series has a point of a time; return the notice that closes."""
        series = self._series.get(key)
        if series is None or time_ns < self._cut.step(series.last_ns, LASTING_WINDOWS + 1):
            return None
        del self._series[key]
        return self._notice(series, "closed") if series.text else None

    def __len__(self) -> int:
        return len(self._series)

    def _notice(self, series: _Broken, state: str) -> Notice:
        return Notice(INVALID, series.begin_ns, self._cut.after(series.last_ns), state, series.text, series.points)

    def forget(self, key: Key) -> Notice | None:
        """Forget a series; return its open notice, which closes."""
        series = self._series.pop(key, None)
        return self._notice(series, "closed") if series is not None and series.text else None

    def state(self) -> list[list[Any]]:
        """Return what is remembered for JSON."""
        return [
            [
                list(key),
                [series.begin_ns, series.last_ns, series.windows, series.points],
                list(series.examples.items()),
                series.text,
            ]
            for key, series in self._series.items()
        ]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Go on where `state` was taken. Raises TypeError or ValueError for a state of another form."""
        self._series = {
            tuple(key): _Broken(
                int(begin_ns),
                int(last_ns),
                int(windows),
                int(points),
                {int(place): float(value) for place, value in examples},
                str(text),
            )
            for key, (begin_ns, last_ns, windows, points), examples, text in state
        }
