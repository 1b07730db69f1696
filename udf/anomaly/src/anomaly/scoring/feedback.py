"""Feedback on periods, and what follows from it for scoring and for training.

A mark of feedback lies on a stretch of time of one series, of some, or of all. There are three kinds:

- `maintenance`: somebody worked there. The windows open no period, and training leaves them out.
- `true`: the windows were an anomaly. Training leaves them out, and they do not become usual by coming again each day.
- `false_alarm`: the windows were usual. Training gives them more weight than the rest, and calibration leaves them out.
  Until a model has learned them, windows like them open no period elsewhere either.

A window is like a false alarm when it is not louder (a score of at most a tenth more than the marked windows' highest),
has the same reason (contributions that differ from the marked windows' mean in a total variation of at most a quarter),
and is in the same place: the value of each field that had a tenth of the reason or more lies in the range of the marked
windows, give or take a quarter of its expected range. So a false alarm silences its own kind at its own place up to its
own loudness, and nothing else.

The calendars of a pipeline (`anomaly.pipeline.calendars`) say the same of maintenance without marks, of all series. So
they hold wherever marks do: in running UDFs, trainings, backtests and catch-ups.

The clock by which long windows begin makes the window in which it changes an odd one, of a mix of hours that no other
window has (`anomaly.windows.cut`). It opens a period by a limit only.

Suppressed windows keep their score and severity; they neither open nor prolong a period.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly.models.model import Verdicts
from anomaly.pipeline import Pipeline, calendars, canonical_json
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.windows.arrays import Bools, Ints, Key, Times
from anomaly.windows.calendar_times import CalendarTimes
from anomaly.windows.cut import cut_of
from anomaly.windows.windows import Windows

MAINTENANCE, TRUE, FALSE_ALARM = "maintenance", "true", "false_alarm"
KINDS = (FALSE_ALARM, TRUE, MAINTENANCE)
# What stands for the id of a mark where a calendar keeps a window out of periods.
CALENDAR = "calendar"
CLOCK = "clock"

_LOUDER = 1.1
_VARIATION = 0.25
_MATTERS = 0.1
_BESIDE = 0.25


@dataclass(frozen=True, slots=True)
class Appearance:
    """What the windows of a false alarm looked like; f fields.

    Attributes:
        score: their highest score.
        contribution: their mean contributions, f of them.
        low: the lowest value of each field.
        high: the highest value of each field.
    """

    score: float
    contribution: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def resemble(self, verdicts: Verdicts) -> Bools:
        """Return which of n windows are like these, shape (n,).

        Args:
            verdicts: the model's verdicts on the windows.
        """
        if verdicts.contribution.shape[1] != len(self.contribution):
            # A pipeline that had other fields then gives no appearance to compare with.
            return np.zeros(len(verdicts), dtype=np.bool_)
        share = np.array(self.contribution)
        alike = verdicts.score <= _LOUDER * self.score
        alike &= np.abs(share - verdicts.contribution).sum(axis=1) / 2.0 <= _VARIATION
        margin = _BESIDE * (verdicts.expected_high - verdicts.expected_low)
        beside = (np.array(self.low) - margin <= verdicts.value) & (verdicts.value <= np.array(self.high) + margin)
        return np.asarray(alike & (beside | (share < _MATTERS)).all(axis=1))


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark of feedback, on [begin_ns, end_ns).

    Attributes:
        kind: one of KINDS.
        begin_ns: where the mark begins.
        end_ns: where the mark ends.
        series: the tags that a series must have; without any the mark means all series.
        note: a person's words.
        appearance: what the windows of a false alarm looked like; None where that is unknown.
    """

    kind: str
    begin_ns: int
    end_ns: int
    series: Mapping[str, str]
    note: str = ""
    appearance: Appearance | None = None

    @property
    def id(self) -> str:
        """The name by which a mark is removed: equal for the same kind, begin and series."""
        text = canonical_json({"kind": self.kind, "begin_ns": self.begin_ns, "series": dict(self.series)})
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def concerns(self, tags: Mapping[str, str]) -> bool:
        """Return whether the mark is on a series with these tags."""
        return all(tags.get(name) == value for name, value in self.series.items())

    def meets(self, begin_ns: int, end_ns: int) -> bool:
        """Return whether the mark lies on some of [begin_ns, end_ns)."""
        return begin_ns < self.end_ns and self.begin_ns < end_ns

    def as_dict(self) -> dict[str, Any]:
        """Return the mark for JSON."""
        appearance = self.appearance
        return {
            "id": self.id,
            "kind": self.kind,
            "begin_ns": self.begin_ns,
            "end_ns": self.end_ns,
            "series": dict(self.series),
            "note": self.note,
            "look": None
            if appearance is None
            else {
                "score": appearance.score,
                "contribution": list(appearance.contribution),
                "low": list(appearance.low),
                "high": list(appearance.high),
            },
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> "Mark":
        """Return the mark that JSON holds. Raises KeyError, TypeError or ValueError if it does not hold one."""
        if mapping["kind"] not in KINDS:
            raise ValueError(f"{mapping['kind']!r} is none of {', '.join(KINDS)}")
        appearance = mapping["look"]
        return cls(
            kind=mapping["kind"],
            begin_ns=int(mapping["begin_ns"]),
            end_ns=int(mapping["end_ns"]),
            series={str(name): str(value) for name, value in mapping["series"].items()},
            note=str(mapping["note"]),
            appearance=None
            if appearance is None
            else Appearance(
                float(appearance["score"]),
                *(tuple(float(value) for value in appearance[name]) for name in ("contribution", "low", "high")),
            ),
        )


class Feedback:
    """All marks of a pipeline, and what its calendars say.

    Attributes:
        marks: the marks.
    """

    def __init__(self, pipeline: Pipeline, marks: Iterable[Mark] = ()) -> None:
        self._result_tags = pipeline.result_tags
        self._cut = cut_of(pipeline)
        self._calendars = CalendarTimes(pipeline)
        self.marks: Sequence[Mark] = tuple(marks)

    def suppressed(
        self, keys: Sequence[Key], series: Ints, begin_ns: Times, verdicts: Verdicts, learned: frozenset[str]
    ) -> dict[int, str]:
        """Find the windows that marks keep out of periods.

        Args:
            keys: the tag values of s series.
            series: each window's series as an index into `keys`, shape (n,).
            begin_ns: the windows' begins, shape (n,).
            verdicts: the model's verdicts on them.
            learned: the ids of the false alarms that the model has learned.

        Returns:
            The id of the first such mark of each window, by the window's position.
        """
        mark_ids: dict[int, str] = {}
        for mark in self.marks:
            if mark.kind == MAINTENANCE:
                met = (begin_ns < mark.end_ns) & (self._cut.after(begin_ns) > mark.begin_ns)
            elif mark.kind == FALSE_ALARM and mark.appearance is not None and mark.id not in learned:
                # What people said of one window changes no limit.
                met = mark.appearance.resemble(verdicts) & verdicts.are_within_limits
            else:
                continue
            for at in np.flatnonzero(met).tolist():
                if at not in mark_ids and mark.concerns(self._tags(keys[series[at]])):
                    mark_ids[at] = mark.id
        for at in np.flatnonzero(
            self._calendars.meet(calendars.MAINTENANCE, begin_ns, self._lengths_ns(begin_ns))
        ).tolist():
            mark_ids.setdefault(at, CALENDAR)
        for at in np.flatnonzero(self._cut.are_odd(begin_ns) & verdicts.are_within_limits).tolist():
            mark_ids.setdefault(at, CLOCK)
        return mark_ids

    def in_maintenance(self, key: Key, begin_ns: int, end_ns: int) -> bool:
        """Return whether some of [begin_ns, end_ns) was maintenance of the series."""
        if self._has_mark(MAINTENANCE, key, begin_ns, end_ns):
            return True
        return bool(self._calendars.meet(calendars.MAINTENANCE, np.array([begin_ns]), max(end_ns - begin_ns, 1))[0])

    def is_confirmed_anomaly(self, key: Key, begin_ns: int, end_ns: int) -> bool:
        """Return whether people said that some of [begin_ns, end_ns) of a series was an anomaly."""
        return self._has_mark(TRUE, key, begin_ns, end_ns)

    def _has_mark(self, kind: str, key: Key, begin_ns: int, end_ns: int) -> bool:
        tags = self._tags(key)
        return any(mark.kind == kind and mark.concerns(tags) and mark.meets(begin_ns, end_ns) for mark in self.marks)

    def is_quiet(self, at_ns: int) -> bool:
        """Return whether a calendar says that nobody is told of what becomes known at a time."""
        return bool(self._calendars.meet(calendars.QUIET, np.array([at_ns]), 1)[0])

    def countable(self, key: Key, periods: Iterable[Period]) -> list[Period]:
        """Return the periods of a series that count: silence during maintenance does not."""
        return [
            period
            for period in periods
            if period.reason != NO_DATA or not self.in_maintenance(key, period.begin_ns, period.end_ns)
        ]

    def excluded(self, windows: Windows) -> Bools:
        """Return which of n windows training leaves out, shape (n,)."""
        return self._marked_as((MAINTENANCE, TRUE), windows)

    def confirmed_usual(self, windows: Windows) -> Bools:
        """Return which of n windows are confirmed as usual, shape (n,)."""
        return self._marked_as((FALSE_ALARM,), windows)

    def _marked_as(self, kinds: Sequence[str], windows: Windows) -> Bools:
        is_marked = np.zeros(len(windows), dtype=np.bool_)
        for mark in self.marks:
            if mark.kind in kinds:
                is_marked |= self.marked(windows, mark)
        if MAINTENANCE in kinds:
            is_marked |= self._calendars.meet(
                calendars.MAINTENANCE, windows.begin_ns, self._lengths_ns(windows.begin_ns)
            )
        return is_marked

    def marked(self, windows: Windows, mark: Mark) -> Bools:
        """Return which of n windows a mark is on, shape (n,)."""
        meant = np.array([mark.concerns(self._tags(key)) for key in windows.keys], dtype=np.bool_)
        begin_ns = windows.begin_ns
        return np.asarray(
            meant[windows.series] & (begin_ns < mark.end_ns) & (self._cut.after(begin_ns) > mark.begin_ns)
        )

    def _lengths_ns(self, begin_ns: Times) -> Times:
        """Return the lengths of the windows with these begins, shape (n,)."""
        return self._cut.after(begin_ns) - begin_ns

    def _tags(self, key: Key) -> dict[str, str]:
        return dict(zip(self._result_tags, key, strict=True))
