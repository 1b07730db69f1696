"""Windows that begin by a clock are the same in the UDF and in InfluxDB, over changes of the clock."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from anomaly.catchup.database import PipelineDatabase
from anomaly.catchup.run import CaughtUp, repair_span
from anomaly.influxdb.source import read_series_windows, read_window_counts, split_range
from anomaly.influxdb.times import TimeRange, resolve_range
from anomaly.nanoseconds import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from anomaly.pipeline import Pipeline, normalize
from anomaly.report.read import Step, read_steps, step_begins
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.periods import NO_DATA
from anomaly.training.fit import train
from anomaly.windows.assembler import Assembler, Settings
from anomaly.windows.cut import cut_of
from anomaly.windows.derivation import derivation_of
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from daemons.influxd import Influxd

AGGREGATES = ["mean", "sum", "count", "max", "last"]
RATE = {"fields": [{"name": "level", "rate": "1s"}], "aggregate": ["mean", "max"]}
DOUBLE = {"fields": [{"name": "double", "expression": "level * 2"}]}
# Both changes of each clock lie in one of these stretches.
STRETCHES = (("2024-02-28T00:00:00Z", "2024-04-12T00:00:00Z"), ("2024-09-25T00:00:00Z", "2024-11-10T00:00:00Z"))
# A fault over the night in which Berlin's clock is put back. Windows of 4 h begin at both of its ends.
FAULT = ("2024-10-26T18:00:00Z", "2024-10-27T11:00:00Z")
RISE = 1e6
CASES = [
    ("Europe/Berlin", "1d", {}),
    ("Europe/Berlin", "6h", {"fill": {"previous": "18h"}}),
    ("Europe/Berlin", "3h", RATE),
    ("America/Havana", "1d", {"fill": {"previous": "2d"}, **DOUBLE}),
    ("America/Havana", "2h", {}),
    ("Australia/Lord_Howe", "1h", {"fill": {"previous": "4h"}}),
    ("Australia/Lord_Howe", "2d", {}),
    ("Asia/Kolkata", "1d", {}),
]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND_NS


def points() -> list[tuple[int, float]]:
    """A level that grows, about every 20 minutes, with holes of some hours and of a day around the changes."""
    random = np.random.default_rng(7)
    times = np.concatenate([np.arange(ns(begin), ns(end), 20 * MINUTE_NS) for begin, end in STRETCHES])
    times += random.integers(0, 10 * MINUTE_NS, len(times))
    kept = random.random(len(times)) > 0.1
    for hole in ("2024-03-08T09:00:00Z", "2024-04-04T09:00:00Z", "2024-10-25T09:00:00Z", "2024-11-01T09:00:00Z"):
        kept &= (times < ns(hole)) | (times >= ns(hole) + int(random.integers(3, 27)) * HOUR_NS)
    times = times[kept]
    level = np.cumsum(random.integers(0, 9, len(times))).astype(float)
    level[(times >= ns(FAULT[0])) & (times < ns(FAULT[1]))] += RISE
    return list(zip(times.tolist(), level.tolist(), strict=True))


@pytest.fixture(scope="module")
def stored(influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    with Influxd(influxd_binary, tmp_path_factory.mktemp("clocks") / "influxdb") as influxd:
        influxd.create("db")
        influxd.client.write([f"m level={value} {time_ns}" for time_ns, value in points()], "db")
        yield influxd


def pipeline(zone: str, window: str, more: Mapping[str, Any]) -> Pipeline:
    plain = {"name": "p", "database": "db", "measurement": "m", "fields": ["level"], "detector": "robust_z"}
    (made,) = normalize([{**plain, "window": window, "timezone": zone, "aggregate": AGGREGATES, **more}])
    return made


Found = dict[int, list[float]]


def by_influxdb(influxd: Influxd, spec: Pipeline, begin: str, end: str, pieces: int) -> tuple[Found, Found]:
    """The windows that training reads in pieces, and what the query for counts tells of them, by their begins."""
    asked = resolve_range(spec, begin, end, 0)
    found, counted = Found(), Found()
    for piece in split_range(asked.begin_ns, asked.end_ns, cut_of(spec), least_windows=pieces):
        for read, into in ((read_series_windows, found), (read_window_counts, counted)):
            for windows in read(influxd.client, spec, *piece):
                for at, values, counts in zip(windows.begin_ns.tolist(), windows.values, windows.counts, strict=True):
                    into[at] = [*values.tolist(), *counts.tolist()]
    return found, counted


def by_udf(spec: Pipeline, begin: str, end: str) -> Found:
    """The windows that the UDF makes of the points of a range."""
    asked = resolve_range(spec, begin, end, 0)
    settings = Settings(
        spec.window_ns,
        0,
        0,
        1,
        spec.aggregate,
        idle_ns=SECOND_NS,
        oldest_ns=DAY_NS,
        derivation=derivation_of(spec),
        fill_ns=spec.fill.bound_ns,
        zone=spec.windows_zone,
    )
    assembler, found = Assembler(settings), Found()
    for time_ns, value in points():
        if asked.begin_ns <= time_ns < asked.end_ns:
            one = np.zeros(1, dtype=np.intp)
            assembler.add(one, np.array([time_ns]), np.array([[value]]), one.astype(np.uint64), None)
            closed = assembler.close(None)
            rows = zip(closed.begin_ns.tolist(), closed.values, closed.counts, strict=True)
            found.update((at, [*values.tolist(), *counts.tolist()]) for at, values, counts in rows)
    closed = assembler.close(None, everything=True)
    rows = zip(closed.begin_ns.tolist(), closed.values, closed.counts, strict=True)
    found.update((at, [*values.tolist(), *counts.tolist()]) for at, values, counts in rows)
    return found


@pytest.mark.parametrize(("zone", "window", "more"), CASES)
@pytest.mark.parametrize(("begin", "end"), STRETCHES)
def test_the_udf_and_influxdb_cut_the_same_windows(
    stored: Influxd, zone: str, window: str, more: Mapping[str, Any], begin: str, end: str
) -> None:
    spec = pipeline(zone, window, more)
    cut = cut_of(spec)

    found, counted = by_influxdb(stored, spec, begin, end, pieces=7)
    expected = by_udf(spec, begin, end)

    assert spec.windows_zone == zone
    newest = max(expected)
    # What stands after the last point is filled in the range that is read, and later than that by the UDF.
    assert {at for at in found if at <= newest} == expected.keys() == {at for at in counted if at <= newest}
    for at, numbers in expected.items():
        moment = f"{zone} {window} {datetime.fromtimestamp(at / 1e9, UTC)}"
        np.testing.assert_allclose(found[at], numbers, rtol=1e-9, err_msg=moment)
        assert np.isnan(counted[at][:-1]).tolist() == np.isnan(numbers[:-1]).tolist()
        assert counted[at][-1] == pytest.approx(numbers[-1])
    assert [cut.begin(at) for at in expected] == list(expected)
    has_changes = zone != "Asia/Kolkata"
    assert cut.are_odd(np.array(sorted(expected))).any() == has_changes


def plotted(step: Step) -> tuple[Any, ...]:
    """Return the severity of a step, and the lowest and the highest value of the level, and its expected range."""
    return step.severity, *(None if number is None else pytest.approx(number) for number in step.values["level"])


def steps_of(scores: Mapping[int, Mapping[str, Any]], edges: Sequence[int]) -> dict[int, tuple[float | None, ...]]:
    """Return what is plotted of scores in the steps between edges that have any, by their begins."""
    made: dict[int, tuple[float | None, ...]] = {}
    for first_ns, last_ns in pairwise(edges):
        inside = [fields for begin_ns, fields in scores.items() if first_ns <= begin_ns < last_ns]
        if inside:
            severity, value, low, high = (
                [fields[name] for fields in inside]
                for name in ("severity", "value_level", "expected_low_level", "expected_high_level")
            )
            made[first_ns] = (max(severity), min(value), max(value), fmean(low), fmean(high))
    return made


def test_a_catch_up_scores_local_windows_and_a_report_shows_them(stored: Influxd) -> None:
    spec = pipeline("Europe/Berlin", "4h", {"aggregate": ["mean"]})
    cut, asked = cut_of(spec), resolve_range(spec, *STRETCHES[1], 0)
    span = TimeRange(asked.begin_ns, asked.end_ns)
    parts = list(read_series_windows(stored.client, spec, span.begin_ns, span.end_ns))
    begins = np.concatenate([part.begin_ns for part in parts])
    values, counts = (np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "counts"))
    history = SeriesWindows((), begins, values, counts).where(np.asarray(values[:, 0] < RISE))
    model = train(spec, Windows.of_series([history]), "v", 0).model
    stored.create("results")
    database = PipelineDatabase(stored.client, spec, "results")

    def repaired() -> CaughtUp:
        return repair_span(spec, database, lambda version: model, Feedback(spec), span)

    assert repaired().changed
    scored = sorted(database.scored_begins((), span)[()])
    assert set(scored) <= set(begins.tolist())
    assert len(scored) > 0.9 * len(begins)
    assert not repaired().changed

    odd = [at for at in scored if cut.are_odd(np.array([at]))[0]]
    assert [(cut.end(at) - at) // HOUR_NS for at in odd] == [5]
    assert database.scores((), span)[odd[0]].suppressed
    before = database.whole_scores((), span)
    for at in (odd[0], scored[-3]):
        database.remove_score((), at)
    assert repaired().repaired.scores == 2
    assert database.whole_scores((), span) == before

    periods = [period for _, period, reason in database.closed_periods(span) if reason != NO_DATA]
    assert periods == [TimeRange(ns(FAULT[0]), ns(FAULT[1]))]
    step_ns, steps = read_steps(stored.client, "results", spec, span, (), spec.fields)
    assert step_ns == spec.window_ns
    assert {step.begin_ns: plotted(step) for step in steps} == steps_of(before, [*before, span.end_ns])
    assert step_begins(spec, span, step_ns)[-1] == cut.step(span.end_ns, -1)
    step_ns, steps = read_steps(stored.client, "results", spec, span, (), spec.fields, 20)
    grid = step_begins(spec, span, step_ns)
    assert step_ns > spec.window_ns
    assert odd[0] in grid
    assert len(grid) <= 20
    assert {step.begin_ns: plotted(step) for step in steps} == steps_of(before, [*grid, span.end_ns])
