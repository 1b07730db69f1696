"""Series that report on change, as Home Assistant's do: trained, served and read again with `fill: previous`."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.arrays import Floats, Key
from anomaly.windows.cut import cut
from anomaly.windows.fill import Rule, SeriesFiller, Standing
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from kapacitor_udf import Point
from tests.unit.anomaly.served import SECOND_NS, Served, punctual

WINDOW_NS = 60 * SECOND_NS
T0 = 1_700_000_040 * SECOND_NS
DAY = 1_440
OFTEN, ON_CHANGE = 3, 7
# Seconds after T0, and the value.
Reports = list[tuple[int, float]]


def filling(fill: Any) -> Pipeline:
    document = {
        "name": "home",
        "database": "home",
        "measurement": "°C",
        "fields": ["value"],
        "group_by": ["entity"],
        "window": "1m",
        "fill": fill,
    }
    return punctual(normalize([document])[0])


PIPELINE = filling({"previous": "1h"})


def reports(entity: int, begin: int, end: int, level: float = 20.0) -> Reports:
    """What an entity reports in the minutes [begin, end): three each 20 s, the others a change each half an hour."""
    rng = np.random.default_rng(100 * entity + begin)
    every = 20 if entity < OFTEN else 1_800
    return [
        (second, level + round(float(rng.normal(0, 0.3)), 2))
        for second in range(60 * begin + 7 * entity, 60 * end, every)
    ]


def aggregated(pipeline: Pipeline, key: Key, written: Reports, end: int) -> SeriesWindows:
    """The windows of an entity up to the minute `end`, as they are read from InfluxDB."""
    by_window: dict[int, list[float]] = defaultdict(list)
    for second, value in written:
        by_window[second // 60].append(value)
    samples = [np.array(by_window[window]) for window in sorted(by_window)]
    values: Floats = np.array([[each.mean(), each.std(ddof=1) if len(each) > 1 else np.nan] for each in samples])
    counts: Floats = np.array([[len(each)] for each in samples], dtype=np.float64)
    begins = T0 + np.array(sorted(by_window), dtype=np.int64) * WINDOW_NS
    windows = SeriesWindows(key, begins, values, counts)
    if not pipeline.fill.bound_ns:
        return windows
    rule = Rule.of(cut(WINDOW_NS), pipeline.fill.bound_ns, pipeline.aggregate)
    filler = SeriesFiller(rule, key, Standing(1, 1), int(begins[0]))
    parts = [filler.add(windows, np.array([[each[-1]] for each in samples])), *filler.end(T0 + end * WINDOW_NS)]
    return SeriesWindows(
        key, *(np.concatenate([getattr(part, name) for part in parts]) for name in ("begin_ns", "values", "counts"))
    )


def named(entity: int) -> Key:
    return (f"sensor-{entity}",)


def history(pipeline: Pipeline) -> Windows:
    series = [aggregated(pipeline, named(each), reports(each, 0, DAY), DAY) for each in range(OFTEN + ON_CHANGE)]
    return Windows.of_series(series)


@pytest.fixture(scope="module")
def model() -> Model:
    return train(PIPELINE, history(PIPELINE), "20240101T000000Z-fill", seed=0).model


@pytest.fixture
def store(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store(tmp_path / "models", PIPELINE.name)
    store.write(model)
    store.promote(model.version)
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    return store


def points(written: dict[int, Reports]) -> list[Point]:
    return sorted(
        (
            Point(time=T0 + second * SECOND_NS, fields={"value": value}, tags={"entity": named(entity)[0]}, name="°C")
            for entity, each in written.items()
            for second, value in each
        ),
        key=lambda point: point.time,
    )


def scores(found: list[Point]) -> dict[tuple[str, int], float]:
    return {
        (str(point.tags["entity"]), point.time): float(point.fields["score"])
        for point in found
        if point.name == "score"
    }


def day_of(level: float, hours: int) -> dict[int, Reports]:
    """What all entities report after the training, where those that report on change do it at another level."""
    end = DAY + 60 * hours
    return {each: reports(each, DAY, end, 20.0 if each < OFTEN else level) for each in range(OFTEN + ON_CHANGE)}


def test_without_fill_a_series_on_change_has_nothing_to_train_on() -> None:
    pipeline = filling("none")
    trained = train(pipeline, history(pipeline), "v1", seed=0)
    of_series = np.bincount(trained.calibration_set.windows.series, minlength=OFTEN + ON_CHANGE)
    assert (of_series[:OFTEN] > DAY - 10).all()
    assert not of_series[OFTEN:].any()


def test_seven_series_on_change_that_say_95_are_found(store: Store) -> None:
    written = day_of(95.0, 3)
    with Served(PIPELINE, now_ns=T0 + DAY * WINDOW_NS) as udf:
        found = udf.points(points(written))
    opened = {point.tags["entity"] for point in found if point.name == "period"}
    assert opened == {named(each)[0] for each in range(OFTEN, OFTEN + ON_CHANGE)}
    assert {point.fields["reason"] for point in found if point.name == "period"} == {"value"}


def test_seven_calm_series_on_change_are_scored_and_calm(store: Store) -> None:
    with Served(PIPELINE, now_ns=T0 + DAY * WINDOW_NS) as udf:
        found = udf.points(points(day_of(20.0, 3)))
    by_entity: defaultdict[str, int] = defaultdict(int)
    for entity, _ in scores(found):
        by_entity[entity] += 1
    assert all(by_entity[named(each)[0]] >= 175 for each in range(OFTEN + ON_CHANGE))
    assert not [point for point in found if point.name == "period"]


def test_serving_and_reading_give_the_same_scores(store: Store, model: Model) -> None:
    written, end = day_of(95.0, 2), DAY + 120
    with Served(PIPELINE, now_ns=T0 + DAY * WINDOW_NS) as udf:
        served = scores(udf.points(points(written)) + udf.at(T0 + end * WINDOW_NS))
    scorer = Scorer(PIPELINE, EventCounter("", lambda message: None))
    read = {
        (named(each)[0], scored.begin_ns): scored.verdict.score
        for each, reported in written.items()
        for scored in scorer.feed(model, aggregated(PIPELINE, named(each), reported, end))
    }
    assert sorted(served) == sorted(read)
    np.testing.assert_allclose([served[at] for at in sorted(read)], [read[at] for at in sorted(read)], rtol=1e-9)


@pytest.mark.parametrize("cut", [10, 31, 45])
def test_a_restart_between_two_reports_changes_nothing(store: Store, cut: int) -> None:
    arriving, end_ns = points(day_of(95.0, 2)), T0 + (DAY + 120) * WINDOW_NS
    cut_ns = T0 + (DAY + cut) * WINDOW_NS
    early = [point for point in arriving if point.time < cut_ns]
    with Served(PIPELINE, now_ns=T0 + DAY * WINDOW_NS) as udf:
        whole = scores(udf.points(arriving) + udf.at(end_ns))
    with Served(PIPELINE, now_ns=T0 + DAY * WINDOW_NS) as udf:
        before, saved, now_ns = udf.points(early), udf.snapshot(), udf.now_ns
    with Served(PIPELINE, now_ns=now_ns, restore=saved) as udf:
        after = udf.points(arriving[len(early) :]) + udf.at(end_ns)
    assert scores(before + after) == whole


def test_a_value_stands_for_its_bound_and_the_series_is_silent_after_it(store: Store) -> None:
    written = {0: reports(0, DAY, DAY + 120), OFTEN: [(60 * DAY + 5, 20.1)]}
    with Served(PIPELINE, now_ns=T0 + DAY * WINDOW_NS) as udf:
        found = udf.points(points(written)) + udf.at(T0 + (DAY + 121) * WINDOW_NS)
    stood = [time for entity, time in scores(found) if entity == named(OFTEN)[0]]
    assert len(stood) == 61
    assert max(stood) == T0 + (DAY + 60) * WINDOW_NS
    silences = [point for point in found if point.name == "period" and point.tags["entity"] == named(OFTEN)[0]]
    assert [(point.time, point.fields["reason"]) for point in silences] == [(T0 + (DAY + 61) * WINDOW_NS, "no data")]
