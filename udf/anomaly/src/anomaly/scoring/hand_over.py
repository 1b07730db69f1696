"""What a catch-up hands over to the running UDF: what each series that it has replayed would remember.

    <folder>/<pipeline>/<time>.npz    one hand-over, of some series; the time is when it was written, in nanoseconds

A UDF that missed windows goes on with followers, periods and drift of a series that has a gap. A catch-up replays such
a series, so at the end of its replay it has what the UDF would have without the gap. A hand-over is a file of the
layout of a state (`anomaly.scoring.state_file`), with a checksum and a header. Its parts are states of series. Each
series has a horizon: the end of the last window that is in its state. The running UDF adds the windows that it has
closed since then, and goes on from there (`anomaly.serving.takeover`).

Whoever catches up writes files, and nobody else does. The UDF only reads, and takes each file once.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly.models.model import Model
from anomaly.nanoseconds import HOUR_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.core import ScoringCore, last_windows
from anomaly.scoring.events import EventCounter
from anomaly.scoring.packing import Arrays, keys_as_arrays, keys_of, numbered, part_of, parts_of, prefixed
from anomaly.scoring.state_file import HEADER, StateError, StateFile, StateHeader, header_of
from anomaly.windows.arrays import DAMAGE, AnyArray, Key, Times
from anomaly.windows.cut import cut_of

_CORE, _END, _ASKED = "core_", "end_ns", "asked_ns"
_SUFFIX = ".npz"
# A UDF that is alive has taken a hand-over by then.
_KEPT_NS = HOUR_NS
# A part is of this many series: making and taking it takes some milliseconds.
SERIES_AT_ONCE = 64
_KEPT = "the running UDF keeps its own memory, and the next catch-up hands over anew"


@dataclass(frozen=True, slots=True)
class HandedSeries:
    """States of n series.

    Attributes:
        keys: the series.
        end_ns: the ends of the last windows that are in their states, shape (n,).
        asked_ns: the clock when the catch-up began to read the last of these windows, shape (n,).
        state: a part of the state of a `ScoringCore`.
        is_moved: whether another process left them, so that windows may be missing since then.
    """

    keys: Sequence[Key]
    end_ns: Times
    asked_ns: Times
    state: Arrays
    is_moved: bool = False


def moved_series(pipeline: Pipeline, state: Arrays) -> HandedSeries | None:
    """Return the series of a part of a state that another process left.

    Args:
        pipeline: the pipeline.
        state: a part of the state of its `ScoringCore`.

    Returns:
        The series; None if the part has none.
    """
    keys, last_ns = last_windows(state)
    if not keys:
        return None
    end_ns = cut_of(pipeline).after(last_ns)
    return HandedSeries(keys, end_ns, np.full(len(keys), np.iinfo(np.int64).max), state, is_moved=True)


class HandOver:
    """Gathers the states of series, as many as make a part.

    Args:
        pipeline: the pipeline.
        model: the model that the running UDF scores with.

    Attributes:
        model: as above.
    """

    def __init__(self, pipeline: Pipeline, model: Model) -> None:
        self.model = model
        self._pipeline = pipeline
        self._core = self._new_core()
        # The end of the last window of each series, and the clock when the catch-up began to read it.
        self._ends: dict[Key, tuple[int, int]] = {}

    def __len__(self) -> int:
        """Return how many series there are."""
        return len(self._ends)

    @property
    def is_full(self) -> bool:
        """Whether it has room for no other series until `part` was called."""
        return len(self._ends) == SERIES_AT_ONCE

    def take(self, key: Key, end_ns: int, asked_ns: int, core: ScoringCore, *, is_drift_whole: bool) -> None:
        """Take the state of a series; it replaces the one before.

        Args:
            key: the series.
            end_ns: the end of the last window that is in the state.
            asked_ns: the clock when this window was asked for.
            core: what has replayed the series.
            is_drift_whole: whether its drift is that of all windows, too.

        Raises:
            ValueError: there is no room for another series.
        """
        self.discard(key)
        if self.is_full:
            raise ValueError(f"a part of a hand-over has at most {SERIES_AT_ONCE} series: call `part` first")
        drifting = [key] if is_drift_whole and key in core.drifting else []
        self._core.adopt(core, [key], drifting, self.model)
        self._ends[key] = end_ns, asked_ns

    def discard(self, key: Key) -> None:
        """Leave a series out."""
        if self._ends.pop(key, None) is not None:
            # Nobody was told anything of the series here, so nobody is told that it is over.
            list(self._core.forget(key, None))

    def part(self) -> dict[str, AnyArray]:
        """Return what was gathered as a part of a file, and begin anew."""
        keys = list(self._ends)
        ends, asked = np.array(list(self._ends.values()), dtype=np.int64).reshape(-1, 2).T
        part = {**keys_as_arrays(keys), _END: ends, _ASKED: asked, **prefixed(_CORE, self._core.state_of(keys))}
        self._core, self._ends = self._new_core(), {}
        return part

    def _new_core(self) -> ScoringCore:
        events = EventCounter(f"pipeline {self._pipeline.name}", lambda message: None)
        return ScoringCore(self._pipeline, events, most=SERIES_AT_ONCE)


class HandOverFolder:
    """The hand-overs of one pipeline.

    Args:
        folder: the folder of all hand-overs.
        pipeline: the pipeline's name.
    """

    def __init__(self, folder: Path | str, pipeline: str) -> None:
        self._folder = Path(folder) / pipeline

    def write(self, header: StateHeader, parts: Iterable[Mapping[str, AnyArray]]) -> int:
        """Write a hand-over, and remove those that are an hour older.

        Args:
            header: what it was made for; `written_ns` is the time of the hand-over, later than that of the one before.
            parts: its parts; each is written before the next one is asked for.

        Returns:
            The file's size in bytes.

        Raises:
            StateError: the file cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._tidy(header.written_ns)
            return StateFile(self._folder, str(header.written_ns)).write(header, numbered(parts))
        except (OSError, StateError) as error:
            reason = error if isinstance(error, OSError) else error.__cause__
            why = getattr(reason, "strerror", None) or reason
            raise StateError(
                f"the hand-over {self._path(header.written_ns)} cannot be written ({why}): {_KEPT}"
            ) from error

    def _tidy(self, now_ns: int) -> None:
        """Remove hand-overs, and drafts of processes that were killed, that are far from a time."""
        for time_ns in self._times():
            if abs(time_ns - now_ns) > _KEPT_NS:
                self._path(time_ns).unlink(missing_ok=True)
        for draft in self._folder.glob(".*"):
            with contextlib.suppress(OSError):
                if abs(time.time_ns() - draft.stat().st_mtime_ns) > _KEPT_NS:
                    draft.unlink()

    def newer(self, than_ns: int) -> list[int]:
        """Return the times of the hand-overs after a time, ascending."""
        return sorted(time_ns for time_ns in self._times() if time_ns > than_ns)

    def _times(self) -> list[int]:
        return [int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal()]

    def _path(self, time_ns: int) -> Path:
        return self._folder / f"{time_ns}{_SUFFIX}"

    def read(self, time_ns: int, expected: StateHeader) -> Iterator[HandedSeries]:
        """Read a hand-over part by part.

        Args:
            time_ns: its time.
            expected: what it must have been made for, and the model that scores.

        Yields:
            The states of its series. Nothing, if the file is gone meanwhile.

        Raises:
            StateError: the file is damaged, or was made for something else.
        """
        path = self._path(time_ns)
        try:
            with np.load(path, allow_pickle=False) as archive:
                header = header_of(archive[HEADER].tobytes())
                different = expected.differences(header)
                if header.model != expected.model:
                    different.append(f"model: {header.model!r} in the file, {expected.model!r} here")
                if different:
                    raise StateError(
                        f"the hand-over {path} was made for something else ({'; '.join(different)}): {_KEPT}"
                    )
                for part in parts_of(archive):
                    end_ns, asked_ns = (part[name].astype(np.int64) for name in (_END, _ASKED))
                    yield HandedSeries(keys_of(part), end_ns, asked_ns, part_of(part, _CORE))
        except FileNotFoundError:
            return
        except DAMAGE as error:
            raise StateError(f"the hand-over {path} is damaged ({error}): {_KEPT}") from error
