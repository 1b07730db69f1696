"""Another model beside the current one, and in its place: no window lost, none scored twice, none by two models."""

from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.results import Result
from anomaly.serving import watcher
from anomaly.serving.shadow import Shadow
from kapacitor_udf import Point
from tests.unit.anomaly import printers, served
from tests.unit.anomaly.serving.test_handler import T0, batch, blocks, harness, named
from tests.unit.anomaly.serving.test_watcher import Clock

SAMPLES = printers.clean(7, 600)


def stricter(model: Model, version: str) -> Model:
    """Another version with other severities."""
    known = model.calibration
    corners = known.corners * np.array([[1.5], [1.0]])
    calibration = replace(known, levels=known.levels * 1.5, corners=corners, excess=known.excess * 1.5)
    return replace(model, version=version, calibration=calibration)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The handler's clock: it looks for another model when this moves."""
    clock = Clock()
    monkeypatch.setattr(served, "pace_clock", clock)
    return clock


@pytest.fixture
def models(store: Store, model: Model, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    store.write(stricter(model, "v2"))
    return store


def test_a_swap_under_way_loses_no_window_and_mixes_no_versions(models: Store, model: Model, clock: Clock) -> None:
    broken = SAMPLES.copy()
    broken[280:330, 1] += 20
    points: list[Point] = []
    with harness() as udf:
        for number, block in enumerate(blocks(broken)):
            if number == 30:
                models.promote("v2")
                clock.now += 1
            points += udf.feed([batch(number, block)])
    scores = named(points, "score")
    assert [point.time for point in scores] == [T0 + number * printers.WINDOW_NS for number in range(60)]
    assert [point.fields["model"] for point in scores] == [model.version] * 30 + ["v2"] * 30
    # Each window is judged as by its own model from the beginning.
    windows = printers.windows(broken)
    expected = {
        judge.version: printers.judge(judge, ("printer-1",), windows.values) for judge in (model, stricter(model, "v2"))
    }
    for number, point in enumerate(scores):
        verdict = expected[str(point.fields["model"])][number]
        assert point.fields["severity"] == pytest.approx(verdict.severity, abs=1e-9)
    # A period that is open goes on, and is one.
    assert {point.time for point in named(points, "period")} == {T0 + 28 * printers.WINDOW_NS}


def test_windows_are_scored_while_a_large_model_is_loaded(
    models: Store, model: Model, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_MOST_AT_ONCE", 0)
    may_load, load = Event(), Store.load

    def slow(store: Store, version: str, pipeline: Pipeline) -> Model:
        if version == "v2":
            assert may_load.wait(60)
        return load(store, version, pipeline)

    monkeypatch.setattr(Store, "load", slow)
    points: list[Point] = []
    with harness() as udf:
        for number, block in enumerate(blocks(SAMPLES)):
            if number == 20:
                models.promote("v2")
            if number == 40:
                may_load.set()
                udf.handler._watcher.wait()
            clock.now += 1
            points += udf.feed([batch(number, block)])

    scores = named(points, "score")
    assert [point.time for point in scores] == [T0 + number * printers.WINDOW_NS for number in range(60)]
    assert [point.fields["model"] for point in scores] == [model.version] * 40 + ["v2"] * 20
    severities = printers.judge(stricter(model, "v2"), ("printer-1",), printers.windows(SAMPLES).values)
    assert [point.fields["severity"] for point in scores[40:]] == pytest.approx(
        [verdict.severity for verdict in severities][40:], abs=1e-9
    )


def test_a_shadow_scores_beside_and_changes_nothing(models: Store, model: Model, clock: Clock) -> None:
    with harness() as udf:
        alone = udf.feed([batch(number, block) for number, block in enumerate(blocks(SAMPLES))])
    models.set_shadow("v2")
    with harness() as udf:
        points = udf.feed([batch(number, block) for number, block in enumerate(blocks(SAMPLES))])
    assert [point for point in points if not point.name.endswith("_shadow")] == alone
    shadows = named(points, "score_shadow")
    assert [point.time for point in shadows] == [point.time for point in named(points, "score")]
    assert {point.fields["model"] for point in shadows} == {"v2"}
    assert shadows[0].tags == {"pipeline": "printer", "printer": "printer-1"}


def test_a_shadow_has_periods_of_its_own_and_ends_when_it_is_taken_away(
    models: Store, model: Model, clock: Clock
) -> None:
    broken = SAMPLES.copy()
    broken[100:150, 1] += 20
    models.set_shadow("v2")
    points: list[Point] = []
    with harness() as udf:
        for number, block in enumerate(blocks(broken)):
            if number == 30:
                models.set_shadow(None)
                clock.now += 1
            points += udf.feed([batch(number, block)])
    assert {point.time for point in named(points, "period_shadow")} == {T0 + 10 * printers.WINDOW_NS}
    assert len(named(points, "score_shadow")) == 30
    assert len(named(points, "score")) == 60


def test_a_series_that_is_forgotten_begins_without_a_period_in_the_shadow(models: Store) -> None:
    broken = SAMPLES.copy()
    broken[100:150, 1] += 20
    windows = printers.windows(broken, begin_ns=T0)
    is_before = windows.begin_ns < T0 + 13 * printers.WINDOW_NS
    models.set_shadow("v2")
    shadow = Shadow(models, printers.PIPELINE, lambda message: None, lambda: 0.0)

    found = list(shadow.feed(windows.where(is_before), Feedback(printers.PIPELINE)))
    shadow.forget(("printer-1",))
    found += shadow.feed(windows.where(~is_before), Feedback(printers.PIPELINE))

    begins = {each.time_ns for each in found if isinstance(each, Result) and each.measurement == "period_shadow"}
    assert begins == {T0 + 10 * printers.WINDOW_NS, T0 + 13 * printers.WINDOW_NS}
