"""The UDF through kapacitor_udf's harness: encoded and decoded as Kapacitor would."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.locations import MODELS_VARIABLE
from anomaly.models.model import Model, score_windows
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, canonical_json, normalize
from anomaly.serving import handler
from anomaly.serving.udf import declaration
from kapacitor_udf import Batch, Point
from kapacitor_udf.testing import Harness
from tests.unit.anomaly import printers, served
from tests.unit.anomaly.printers import FIELDS, PIPELINE, WINDOW_NS
from tests.unit.anomaly.served import Served

T0 = 1_700_000_000_000_000_000
Feed = Callable[..., list[Point]]


@pytest.fixture
def models(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    return store


def harness(pipeline: Pipeline = PIPELINE, now_ns: int = T0, **more: Any) -> Served:
    return Served(pipeline, now_ns=now_ns, **more)


def batch(number: int, samples: Any, tags: Mapping[str, str] | None = None) -> Batch:
    """Window `number` after T0 with one point a second: rows of (hotend, bed, air), NaN where a field is missing."""
    begin = T0 + number * WINDOW_NS
    points = [
        Point(
            time=begin + second * 1_000_000_000,
            fields={name: float(value) for name, value in zip(FIELDS, row, strict=True) if np.isfinite(value)},
            tags=dict(tags if tags is not None else {"printer": "printer-1"}),
        )
        for second, row in enumerate(samples)
    ]
    return Batch(
        name="temperature",
        tags=dict(tags if tags is not None else {"printer": "printer-1"}),
        points=[point for point in points if point.fields],
        tmax=begin + WINDOW_NS,
    )


def blocks(samples: Any) -> Iterator[Any]:
    yield from samples.reshape(-1, printers.WINDOW, 3)


def named(points: list[Point], name: str) -> list[Point]:
    return [point for point in points if point.name == name]


def periods(points: list[Point]) -> list[dict[str, Any]]:
    """As InfluxDB keeps them."""
    kept = {(tuple(sorted(point.tags.items())), point.time): dict(point.fields) for point in named(points, "period")}
    return list(kept.values())


CLEAN = printers.clean(7, 600)


def test_metrics_tell_the_model_and_the_counts(models: Store, model: Model) -> None:
    with harness() as udf:
        assert "model" not in udf.metrics()[0].fields
        udf.feed([batch(number, block) for number, block in zip(range(3), blocks(CLEAN), strict=False)])
        udf.tick()
        (metrics,) = udf.metrics()
    assert (metrics.name, metrics.tags["udf"]) == ("udf", "anomaly")
    assert metrics.fields["model"] == model.version
    assert (metrics.fields["scored_windows"], metrics.fields["groups"]) == (3, 1)


def test_windows_of_many_series_are_scored_in_parts(models: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "_CLOSING_AT_ONCE", 2)
    names = [f"printer-{number}" for number in range(5)]
    with harness() as udf:
        every = udf.handler.tick_seconds
        block = next(blocks(CLEAN))
        at_once = named(udf.feed([batch(0, block, {"printer": name}) for name in names]), "score")
        soon, parts = udf.handler.tick_seconds, [len(at_once)]
        while udf.handler.tick_seconds != every:
            parts.append(len(named(udf.tick(), "score")))
    assert soon < every
    assert parts == [2, 2, 1]


def test_a_score_is_what_the_contract_says(models: Store, model: Model) -> None:
    with harness() as udf:
        (score,) = udf.batch(batch(0, CLEAN[:10]))
    assert score.name == "score"
    assert score.time == T0
    assert score.tags == {"pipeline": "printer", "printer": "printer-1"}
    assert list(score.dimensions) == ["pipeline", "printer"]
    fields = score.fields
    assert set(fields) == {"score", "threshold", "severity", "label", "model"} | {
        f"{prefix}_{name}" for prefix in ("value", "expected_low", "expected_high", "contribution") for name in FIELDS
    }
    assert type(fields["label"]) is int
    assert fields["label"] == 0
    assert fields["model"] == model.version
    assert fields["threshold"] == pytest.approx(model.threshold(75))
    assert sum(fields[f"contribution_{name}"] for name in FIELDS) == pytest.approx(1)
    for index, name in enumerate(FIELDS):
        assert fields[f"value_{name}"] == pytest.approx(CLEAN[:10, index].mean(), abs=1e-9)
        assert fields[f"expected_low_{name}"] < fields[f"value_{name}"] < fields[f"expected_high_{name}"]


def test_serving_scores_as_training_did(models: Store, model: Model) -> None:
    windows = printers.windows(CLEAN)
    expected = score_windows(model.scaling, model.detector, windows)
    with harness() as udf:
        points = udf.feed([batch(number, block) for number, block in enumerate(blocks(CLEAN))])
    scores = np.array([point.fields["score"] for point in named(points, "score")], dtype=np.float64)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def test_a_period_is_one_point_that_is_updated(models: Store, model: Model) -> None:
    samples = CLEAN.copy()
    samples[100:150, 1] += 20 * 0.4
    with harness() as udf:
        points = udf.feed([batch(number, block) for number, block in enumerate(blocks(samples))])
    written = named(points, "period")
    assert {point.time for point in written} == {T0 + 10 * WINDOW_NS}
    assert [point.fields["state"] for point in written] == ["open"] * 5 + ["closed"]
    (period,) = periods(points)
    assert written[-1].tags == {"pipeline": "printer", "printer": "printer-1"}
    assert period == {
        "begin_ms": (T0 + 10 * WINDOW_NS) // 1_000_000,
        "end_ms": (T0 + 15 * WINDOW_NS) // 1_000_000,
        "state": "closed",
        "peak_score": pytest.approx(max(point.fields["score"] for point in named(points, "score"))),
        "peak_severity": 100.0,
        "points": 5,
        "reason": "bed",
        "model": model.version,
        "text": period["text"],
    }
    assert re.fullmatch(
        r"anomalous from 2023-11-14 \d\d:\d\d:\d\d UTC for 50s, because of bed, peak severity 100\.0: "
        r"once in 27 years or more rarely; at 2023-11-14 \d\d:\d\d:\d\d UTC bed was [\d.]+, "
        r"above the expected [\d.]+ to [\d.]+.*",
        str(period["text"]),
    )
    assert [point.fields["label"] for point in named(points, "score")] == [0] * 10 + [1] * 5 + [0] * 45
    assert all(type(period[name]) is int for name in ("begin_ms", "end_ms", "points"))


def test_series_have_states_of_their_own(models: Store) -> None:
    broken = CLEAN.copy()
    broken[100:150, 0] += 20
    with harness() as udf:
        points = []
        for number, (bad, good) in enumerate(zip(blocks(broken), blocks(CLEAN), strict=True)):
            points += udf.feed([batch(number, bad, {"printer": "a"}), batch(number, good, {"printer": "b"})])
    assert {point.tags["printer"] for point in named(points, "period")} == {"a"}
    assert len(named(points, "score")) == 120


def test_late_and_early_points_do_not_count(models: Store) -> None:
    whole = batch(1, CLEAN[:10])
    stray = [Point(time=T0 + 9_999_999_999, fields={"hotend": 900.0}), Point(time=whole.tmax, fields={"hotend": 900.0})]
    with harness() as udf:
        (expected,) = udf.batch(whole)
    with harness() as udf:
        udf.batch(batch(0, CLEAN[:10]))
        points = udf.batch(Batch("temperature", whole.tags, [stray[0], *whole.points], whole.tmax))
        points += udf.points([Point(time=stray[1].time, fields=stray[1].fields, tags=whole.tags)])
        assert udf.handler.events.counts["late points"] == 1
    (score,) = named(points, "score")
    assert score.fields == expected.fields


def test_integers_are_numbers_and_text_is_not(models: Store) -> None:
    whole = batch(0, np.round(CLEAN[:10]))
    for point in whole.points:
        point.fields["hotend"] = int(point.fields["hotend"])
    whole.points.append(Point(time=T0 + 1, fields={"bed": "hot", "air": "true"}))
    with harness() as udf:
        (score,) = named(udf.batch(whole), "score")
        assert udf.handler.events.counts["values that are not numbers"] == 2
    assert score.fields["value_hotend"] == pytest.approx(np.round(CLEAN[:10, 0]).mean())


def test_an_incomplete_window_is_counted_and_not_scored(models: Store) -> None:
    samples = CLEAN[:10].copy()
    samples[:, 1] = np.nan
    with harness() as udf:
        assert udf.batch(batch(0, samples)) == []
        assert udf.handler.events.counts == {"incomplete windows": 1}
        assert any("mean(bed) of printer-1 is missing" in line for line in udf.log)


def test_a_cut_off_window_is_counted_and_not_scored(models: Store) -> None:
    with harness() as udf:
        assert udf.batch(batch(0, CLEAN[:4])) == []
        assert udf.handler.events.counts == {"cut-off windows": 1}
        udf.tick()
        (metrics,) = udf.metrics()
    # docs/architecture.md names the field so.
    assert metrics.fields["cut_off_windows"] == 1


def test_silence_is_a_period_when_data_returns(models: Store) -> None:
    with harness() as udf:
        udf.batch(batch(0, CLEAN[:10]))
        points = udf.batch(batch(20, CLEAN[10:20]))
    (period,) = periods(points)
    assert (period["reason"], period["state"], period["points"]) == ("no data", "closed", 0)
    assert (period["begin_ms"], period["end_ms"]) == (
        (T0 + WINDOW_NS) // 1_000_000,
        (T0 + 20 * WINDOW_NS) // 1_000_000,
    )


def test_a_field_that_is_long_missing_is_silence_too(models: Store) -> None:
    samples = CLEAN.copy()
    samples[100:300, 2] = np.nan
    with harness() as udf:
        points = udf.feed([batch(number, block) for number, block in enumerate(blocks(samples))])
    (period,) = periods(points)
    assert (period["begin_ms"], period["end_ms"]) == (
        (T0 + 10 * WINDOW_NS) // 1_000_000,
        (T0 + 30 * WINDOW_NS) // 1_000_000,
    )


def test_without_a_model_windows_are_counted_until_there_is_one(
    models: Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    (models.path / "current").unlink()
    now = [0.0]
    monkeypatch.setattr(served, "pace_clock", lambda: now[0])
    with harness() as udf:
        assert udf.batch(batch(0, CLEAN[:10])) == []
        assert udf.batch(batch(1, CLEAN[:10])) == []
        assert udf.handler.events.counts == {"unscored windows": 2}
        assert sum("playbooks/train.yml" in line for line in udf.log) == 1
        models.promote(model.version)
        now[0] = 1e9
        assert len(udf.batch(batch(2, CLEAN[:10]))) == 1


def test_a_restart_from_a_snapshot_goes_on(models: Store) -> None:
    samples = CLEAN.copy()
    samples[100:200, 0] += 20
    windows = [batch(number, block) for number, block in enumerate(blocks(samples))]
    with harness() as udf:
        whole = udf.feed(windows)
    for cut in (5, 12, 19, 25):
        with harness() as udf:
            before = udf.feed(windows[:cut])
            saved = udf.snapshot()
        with harness(now_ns=udf.now_ns, restore=saved) as udf:
            after = udf.feed(windows[cut:])
        assert periods(before + after) == periods(whole)
        assert named(before + after, "score") == named(whole, "score")


def test_a_snapshot_of_another_pipeline_starts_cold(models: Store) -> None:
    samples = CLEAN.copy()
    samples[100:200, 0] += 20
    with harness() as udf:
        udf.feed([batch(number, block) for number, block in enumerate(blocks(samples[:150]))])
        saved = udf.snapshot()
    other = normalize([{**PIPELINE.as_dict(), "periods": {"open": 90}}])[0]
    with harness(other, restore=saved) as udf:
        assert udf.handler.snapshot() == b""


def test_a_series_without_the_tag_keeps_it_empty(models: Store) -> None:
    with harness() as udf:
        found = udf.batch(batch(0, CLEAN[:10], {"printer": ""}))
    (score,), (notice,) = named(found, "score"), named(found, "notice")
    assert len(found) == 2
    assert score.tags == {"pipeline": "printer", "printer": ""}
    assert notice.tags == {"pipeline": "printer", "printer": "", "notice": "warm_up"}
    assert list(score.dimensions) == ["pipeline", "printer"]


def test_a_wrong_specification_fails_init_with_its_messages() -> None:
    from kapacitor_udf import InitError

    with pytest.raises(InitError, match="did you mean window"):
        Harness(declaration(), options={"spec": '{"name": "x", "windo": "10s"}'}).__enter__()


LOADED = """
import sys
from kapacitor_udf.testing import Harness
from kapacitor_udf import Point
from anomaly.serving.udf import declaration
declaration()
assert 'numpy' not in sys.modules, 'numpy is loaded before Info'
udf = Harness(declaration(), options={'spec': sys.argv[1]})
points = []
for n in range(40):
    fields = {'hotend': 220 + n / 10, 'bed': 90.1 - n / 9, 'air': 28 + n % 3}
    points.append(Point(time=n * 10**9, fields=fields, tags={'printer': 'printer-1'}))
assert udf.feed(points)
print(sorted({'sklearn', 'pandas', 'scipy', 'joblib', 'requests'} & set(sys.modules)))
"""


def test_serving_loads_no_training_library_and_numpy_only_after_info(models: Store, tmp_path: Path) -> None:
    output = subprocess.run(
        [sys.executable, "-c", LOADED, canonical_json(PIPELINE)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert output.stdout.strip() == "[]"
