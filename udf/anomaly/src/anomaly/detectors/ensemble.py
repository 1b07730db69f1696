"""Ensemble: the greatest of several detectors' scores, each in units of the level at which it says "anomalous".

The members see different things. The isolation forest knows what training has seen, all features together, and with a
long history never forgets: it finds a fault again when it comes again. The value gap, the slow gap, the seasonal
residual and the seasonal gap look at each feature for itself and go on learning. They find what is new, what creeps,
and what comes at the wrong time of day, for some windows or for a single one.

A member's level is the score that has the severity `_LEVEL` by the hold-out. It is at least the level that did best on
the Numenta Anomaly Benchmark, with one set of parameters for all its files: a history in which little is new does not
tell what is rare. With a long history, the slow gap's is at least one and a half times the surprise that one number in
fifty has (`anomaly.detectors.parts.surprise`). The first gaps that it sees are large, and the hold-out, which is ranked
among them, would put the level below that. Later they are few among all gaps, and one in fifty reaches it.

The forest looks at each window alone, so periods add up its surprises, as they do where it is the detector. Without
that the ensemble was worse than its part: on heat pumps it covered 13 % of the faults' time, and the forest 44 %.

Reference: Aggarwal and Sathe, "Theoretical Foundations and Algorithms for Outlier Ensembles", SIGKDD Explorations 17
(1), 2015: the maximum of scores that are made comparable first.

Example:
    A score of 1 is where one of the members says "anomalous".

    >>> import numpy as np
    >>> from anomaly.detectors import registry
    >>> from anomaly.detectors.base import FeatureHistory, follow
    >>> from anomaly.detectors.declaration import FitRequest
    >>> x = np.random.default_rng(0).normal(0.0, 1.0, (500, 1))
    >>> begin_ns = np.arange(600) * 60_000_000_000
    >>> history = FeatureHistory(x, np.zeros(500, dtype=np.intp), 1, begin_ns[:500], 60_000_000_000, is_long=False)
    >>> request = FitRequest(history, registry.declaration("ensemble").description.defaults)
    >>> detector, _ = registry.fit("ensemble", request)
    >>> scores, _ = follow(detector, 1).explain(begin_ns[500:502], np.array([[0.3], [9.0]]))
    >>> [bool(score > 1.0) for score in scores]
    [False, True]
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly.detectors import gap, isolation_forest, seasonal, seasonal_gap, slow_gap
from anomaly.detectors.base import Detector, Followers, WeighingFollowers
from anomaly.detectors.declaration import Arrays, Combined, Declaration, FitRequest, Fitted, HoldOut
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline.detectors import Description
from anomaly.severity.calibration import Calibration, calibrate
from anomaly.windows.arrays import AnyArray, Bools, Floats, Ints, Times
from anomaly.windows.civil import PLAIN, CivilTime

# Once in 1,000 days: well beyond where periods open, as the tails that far out decide which member is heard.
_LEVEL = 87.5


@dataclass(frozen=True, slots=True)
class _Member:
    """One of the ensemble's detectors, with its lowest level for a long and for a short history."""

    declaration: Declaration
    lowest_level: float
    lowest_level_when_short: float


_MEMBERS = (
    _Member(gap.DECLARATION, 0.06, 0.06),
    _Member(slow_gap.DECLARATION, 6.0, 3.0),
    _Member(seasonal.DECLARATION, 11.0, 11.0),
    _Member(seasonal_gap.DECLARATION, 0.11, 0.11),
    # With a short history the forest's score is a surprise (`anomaly.detectors.wrappers.running_tail`).
    _Member(isolation_forest.MEMBER, 0.0, 24.0),
)
# The arrays of the calibration of the member that looks at each window alone.
_ALONE = "ensemble_alone_"
_DECLARATIONS = {member.declaration.name: member.declaration for member in _MEMBERS}
MEMBERS = tuple(_DECLARATIONS)


def levels(hold_out: HoldOut) -> Floats:
    """Choose the members' levels.

    Args:
        hold_out: the members' scores, shape (n, m).

    Returns:
        Levels, shape (m,), in units of the members' scores.
    """
    lowest = np.array(
        [member.lowest_level if hold_out.is_long else member.lowest_level_when_short for member in _MEMBERS]
    )
    calibrating = hold_out.calibrating_scores
    if not len(calibrating):
        return lowest
    rare = [calibrate(scores, far=True).score_at(_LEVEL, hold_out.windows_per_day) for scores in calibrating.T]
    return np.asarray(np.maximum(rare, lowest))


class Ensemble:
    """The fitted ensemble.

    Attributes:
        members: fitted detectors by name.
        levels: the members' levels, shape (m,).
        alone: how rare a score is of the member that looks at each window alone; None where no member does, where there
            was no hold-out, and in models of a release that did not know it.
    """

    def __init__(self, members: Mapping[str, Detector], levels: Floats, alone: Calibration | None = None) -> None:
        self.members = members
        self.levels = levels
        self.alone = alone

    @property
    def adds_up(self) -> bool:
        """True: most members add windows up, and find runs of windows themselves."""
        return True

    def followers(self, capacity: int, civil: CivilTime = PLAIN) -> "EnsembleFollowers":
        """Make followers of each member, as `Detector.followers` says."""
        members = [member.followers(capacity, civil) for member in self.members.values()]
        return EnsembleFollowers(members, self.levels, _alone(self.members.values()), self.alone)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the members' arrays, their names, their levels, and the calibration of the one that looks alone."""
        arrays = {name: array for member in self.members.values() for name, array in member.arrays().items()}
        alone = {} if self.alone is None else self.alone.arrays(_ALONE)
        return {**arrays, **alone, "ensemble_members": np.array(list(self.members)), "ensemble_levels": self.levels}


