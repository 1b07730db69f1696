"""A model in memory: baselines, detector and calibration, and what they say of a window."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from anomaly.detectors.base import Detector, Follower, Followers, WeighingFollowers, follow
from anomaly.detectors.parts.shares import shares_of_known
from anomaly.detectors.registry import load
from anomaly.models.features import Feature, Scaling, features
from anomaly.models.few_points import of_usual_points
from anomaly.models.newcomers import NewcomerRules
from anomaly.models.reference import BINS, Reference, bins
from anomaly.models.relevance import relevance_of
from anomaly.models.trend import Trend
from anomaly.pipeline import Pipeline
from anomaly.severity import evidence
from anomaly.severity.calibration import Calibration
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Key, Times
from anomaly.windows.civil import PLAIN, CivilTime, civil_time
from anomaly.windows.windows import Windows

_HISTORY = "history_ns"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model says of one window of f fields and d features.

    Attributes:
        score: the score, unbounded above.
        severity: how rare the score is, 0 to 100.
        surprise: -ln of the probability of such a score, less the series' excess (`Model.evidence_excess`). Where the
            detector's scores add up windows by themselves, it is that of the window alone, and 0 where the detector
            does not tell that.
        value: each field's first aggregate, in its own unit; NaN where the field is incomplete.
        expected_low: the low end of each field's usual range, in the same unit.
        expected_high: the high end of each field's usual range, in the same unit.
        contribution: each field's share of the score, summing to 1; 0 where the field is incomplete.
        limit: which limit of the pipeline the window is beyond, such as `used_percent above 90`; None for none. A model
            knows no limits (`anomaly.scoring.limits`).
        features: what the detector saw, shape (d,), NaN where a field is incomplete.
    """

    score: float
    severity: float
    surprise: float
    value: tuple[float, ...]
    expected_low: tuple[float, ...]
    expected_high: tuple[float, ...]
    contribution: tuple[float, ...]
    limit: str | None = None
    # Arrays have no single truth value, so verdicts are compared without it.
    features: Floats = field(default_factory=lambda: np.empty(0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a model says of n windows of f fields and d features, as arrays; `Verdict` describes each of them.

    Attributes:
        score: shape (n,).
        severity: shape (n,).
        surprise: shape (n,).
        value: shape (n, f).
        expected_low: shape (n, f).
        expected_high: shape (n, f).
        contribution: shape (n, f).
        features: shape (n, d).
        limit: objects, shape (n,), None for no limit.
    """

    score: Floats
    severity: Floats
    surprise: Floats
    value: Floats
    expected_low: Floats
    expected_high: Floats
    contribution: Floats
    features: Floats
    limit: AnyArray

    @property
    def are_within_limits(self) -> Bools:
        """Which windows are beyond no limit, shape (n,)."""
        return np.array([limit is None for limit in self.limit.tolist()], dtype=np.bool_)

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> "Verdicts":
        """Return verdicts as arrays."""
        return cls(*(np.array([getattr(verdict, name) for verdict in verdicts]) for name in cls.__slots__))

    def __len__(self) -> int:
        return len(self.score)

    def where(self, mask: Bools) -> "Verdicts":
        """Return the verdicts that `mask`, shape (n,), selects."""
        return Verdicts(*(getattr(self, name)[mask] for name in self.__slots__))

    @classmethod
    def joined(cls, parts: Sequence[tuple[Ints, "Verdicts"]]) -> "Verdicts":
        """Return verdicts as one.

        Args:
            parts: verdicts, at least one, each with their positions, which are 0 to n - 1 together.
        """
        order = np.argsort(np.concatenate([at for at, _ in parts]))
        return cls(*(np.concatenate([getattr(part, name) for _, part in parts])[order] for name in cls.__slots__))

    def __iter__(self) -> Iterator[Verdict]:
        """Yield the verdict on each window."""
        for score, severity, surprise, value, low, high, contribution, seen, limit in zip(
            self.score.tolist(),
            self.severity.tolist(),
            self.surprise.tolist(),
            self.value.tolist(),
            self.expected_low.tolist(),
            self.expected_high.tolist(),
            self.contribution.tolist(),
            self.features,
            self.limit.tolist(),
            strict=True,
        ):
            yield Verdict(
                score, severity, surprise, tuple(value), tuple(low), tuple(high), tuple(contribution), limit, seen
            )


@dataclass
class Model:
    """Everything that serving needs of one version. Immutable in effect: a running UDF swaps whole models.

    Attributes:
        version: the version's name.
        pipeline: the pipeline that it was made for.
        scaling: the baselines of its series.
        detector: the fitted detector.
        calibration: from a score to its probability.
        reference: the distribution of each feature in training.
        learned: the ids of the false alarms that training has seen, and for which the model opens no period.
        trained_until: where the history ends that it was trained on, as an RFC 3339 time; None where nobody knows.
        civil: the clock on the wall.
        newcomers: what holds for series without a baseline; None in models of releases before, which judge them by the
            baseline of all.
        trend: how series rise or fall steadily; None where none does.
        evidence_excess: by how much a series' windows must be rarer than those of others until they are evidence of a
            period, shape (s + 1,) (`anomaly.severity.evidence`); None in models of releases before.
        history_ns: the time from the begin of the first window that it was trained on to the end of the last one; None
            in models of releases before.
    """

    version: str
    pipeline: Pipeline
    scaling: Scaling
    detector: Detector
    calibration: Calibration
    reference: Reference
    learned: frozenset[str] = frozenset()
    trained_until: str | None = None
    civil: CivilTime = PLAIN
    newcomers: NewcomerRules | None = None
    trend: Trend | None = None
    evidence_excess: Floats | None = None
    history_ns: int | None = None
    _rows: dict[Key, int] = field(init=False)
    _features: list[Feature] = field(init=False)
    _windows_per_day: float = field(init=False)
    _thresholds: dict[float, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = self.scaling.rows()
        self._features = features(self.pipeline)
        self._windows_per_day = self.pipeline.windows_per_day

    def threshold(self, severity: float) -> float:
        """Return the score from which on a window has at least `severity`."""
        if severity not in self._thresholds:
            self._thresholds[severity] = self.calibration.score_at(severity, self._windows_per_day)
        return self._thresholds[severity]

    def severities(self, scores: Floats) -> Floats:
        """Return the severities, 0 to 100, of scores, both of shape (n,)."""
        return self.calibration.severity(scores, self._windows_per_day)

    def knows(self, key: tuple[str, ...]) -> bool:
        """Return whether the series was in the training data; others are scored with the baseline of all."""
        return key in self._rows

    def is_newcomer(self, key: Key) -> bool:
        """Return whether the series has no baseline, and has to warm up."""
        return self.newcomers is not None and bool(self.newcomers.is_newcomer[self.row(key)])

    def are_newcomers(self, keys: Sequence[Key]) -> Bools:
        """Return which of s series have no baseline, shape (s,)."""
        if self.newcomers is None:
            return np.zeros(len(keys), dtype=np.bool_)
        return np.asarray(self.newcomers.is_newcomer[self.rows(keys)])

    def usual_points(self, key: Key) -> Floats:
        """Return the usual number of points in a window of a series, for each field, shape (f,)."""
        return np.asarray(self.scaling.usual[self.row(key)])

    def features(self, key: Key, values: Floats) -> Floats:
        """Return the features of a series' aggregates, both of shape (n, d)."""
        return self.scaling.transform(values, self.row(key))

    def row(self, key: Key) -> int:
        """Return a series' number in training plus 1, or 0 for a series that training has not seen."""
        return self._rows.get(key, 0)

    def rows(self, keys: Sequence[Key]) -> Ints:
        """Return the `row` of each of s series, shape (s,)."""
        return np.array([self._rows.get(key, 0) for key in keys], dtype=np.intp)

    def follow(self, key: Key) -> Follower:
        """Return the detector on one series alone, which begins where training left the series."""
        return follow(self.detector, self.row(key), self.civil)

    def followers(self, capacity: int) -> Followers:
        """Return the detector on up to `capacity` series, by the clock on the wall."""
        return self.detector.followers(capacity, self.civil)

    def scores(self, windows: Windows) -> Floats:
        """Score n windows, each series in the order of time, from where training left it; shape (n,)."""
        if self.trend is not None:
            row = np.array([self.row(key) for key in windows.keys], dtype=np.intp)[windows.series]
            windows = replace(windows, values=windows.values - self.trend.risen(row, windows.begin_ns))
        return score_windows(self.scaling, self.detector, windows, self.civil)

    def rehearse(self) -> None:
        """Use each array once, so that arrays that do not fit each other are found here, and not at the first window.

        Raises:
            ValueError: the arrays do not fit, as one of the other exceptions of `anomaly.windows.arrays.DAMAGE` says.
        """
        values, rows = np.zeros((1, len(self._features))), np.arange(len(self._rows) + 1)
        known = self.scaling.keys
        with np.errstate(all="ignore"):
            x = self.scaling.transform(np.zeros((len(rows), values.shape[1])), rows)
            bins(self.reference.edges, x[:1])
            for key in ((), *known[:1], *known[-1:]):
                counts = np.ceil(self.usual_points(key))[None]
                # Serving leaves out a series whose numbers cannot be computed with, and scores the others.
                with suppress(ArithmeticError):
                    self.judge(self.follow(key), key, np.zeros(1, dtype=np.int64), values, counts)
            shape = (len(self._features), BINS)
            if self.reference.shares.shape != shape or self.reference.windows.shape != shape[:1]:
                raise ValueError(f"the reference has shares of {self.reference.shares.shape} instead of {shape}")
            if self.newcomers is not None:
                if self.newcomers.is_newcomer.shape != rows.shape:
                    raise ValueError(f"{self.newcomers.is_newcomer.shape} series instead of {rows.shape} may be new")
                self.newcomers.calibration.probability(np.zeros(1))
            if self.evidence_excess is not None and self.evidence_excess.shape != rows.shape:
                raise ValueError(f"{self.evidence_excess.shape} series instead of {rows.shape} have an excess")

    @property
    def bytes_per_series(self) -> int:
        """How many bytes serving needs for what it remembers of a series; 0 where a window's score is its own."""
        return self.followers(1).bytes_per_series

    @property
    def remembers(self) -> bool:
        """Whether a window's score depends on the series' windows before it."""
        return self.bytes_per_series > 0

    def judge(
        self, follower: Follower, key: Key, begin_ns: Times, values: Floats, counts: Floats | None = None
    ) -> list[Verdict]:
        """Judge the next n windows of a series.

        Args:
            follower: the detector on the series.
            key: the series.
            begin_ns: the windows' begins, shape (n,).
            values: aggregates in the order of `features`, shape (n, d), NaN in incomplete fields.
            counts: points in each window and field, shape (n, f); None: as many as usual.

        Returns:
            One verdict for each window.
        """
        places = follower.places(len(values))
        return [*self.judge_many(follower.followers, self.row(key), places, begin_ns, values, counts)]

    def judge_many(
        self,
        followers: Followers,
        row: Ints | int,
        place: Ints,
        begin_ns: Times,
        values: Floats,
        counts: Floats | None = None,
        unlearnt: Bools | None = None,
    ) -> Verdicts:
        """Judge the next n windows of any series.

        Args:
            followers: the detector on the series.
            row: the `row` of the series, or of each window's series, shape (n,).
            place: places of the windows' series, shape (n,), each series in the order of time.
            begin_ns: the windows' begins, shape (n,).
            values: aggregates in the order of `features`, shape (n, d), NaN in incomplete fields.
            counts: as for `judge`, shape (n, f).
            unlearnt: as for `Followers.explain`, shape (n,).

        Returns:
            What the model says of each window.
        """
        risen = None if self.trend is None else self.trend.risen(row, begin_ns)
        judged = values if risen is None else values - risen
        if counts is not None:
            judged = of_usual_points(self._features, self.scaling, row, judged, counts)
        x = self.scaling.transform(judged, row)
        if isinstance(followers, WeighingFollowers):
            scores, shares, surprises = followers.weigh(place, begin_ns, x, unlearnt)
        else:
            scores, shares = followers.explain(place, begin_ns, x, unlearnt)
            surprises = np.zeros(len(scores)) if self.detector.adds_up else self.calibration.surprise(scores)
        if self.evidence_excess is not None:
            surprises = np.maximum(surprises - self.evidence_excess[row], 0.0)
        shares = shares_of_known(shares, ~np.isnan(x))
        width = len(self.pipeline.aggregate)
        low, high = (np.broadcast_to(each[row], (len(x), each.shape[1])) for each in self._expected_ranges)
        if risen is not None:
            low, high = low + risen[:, ::width], high + risen[:, ::width]
        return Verdicts(
            score=scores,
            severity=self.severities(scores),
            surprise=surprises,
            value=values[:, ::width],
            expected_low=low,
            expected_high=high,
            contribution=shares.reshape(len(values), -1, width).sum(axis=2),
            features=x,
            limit=np.full(len(x), None, dtype=np.object_),
        )

    @cached_property
    def _expected_ranges(self) -> tuple[Floats, Floats]:
        """The low and the high ends of the usual ranges by row and field, shape (s + 1, f) each."""
        return self.scaling.expected(np.arange(0, len(self._features), len(self.pipeline.aggregate)), slice(None))

    def arrays(self) -> dict[str, AnyArray]:
        """Return everything but version, pipeline and series' keys as arrays."""
        parts = (self.scaling, self.detector, self.calibration, self.reference, self.newcomers, self.trend)
        arrays = {name: array for part in parts if part is not None for name, array in part.arrays().items()}
        history = {} if self.history_ns is None else {_HISTORY: np.array(self.history_ns)}
        return {**arrays, **evidence.to_arrays(self.evidence_excess), **history}

    @classmethod
    def from_arrays(
        cls,
        version: str,
        pipeline: Pipeline,
        keys: Sequence[Sequence[str]],
        arrays: Mapping[str, AnyArray],
    ) -> "Model":
        """Return the model that `arrays` returned. Raises KeyError where an array is missing."""
        return cls(
            version,
            pipeline,
            Scaling.from_arrays(keys, arrays, relevance_of(pipeline, keys)),
            load(pipeline.detector, arrays),
            Calibration.from_arrays(arrays),
            Reference.from_arrays(arrays),
            civil=civil_time(pipeline),
            newcomers=NewcomerRules.from_arrays(arrays),
            trend=Trend.from_arrays(arrays),
            evidence_excess=evidence.from_arrays(arrays),
            history_ns=int(arrays[_HISTORY]) if _HISTORY in arrays else None,
        )


def score_windows(scaling: Scaling, detector: Detector, windows: Windows, civil: CivilTime = PLAIN) -> Floats:
    """Score windows by a detector that goes on from where training left each series.

    Args:
        scaling: the baselines.
        detector: the fitted detector.
        windows: n windows, each series in the order of time.
        civil: the clock on the wall.

    Returns:
        The scores, shape (n,).
    """
    rows = scaling.rows()
    row = np.array([rows.get(key, 0) for key in windows.keys], dtype=np.intp)
    followers = detector.followers(len(row), civil)
    followers.begin(np.arange(len(row)), row)
    x = scaling.transform(windows.values, row[windows.series])
    return followers.explain(windows.series, windows.begin_ns, x)[0]
