"""The one way from windows to scores and periods, whoever brings the windows.

Kapacitor brings windows one by one, a backtest and a catch-up bring thousands of one series at once; all of them call
`Scorer.feed`. It decides which windows can be scored, has the model judge them, and feeds the series' tracker. Callers
read the windows and write the results (`anomaly.serving.handler`, `anomaly.backtest`, `anomaly.catchup`);
`anomaly.scoring.results` knows what a result looks like.
"""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly.detectors.base import Follower
from anomaly.models.features import features
from anomaly.models.model import Model, Verdict, Verdicts
from anomaly.pipeline import Pipeline
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.notices import Notice
from anomaly.scoring.packing import Arrays, document, part_of, prefixed, text
from anomaly.scoring.periods import NO_DATA, Period, Rules, Tracker, Transition, rules
from anomaly.scoring.places import Places
from anomaly.scoring.rate import PointRate, are_as_trained, scorable_at_rate
from anomaly.windows.arrays import AnyArray, Bools, Ints, Key
from anomaly.windows.completeness import Scorable, scorable_windows
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from kapacitor_udf import Groups

# The parts of a state: periods and rates, and what followers remember.
_SERIES, _FOLLOWERS = "series", "followers_"
# State of this many series is kept; beyond, the series that has been quiet longest is forgotten.
_MOST_SERIES = 100_000


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """What became of one window.

    Attributes:
        begin_ns: the window's begin.
        model: the model that judged it.
        verdict: the model's verdict.
        anomalous: whether the window belongs to a period, as far as is known by now.
        periods: the periods that the window made known, oldest first.
        suppressed: the id of the mark of feedback that keeps the window out of periods; None without one.
        ended_silence: whether the window ended a silence that was told while it lasted.
    """

    begin_ns: int
    model: Model
    verdict: Verdict
    anomalous: bool
    periods: list[Period]
    suppressed: str | None = None
    ended_silence: bool = False


@dataclass(slots=True)
class _SeriesState:
    """What the scorer remembers of one series.

    Attributes:
        tracker: the series' periods.
        version: the model that the follower belongs to.
        is_silence_told: whether the silence that lasts was told; during maintenance it is not.
        rate: the numbers of points in the last windows.
    """

    tracker: Tracker
    rate: PointRate
    version: str | None = None
    is_silence_told: bool = False

    def state(self) -> list[Any]:
        """Return the state for JSON."""
        return [self.tracker.state(), self.rate.state(), self.version, self.is_silence_told]