class EnsembleFollowers(WeighingFollowers):
    """The members on up to `capacity` series.

    Args:
        members: the members' followers.
        levels: the members' levels.
        number: the number of the member that looks at each window alone; None where no member does.
        alone: how rare that member's scores are; None where nobody knows.
    """

    def __init__(
        self, members: Sequence[Followers], levels: Floats, number: int | None, alone: Calibration | None
    ) -> None:
        self._members = members
        self._levels = levels
        self._number = number
        self._alone = alone

    @property
    def bytes_per_series(self) -> int:
        """How many bytes a series takes in all members."""
        return sum(member.bytes_per_series for member in self._members)

    def explain(self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None) -> tuple[Floats, Floats]:
        """Score windows; a window's shares are those of the member with the greatest score."""
        scores, shares, _ = self.weigh(place, begin_ns, x, unlearnt)
        return scores, shares

    def weigh(
        self, place: Ints, begin_ns: Times, x: Floats, unlearnt: Bools | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Score windows, and say how rare each of them is to the member that looks at each window alone."""
        explained = [member.explain(place, begin_ns, x, unlearnt) for member in self._members]
        scores = np.stack([score for score, _ in explained], axis=1)
        surprises = np.zeros(len(x))
        if self._number is not None and self._alone is not None:
            surprises = self._alone.surprise(scores[:, self._number])
        scores = scores / self._levels
        greatest = scores.argmax(axis=1)
        shares = np.stack([share for _, share in explained])[greatest, np.arange(len(x))]
        return scores.max(axis=1), shares, surprises

    def begin(self, place: Ints, row: Ints) -> None:
        """Begin places in all members, as `Followers.begin` says."""
        for member in self._members:
            member.begin(place, row)

    def arrays(self, place: Ints) -> dict[str, AnyArray]:
        """Return what all members remember; their names differ."""
        return {name: array for member in self._members for name, array in member.arrays(place).items()}

    def restore(self, place: Ints, arrays: Arrays) -> None:
        """Replace what the members remember, as `Followers.restore` says."""
        before = [member.arrays(place) for member in self._members]
        try:
            for member in self._members:
                member.restore(place, arrays)
        except (KeyError, ValueError):
            for member, kept in zip(self._members, before, strict=True):
                member.restore(place, kept)
            raise


def combine(parts: Sequence[Detector], hold_out: HoldOut) -> Combined:
    """Make the ensemble of its fitted members.

    Args:
        parts: the members, in the order of `MEMBERS`.
        hold_out: their scores, shape (n, m).
    """
    chosen, number = levels(hold_out), _alone(parts)
    calibrating = hold_out.calibrating_scores
    alone, surprises = None, None
    if number is not None and len(calibrating):
        alone = calibrate(calibrating[:, number])
        surprises = alone.surprise(hold_out.scores[:, number])
    ensemble = Ensemble(dict(zip(MEMBERS, parts, strict=True)), chosen, alone)
    return Combined(ensemble, (hold_out.scores / chosen).max(axis=1), surprises)


def _alone(members: Iterable[Detector]) -> int | None:
    """Return the number of the member whose score is about one window; None if there is none."""
    return next((number for number, member in enumerate(members) if not member.adds_up), None)


def fit(request: FitRequest) -> Fitted:
    """Fit the members without a hold-out, so that each has its lowest level.

    Training fits the members itself, scores its hold-out by them, and calls `combine`.

    Args:
        request: history, the forest's parameters, and the rest.

    Returns:
        The ensemble, and the forest's estimator where the request asks for it.
    """
    fitted = [declaration.fit(request) for declaration in _DECLARATIONS.values()]
    nothing = HoldOut(np.empty((0, len(fitted))), DAY_NS / request.history.window_ns, request.history.is_long)
    estimators = (each.estimator for each in fitted if each.estimator is not None)
    return Fitted(combine([each.detector for each in fitted], nothing).detector, next(estimators, None))


def load(arrays: Arrays) -> Ensemble:
    """Make the fitted ensemble from its arrays.

    Args:
        arrays: what `arrays` of the fitted ensemble returned.

    Returns:
        An ensemble that scores as the stored one did.

    Raises:
        KeyError: an array is missing, or a stored member is not one of `MEMBERS`.
    """
    members = {name: _DECLARATIONS[name].load(arrays) for name in arrays["ensemble_members"].tolist()}
    alone = Calibration.from_arrays(arrays, _ALONE) if f"{_ALONE}levels" in arrays else None
    return Ensemble(members, np.asarray(arrays["ensemble_levels"], dtype=np.float64), alone)


DECLARATION = Declaration(
    description=Description(
        name="ensemble",
        summary="the greatest of the scores of gap, slow_gap, seasonal, seasonal_gap and the forest",
        sees="what its members see: `gap`, `slow_gap`, `seasonal`, `seasonal_gap`, and the forest",
        misses="what all its members miss",
        remembers="what its members remember",
        series_bytes=2_304,
        feature_bytes=10_944,
        parameters=isolation_forest.DECLARATION.description.parameters,
        part_bytes=32,
    ),
    fit=fit,
    load=load,
    members=tuple(_DECLARATIONS.values()),
    combine=combine,
)
