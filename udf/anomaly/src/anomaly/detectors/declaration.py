"""What a detector says of itself: its description, how it is fitted, and how it is loaded.

Each detector's module ends with its `DECLARATION`, and `anomaly.detectors.registry` names the module in one line. The
rest of the package knows detectors by their declarations only: nothing asks for a detector's name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from anomaly.detectors.base import Detector, FeatureHistory
from anomaly.pipeline.detectors import Description
from anomaly.windows.arrays import AnyArray, Bools, Floats

# A detector as its model's file keeps it: arrays by name.
Arrays = Mapping[str, AnyArray]


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What a detector is fitted with. A fit is deterministic for a seed, whatever `jobs` is.

    Attributes:
        history: the windows to learn from; a detector that cannot handle unknown features takes `history.filled`.
        parameters: the pipeline's parameters, all of them set.
        seed: of all that is random.
        keep_estimator: whether to return the library's own object, too.
        jobs: how many threads may fit at the same time.
    """

    history: FeatureHistory
    parameters: Mapping[str, Any]
    seed: int = 0
    keep_estimator: bool = False
    jobs: int = 1


class Fitted(NamedTuple):
    """What a fit returns.

    Attributes:
        detector: the detector that serves.
        estimator: the library's own object, for people (`model.joblib`); None where there is none or nobody asked.
    """

    detector: Detector
    estimator: object = None


@dataclass(frozen=True, slots=True)
class HoldOut:
    """What a detector's p parts said of windows that they were not trained on.

    Attributes:
        scores: shape (n, p), in the order of `Declaration.parts`; n may be 0.
        windows_per_day: how many windows a day has, for one series.
        is_long: whether the history is long (`FeatureHistory.is_long`).
        calibrating: which of them tell how rare a score is, shape (n,); None: all. The others are only scored.
    """

    scores: Floats
    windows_per_day: float
    is_long: bool
    calibrating: Bools | None = None

    @property
    def calibrating_scores(self) -> Floats:
        """The scores of the k windows that tell how rare a score is, shape (k, p)."""
        return self.scores if self.calibrating is None else self.scores[self.calibrating]


class Combined(NamedTuple):
    """A detector that was made of its fitted parts.

    Attributes:
        detector: the detector.
        scores: its own scores of the hold-out, shape (n,).
        surprises: how rare each window of the hold-out is by itself, shape (n,), where its followers tell that
            (`WeighingFollowers`); None where they do not.
    """

    detector: Detector
    scores: Floats
    surprises: Floats | None = None


def _the_only_one(parts: Sequence[Detector], hold_out: HoldOut) -> Combined:
    (detector,) = parts
    return Combined(detector, hold_out.scores[:, 0])


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One detector.

    Attributes:
        description: what people and the controller need to know of it.
        fit: fits it to a history.
        load: makes a fitted detector from its arrays; raises KeyError, TypeError or ValueError where they do not fit.
        members: the declarations of the detectors that it is made of; empty for all but ensembles.
        combine: makes the detector of its fitted parts and their hold-out.
        least_bytes: size of its smallest model for one series, in bytes as arrays, by the parameters and the number of
            features and columns; None where there are no models for each series.
    """

    description: Description
    fit: Callable[[FitRequest], Fitted]
    load: Callable[[Arrays], Detector]
    members: tuple["Declaration", ...] = ()
    combine: Callable[[Sequence[Detector], HoldOut], Combined] = _the_only_one
    least_bytes: Callable[[Mapping[str, Any], int], int] | None = None

    def __post_init__(self) -> None:
        fits_series = any(part.least_bytes for part in self.parts)
        if fits_series != self.description.per_series:
            raise ValueError(
                f"{self.name} {'has' if self.description.per_series else 'lacks'} the parameter 'models', which goes "
                "with `least_bytes`: declare both, or neither"
            )

    @property
    def name(self) -> str:
        """What a pipeline's `detector` says."""
        return self.description.name

    @property
    def parts(self) -> tuple["Declaration", ...]:
        """What training fits and scores: the members, or the detector itself where it has none."""
        return self.members or (self,)

    def least_series_bytes(self, parameters: Mapping[str, Any], width: int) -> int:
        """Return the size of the smallest model for one series.

        Args:
            parameters: the pipeline's parameters.
            width: the number of features and columns.

        Returns:
            Bytes; 0 where there are no models for each series.
        """
        return sum(part.least_bytes(parameters, width) for part in self.parts if part.least_bytes)
