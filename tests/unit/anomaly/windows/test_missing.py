"""Windows that lack a field: not scored, or scored by what they have."""

import math
from functools import cache

import numpy as np
import pytest

from anomaly.detectors.registry import NAMES
from anomaly.models.features import features, fit_scaling
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline, normalize
from anomaly.refusal import Refused
from anomaly.scoring.events import EventCounter
from anomaly.scoring.results import results
from anomaly.scoring.scorer import ScoredWindow, Scorer
from anomaly.training.fit import train
from anomaly.windows.arrays import Floats
from anomaly.windows.series import SeriesWindows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import Fault

BEGIN_S = 20_000


def pipeline(detector: str = "isolation_forest", missing: str = "usual") -> Pipeline:
    mapping = {**printers.PIPELINE.as_dict(), "detector": detector, "parameters": {}, "missing": missing}
    return normalize([mapping])[0]


def holes(samples: Floats) -> Floats:
    """The air of each third quarter of an hour is missing."""
    samples = samples.copy()
    samples[np.arange(len(samples)) // 900 % 3 == 2, 2] = np.nan
    return samples


@cache
def model(detector: str = "isolation_forest", missing: str = "usual") -> Model:
    windows = printers.windows(*(holes(printers.clean(seed, BEGIN_S)) for seed in (1, 2)))
    return train(pipeline(detector, missing), windows, "v1", seed=0).model


def run_of(samples: Floats) -> SeriesWindows:
    (run,) = printers.runs(printers.windows(samples, begin_ns=BEGIN_S * 10**9))
    return run


def scored(made: Model, samples: Floats, events: EventCounter | None = None) -> list[ScoredWindow]:
    scorer = Scorer(made.pipeline, events or EventCounter("", lambda message: None))
    return list(scorer.feed(made, run_of(samples)))


def broken(*faults: Fault) -> Floats:
    samples = printers.clean(7, 3_000)
    for fault in faults:
        printers.break_down(samples, fault)
    return samples


# Ten windows without air, one with four of its points, and ten without anything.
GAPS = (Fault("gap", (2,), 1_000, 106), Fault("gap", (0, 1, 2), 2_000, 100))


def test_skipped_windows_are_counted() -> None:
    events = EventCounter("", lambda message: None)
    assert len(scored(model(missing="skip"), broken(*GAPS), events)) == 300 - 10 - 1 - 10
    assert (events.counts["incomplete windows"], events.counts["cut-off windows"]) == (20, 1)
    assert "partial windows" not in events.counts


@pytest.mark.parametrize("detector", NAMES)
def test_a_missing_field_is_usual_and_a_window_without_any_is_not_scored(detector: str) -> None:
    events = EventCounter("", lambda message: None)
    made = model(detector)
    found = scored(made, broken(*GAPS), events)
    assert len(found) == 300 - 10
    assert (events.counts["incomplete windows"], events.counts["partial windows"]) == (10, 11)
    assert "cut-off windows" not in events.counts
    for each in found:
        lacks = 100 <= (each.begin_ns // 10**9 - BEGIN_S) // 10 < 111
        (score, *_) = results(made.pipeline, ("printer-1",), each)
        assert ("value_air" not in score.fields) == lacks
        assert (score.fields["contribution_air"] == 0.0) or not lacks
        assert math.isfinite(float(score.fields["score"]))
        shares = [float(score.fields[f"contribution_{field}"]) for field in made.pipeline.fields]
        assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("detector", NAMES)
def test_one_by_one_is_all_at_once(detector: str) -> None:
    made, run = model(detector), run_of(broken(*GAPS))
    together = [
        each.verdict.score for each in Scorer(made.pipeline, EventCounter("", lambda message: None)).feed(made, run)
    ]
    scorer = Scorer(made.pipeline, EventCounter("", lambda message: None))
    alone = [
        each.verdict.score
        for window in range(len(run))
        for each in scorer.feed(made, run.where(np.arange(len(run)) == window))
    ]
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-9)


@pytest.mark.parametrize("detector", ["ensemble", "isolation_forest"])
def test_faults_of_other_fields_are_found_while_one_is_missing(detector: str) -> None:
    found = scored(model(detector), broken(Fault("gap", (2,), 0, 3_000), Fault("offset", (1,), 1_000, 600, 9.0)))
    reasons = {period.reason for each in found for period in each.periods}
    assert reasons == {"bed"}
    calm = scored(model(detector), broken(Fault("gap", (2,), 1_000, 1_000)))
    assert [period for each in calm for period in each.periods] == []


def test_a_series_that_never_has_a_field_takes_its_scale_from_the_others() -> None:
    lacking = printers.clean(2, BEGIN_S)
    lacking[:, 2] = np.nan
    windows = printers.windows(printers.clean(1, BEGIN_S), lacking)
    scaling = fit_scaling(features(pipeline()), windows.keys, windows.series, windows.values, windows.counts)
    np.testing.assert_array_equal(scaling.center[2, 4:], scaling.center[1, 4:])
    assert scaling.center[2, 0] != scaling.center[1, 0]
    assert np.isfinite(scaling.center).all()
    made = train(pipeline("ensemble"), windows, "v1", seed=0).model
    assert made.knows(("printer-2",))


def test_a_field_that_is_hardly_ever_there_is_refused_by_name() -> None:
    samples = printers.clean(1, BEGIN_S)
    samples[300:, 2] = np.nan
    with pytest.raises(Refused, match="30 windows have the field 'air', at least 50 are needed"):
        train(pipeline(), printers.windows(samples), "v1", seed=0)