class Scorer:
    """Scores the windows of a pipeline's series, and keeps each series' periods and follower.

    Args:
        pipeline: the pipeline.
        events: counts the windows, those that are not scored by reason.
        notice: is told of each notice; None: nobody wants to know.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        events: EventCounter,
        notice: Callable[[Key, Notice], None] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._features = features(pipeline)
        self._rules = rules(pipeline)
        self._events = events
        self._places: Places | None = None
        # What a restored state says of followers, until there is the model that they belong to.
        self._saved: Arrays = {}
        self._series: Groups[Key, _SeriesState] = Groups(
            lambda: _SeriesState(Tracker(self._rules, pipeline.fields), PointRate(pipeline.fields)),
            most=_MOST_SERIES,
        )
        self._notice = notice

    @property
    def rules(self) -> Rules:
        """The rules by which periods open and close."""
        return self._rules

    def feed(
        self, model: Model | None, windows: SeriesWindows, feedback: Feedback | None = None
    ) -> Iterator[ScoredWindow]:
        """Score the next windows of a series.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, by time.
            feedback: the marks that keep windows out of periods; None: there are none.

        Yields:
            The scorable windows, by time.
        """
        key = windows.key
        if model is None:
            scorable = scorable_windows(self._pipeline, windows)
            self._count(windows, scorable)
            self._events.add("unscored windows", len(scorable.windows))
            return
        if not len(windows):
            return
        series = self._series[key]
        scorable = self._scorable(series, model, windows)
        self._count(windows, scorable)
        windows = scorable.windows
        if not len(windows):
            return
        if windows.begin_ns[0] == series.tracker.last_ns:
            self._events.add("repeated windows", 1, f"a window of {series_name(key)} has been scored already")
            windows = windows.where(np.arange(len(windows)) > 0)
            if not len(windows):
                return
        verdicts = model.judge(
            self._follower(series, key, model), key, windows.begin_ns, windows.values, windows.counts
        )
        for begin_ns, verdict in zip(windows.begin_ns.tolist(), verdicts, strict=True):
            yield self._track(key, series, begin_ns, model, verdict, feedback)
            self._events.add("scored windows", 1)

    def feed_together(
        self, model: Model | None, windows: Windows, feedback: Feedback | None = None
    ) -> Iterator[tuple[Key, ScoredWindow]]:
        """Score the next windows of many series, as `feed` does one series after the other.

        The windows about which nothing is odd are judged together, as arrays over series. A series that cannot be
        scored does not cost the windows of the others: its own are counted as failed.

        Args:
            model: the model; without one no window is scored.
            windows: the windows, each series in the order of time.
            feedback: the marks that keep windows out of periods; None: there are none.

        Yields:
            The scorable windows, each with its series; those of one series by time.
        """
        plain = np.zeros(len(windows), dtype=np.bool_)
        if model is not None:
            rows = np.array([model.row(key) for key in windows.keys], dtype=np.intp)[windows.series]
            plain, places = self._plain(model, windows, rows)
            chosen = windows.where(plain)
            verdicts = self._judged(model, chosen, rows[plain], places[plain])
            if verdicts is None:
                plain[:] = False
            else:
                for at, (number, begin_ns, verdict) in enumerate(
                    zip(chosen.series.tolist(), chosen.begin_ns.tolist(), verdicts, strict=True)
                ):
                    key = windows.keys[number]
                    series = self._series[key]
                    series.rate.remember(chosen.counts[at : at + 1])
                    yield key, self._track(key, series, begin_ns, model, verdict, feedback)
                self._events.add("scored windows", len(chosen))
        for alone in windows.where(~plain).by_series():
            try:
                scored = list(self.feed(model, alone, feedback))
            except Exception as error:
                self._failed(alone.key, len(alone), error)
                continue
            for each in scored:
                yield alone.key, each

    def _plain(self, model: Model, windows: Windows, rows: Ints) -> tuple[Bools, Ints]:
        """Find the windows about which nothing is odd: whole, as many points as usual, the next of a known series.

        Args:
            model: the model.
            windows: n windows.
            rows: the model's rows of their series, shape (n,).

        Returns:
            Which windows these are, shape (n,), and the places of their series, shape (n,); those of others are 0.
        """
        plain = np.isfinite(windows.values).all(axis=1) & are_as_trained(windows.counts, model.scaling.usual[rows])
        plain &= np.bincount(windows.series, minlength=len(windows.keys))[windows.series] == 1
        place = np.zeros(len(windows), dtype=np.intp)
        places = self._places
        if places is None or places.version != model.version:
            return np.zeros_like(plain), place
        for at in np.flatnonzero(plain).tolist():
            key = windows.keys[windows.series[at]]
            series = self._series[key] if key in self._series and key in places else None
            last_ns = None if series is None else series.tracker.last_ns
            if (
                series is None
                or last_ns is None
                or windows.begin_ns[at] <= last_ns
                or not series.rate.is_as_trained
                or series.version != model.version
            ):
                plain[at] = False
            else:
                place[at] = places.use(key)
        return plain, place

    def _judged(self, model: Model, windows: Windows, rows: Ints, places: Ints) -> Verdicts | None:
        """Judge windows together, by their series' rows and places; return None if that fails for some series."""
        if self._places is None or not len(windows):
            return None
        try:
            return model.judge_many(self._places.followers, rows, places, windows.begin_ns, windows.values)
        except Exception as error:
            # Each of them is tried alone, so that those are found that cannot be scored.
            self._events.add("failures of many series", 1, f"windows are scored one by one because of {error!r}")
            return None

    def _failed(self, key: Key, windows: int, error: Exception) -> None:
        """Count windows that could not be scored; the first failure is logged with its traceback."""
        trace = "".join(traceback.format_exception(error))
        self._events.add("failed windows", windows, f"{series_name(key)} could not be scored: {error!r}\n{trace}")

    def _scorable(self, series: _SeriesState, model: Model, windows: SeriesWindows) -> Scorable[SeriesWindows]:
        """Return the scorable windows of a series, which are measured by its rate in training and now."""
        scorable, notices = scorable_at_rate(self._pipeline, model, series.rate, windows)
        if self._notice is not None:
            for notice in notices:
                self._notice(windows.key, notice)
        return scorable

    def _count(self, windows: SeriesWindows, scorable: Scorable[SeriesWindows]) -> None:
        """Count the windows that cannot be scored, and those that are scored with some of their fields."""
        if scorable.complete.all() and scorable.mask.all():
            return
        name = series_name(windows.key)
        if scorable.lacking.any():
            missing = ~np.isfinite(windows.values[scorable.lacking][0])
            feature = self._features[int(missing.argmax())]
            lacking = int(scorable.lacking.sum())
            self._events.add("incomplete windows", lacking, f"{feature.name} of {name} is missing")
        cut_off = int(scorable.cut_off.sum())
        self._events.add("cut-off windows", cut_off, f"a window of {name} has less than half of its usual points")
        partial = int((~scorable.complete).any(axis=1).sum())
        self._events.add("partial windows", partial, f"a field of {name} is taken to be as usual")

    def _follower(self, series: _SeriesState, key: Key, model: Model) -> Follower:
        """Return the series' follower; with another model, one that begins where training left the series."""
        places = self._places_of(model)
        if series.version != model.version:
            series.version = model.version
        elif key in places:
            return places[key]
        return places.begin(key)

    def _places_of(self, model: Model) -> Places:
        """Return the places of the model's followers; new ones go on from what was saved, if it is of this model."""
        if self._places is None or self._places.version != model.version:
            self._places = Places(model, _MOST_SERIES)
            saved, self._saved = self._saved, {}
            self._restore_followers(self._places, saved)
        return self._places

    def _restore_followers(self, places: Places, saved: Arrays) -> None:
        try:
            places.restore(saved)
        except (KeyError, TypeError, ValueError) as error:
            lost = sum(series.version == places.version for _, series in self._series.items())
            self._events.add("lost memories", lost, f"what was saved of the detector's memory does not fit: {error}")

    def _track(
        self, key: Key, series: _SeriesState, begin_ns: int, model: Model, verdict: Verdict, feedback: Feedback | None
    ) -> ScoredWindow:
        tracker = series.tracker
        last_ns = tracker.last_ns
        mark = None if feedback is None else feedback.suppressor(key, begin_ns, verdict, model.learned)
        suppressed = None if mark is None else mark.id
        transition = track(tracker, begin_ns, verdict, suppressed)
        if transition.restarted:
            self._events.add(
                "restarts",
                1,
                f"time of {series_name(key)} went back from {last_ns} to {begin_ns} ns: its periods start anew",
            )
        if transition.ended_silence:
            periods = [each for each in transition.periods if each.reason != NO_DATA or series.is_silence_told]
        else:
            periods = transition.periods if feedback is None else feedback.countable(key, transition.periods)
        ended_silence = transition.ended_silence and series.is_silence_told
        return ScoredWindow(begin_ns, model, verdict, transition.anomalous, periods, suppressed, ended_silence)

    def silent(self, key: Key, watermark_ns: int, listening_ns: int, feedback: Feedback | None = None) -> list[Period]:
        """Take into account that no window of a live series has come.

        Args:
            key: the series, which need not have had a window.
            watermark_ns: the time up to which all windows are known.
            listening_ns: since when somebody listens.
            feedback: the marks; silence that begins during maintenance is not told. None: there are none.

        Returns:
            The periods that this made known, oldest first.
        """
        series = self._series[key]
        periods = series.tracker.silent(watermark_ns, listening_ns)
        counted = periods if feedback is None else feedback.countable(key, periods)
        if series.tracker.silence in periods:
            series.is_silence_told = series.tracker.silence in counted
        return counted

    def silence(self, key: Key) -> Period | None:
        """Return the silence of a series that lasts and was made known; None while there is none."""
        return self._series[key].tracker.silence if key in self._series else None

    def is_silence_told(self, key: Key) -> bool:
        """Return whether the last silence of a series was told."""
        return key in self._series and self._series[key].is_silence_told

    def forget(self, key: Key) -> None:
        """Forget a series."""
        self._series.discard(key)
        if self._places is not None:
            self._places.forget(key)

    def last_ns(self, key: Key) -> int | None:
        """Return the begin of the last scored window of a series; None before the first."""
        return self._series[key].tracker.last_ns if key in self._series else None

    def calm(self, key: Key) -> bool:
        """Return whether no period of a series is open or about to open, so that its past no longer matters."""
        return self._series[key].tracker.calm

    def state(self) -> dict[str, AnyArray]:
        """Return the periods and followers of all series as arrays by name; none before the first window."""
        if not len(self._series):
            return {}
        followers = self._saved if self._places is None else self._places.state()
        series = [[list(key), *series.state()] for key, series in self._series.items()]
        return {_SERIES: text(series), **prefixed(_FOLLOWERS, followers)}

    def restore(self, arrays: Arrays) -> None:
        """Go on where `state` was taken; series that it does not name stay as they are.

        Args:
            arrays: what `state` returned, and perhaps others.

        Raises:
            KeyError: the state does not fit the pipeline.
            TypeError: likewise.
            ValueError: likewise.
        """
        if not arrays:
            return
        saved = document(arrays[_SERIES])
        if any(len(key) != len(self._pipeline.group_by) for key, *_ in saved):
            raise ValueError("the snapshot's series have other tags")
        restored = {
            tuple(key): _SeriesState(
                Tracker.from_state(self._rules, self._pipeline.fields, tracker),
                PointRate.from_state(self._pipeline.fields, rate),
                version,
                bool(is_silence_told),
            )
            for key, tracker, rate, version, is_silence_told in saved
        }
        kept = [(key, series) for key, series in self._series.items() if key not in restored]
        self._series.replace([*kept, *restored.items()])
        followers = part_of(arrays, _FOLLOWERS)
        if self._places is None:
            self._saved = followers
        else:
            self._restore_followers(self._places, followers)


def track(tracker: Tracker, begin_ns: int, verdict: Verdict, suppressed: str | None) -> Transition:
    """Feed one window's verdict to a tracker; a suppressed window neither opens nor prolongs a period."""
    severity, surprise = (verdict.severity, verdict.surprise) if suppressed is None else (0.0, 0.0)
    return tracker.feed(begin_ns, verdict.score, severity, surprise, verdict.contribution)


def series_name(key: Key) -> str:
    """Return a series' name for messages."""
    return ", ".join(key) if key else "the series"
