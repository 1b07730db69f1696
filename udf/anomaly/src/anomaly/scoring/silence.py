"""The silence of a whole pipeline: one notice instead of one alert for each of its series.

Each series' silence is a period of its own. Where all live series of a pipeline are silent, the cause is most likely
one (a network, a broker, the writer), so one notice of the kind `silence` tells it, and the periods that it covers say
so in their field `joint`. Series rarely stop within the same window. So the first of them wait for one window if all
others are about to follow.

A series that stays silent although others are back is told by itself after another `periods.silence`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anomaly.scoring.notices import SILENCE, Notice
from anomaly.scoring.periods import Period
from anomaly.windows.arrays import Key


@dataclass(slots=True)
class Told:
    """What there is to tell.

    Attributes:
        alone: silences to tell, each as that of one series.
        joint: silences to write, which the notice tells.
        notice: the notice of the pipeline's silence that opens; None for none.
    """

    alone: list[tuple[Key, Period]] = field(default_factory=list)
    joint: list[tuple[Key, Period]] = field(default_factory=list)
    notice: Notice | None = None


class JointSilence:
    """Decides which silences are told for each series, and which for the pipeline.

    Args:
        silence_ns: how long a series may have no data.
    """

    def __init__(self, silence_ns: int) -> None:
        self._silence_ns = silence_ns
        # Silences that wait for one window.
        self._held: set[Key] = set()
        # Series whose silence the notice tells, or told until some series came back.
        self._members: set[Key] = set()
        self._notice: tuple[int, int] | None = None
        self._ended_ns: int | None = None

    def covers(self, key: Key) -> bool:
        """Return whether the notice tells, or told, a series' silence."""
        return key in self._members

    def look(
        self,
        opened: Sequence[tuple[Key, Period]],
        lasting: Mapping[Key, Period],
        live: Collection[Key],
        *,
        are_others_late: bool,
        now_ns: int,
    ) -> Told:
        """Take the silences of all live series into account.

        Args:
            opened: the silences that began to be known now.
            lasting: all silences that last, those of `opened` included.
            live: the series whose data were live.
            are_others_late: whether all live series without a silence will have one a window later.
            now_ns: the begin of the earliest window that may still come.

        Returns:
            What there is to tell.
        """
        told = Told()
        new = [(key, lasting[key]) for key in sorted(self._held) if key in lasting] + list(opened)
        self._held = set()
        if self._notice is None and len(live) > 1 and len(lasting) == len(live):
            begin_ns = max(period.begin_ns for period in lasting.values())
            self._notice, self._ended_ns = (begin_ns, len(live)), None
            told.notice = _notice(begin_ns, now_ns, "open", len(live))
        if self._notice is not None:
            self._members.update(key for key, _ in new)
            told.joint = new
        elif new and are_others_late and len(live) > 1:
            self._held = {key for key, _ in new}
        else:
            told.alone = new
        if self._ended_ns is not None and now_ns - self._ended_ns > self._silence_ns:
            told.alone += [(key, lasting[key]) for key in sorted(self._members) if key in lasting]
            self._members, self._ended_ns = set(), None
        return told

    def woke(self, key: Key, begin_ns: int) -> Notice | None:
        """Take a series' first window after a silence into account.

        Args:
            key: the series.
            begin_ns: the window's begin.

        Returns:
            The notice of the pipeline's silence that this closes; None for none.
        """
        self._held.discard(key)
        self._members.discard(key)
        if self._notice is None:
            return None
        (silent_ns, count), self._notice, self._ended_ns = self._notice, None, begin_ns
        return _notice(silent_ns, begin_ns, "closed", count)

    def forget(self, key: Key, end_ns: int) -> Notice | None:
        """Forget a series.

        Args:
            key: the series.
            end_ns: up to when its silence was certain.

        Returns:
            The notice of the pipeline's silence that this closes, as it told no other series; None for none.
        """
        was_member = key in self._members
        self._held.discard(key)
        self._members.discard(key)
        if self._notice is None or not was_member or self._members:
            return None
        (silent_ns, count), self._notice = self._notice, None
        return _notice(silent_ns, end_ns, "closed", count)

    def state(self) -> list[Any]:
        """Return the state for JSON."""
        keys = [[list(key) for key in sorted(keys)] for keys in (self._held, self._members)]
        return [*keys, self._notice, self._ended_ns]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on where `state` was taken. Raises TypeError or ValueError for a state of another form."""
        held, members, notice, ended_ns = state
        self._held, self._members = ({tuple(key) for key in keys} for keys in (held, members))
        self._notice = None if notice is None else (int(notice[0]), int(notice[1]))
        self._ended_ns = None if ended_ns is None else int(ended_ns)


def _notice(begin_ns: int, end_ns: int, state: str, count: int) -> Notice:
    """Return the notice of the silence of all `count` series."""
    return Notice(SILENCE, begin_ns, max(end_ns, begin_ns), state, f"all {count} series", count)
