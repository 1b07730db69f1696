"""A catch-up against a real InfluxDB: whatever was missed, the results end as if nothing had happened."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.catchup.database import PipelineDatabase
from anomaly.catchup.run import CaughtUp, repair_span
from anomaly.cli import main
from anomaly.influxdb.lines import line
from anomaly.influxdb.marks import read_feedback
from anomaly.influxdb.source import read_series_windows
from anomaly.influxdb.times import TimeRange
from anomaly.kapacitor.tickscript import declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline, canonical_json, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import MAINTENANCE, Feedback, Mark
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.scoring.results import Fields, Result, period_result, results, series_tags
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.series import SeriesWindows
from daemons.influxd import Influxd
from daemons.kapacitord import Kapacitord, wait_until
from tests.conformance.closeness import is_close
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, PIPELINE, WINDOW_NS, Fault

ROOT = Path(__file__).parents[2]
BEGIN_NS = 1_704_067_200_000_000_000
SECONDS = 4_000
WINDOWS = SECONDS // printers.WINDOW
# The last windows are the UDF's.
SPAN = TimeRange(BEGIN_NS, BEGIN_NS + (WINDOWS - 10) * WINDOW_NS)
STREAM = TimeRange(BEGIN_NS, BEGIN_NS + WINDOWS * WINDOW_NS)
# A long fault and a silence, with quiet around them; in windows: 150 to 180, 300 to 320.
FAULTS = (Fault("offset", (1,), 1_500, 300, 9.0), Fault("gap", (0, 1, 2), 3_000, 200))


@pytest.fixture(scope="module")
def model() -> Model:
    windows = printers.windows(printers.clean(1, 20_000), printers.clean(2, 20_000))
    return train(PIPELINE, windows, "first", seed=0).model


@pytest.fixture(scope="module")
def server(influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Influxd]:
    """Two printers, of which the first breaks down, and the results as they are when nothing happens."""
    with Influxd(influxd_binary, tmp_path_factory.mktemp("server") / "influxdb") as server:
        server.create("printer", "whole")
        for number in (1, 2):
            samples = printers.clean(30 + number, SECONDS)
            for fault in FAULTS if number == 1 else ():
                printers.break_down(samples, fault)
            server.client.write(list(_lines(f"printer-{number}", samples)), "printer")
        stream(server, model, "whole")
        yield server


@pytest.fixture(scope="module")
def long(server: Influxd) -> TimeRange:
    """A third printer, earlier and much longer than the replay's usual lead-in, with the same fault twice."""
    samples = printers.clean(33, 1_500 * printers.WINDOW)
    for start in (4_000, 12_000):
        printers.break_down(samples, Fault("offset", (1,), start, 100, 9.0))
    begin_ns = BEGIN_NS - 10_000 * WINDOW_NS
    server.client.write(list(_lines("printer-3", samples, begin_ns)), "printer")
    return TimeRange(begin_ns, begin_ns + 1_500 * WINDOW_NS)


@pytest.fixture
def influxdb(server: Influxd) -> Iterator[Influxd]:
    """The server with an empty database for the results of a test."""
    server.create("broken")
    yield server
    assert list(server.client.query('DROP DATABASE "broken"', "")) == []


def _lines(printer: str, samples: np.ndarray, begin_ns: int = BEGIN_NS, step_ns: int = 1_000_000_000) -> Iterator[str]:
    for number, row in enumerate(samples.tolist()):
        fields = ",".join(f"{name}={value}" for name, value in zip(FIELDS, row, strict=True) if np.isfinite(value))
        if fields:
            yield f"temperature,printer={printer} {fields} {begin_ns + number * step_ns}"


@dataclass(frozen=True)
class Outage:
    """Windows first <= number < last are missed. state: what the tracker has afterwards: what it had when it ended
    (`kept`), nothing (`lost`), or it went on running and saw nothing (`ran`)."""

    first: int
    last: int
    state: str
    printer: str | None = None


def stream(
    influxd: Influxd, model: Model, database: str, outages: Sequence[Outage] = (), stretch: TimeRange = STREAM
) -> None:
    """What the UDF would have written."""
    pipeline = model.pipeline
    scorer = Scorer(pipeline, EventCounter("", lambda message: None))
    lines = []
    coming = sorted(outages, key=lambda outage: outage.last)
    for run in sorted(_windows(influxd, stretch, pipeline), key=lambda run: (int(run.begin_ns[0]), run.key)):
        number = (int(run.begin_ns[0]) - stretch.begin_ns) // WINDOW_NS
        while coming and coming[0].last <= number:
            if (over := coming.pop(0)).state != "ran":
                state = scorer.state() if over.state == "kept" else {}
                scorer = Scorer(pipeline, EventCounter("", lambda message: None))
                scorer.restore(state)
        if any(each.first <= number < each.last and each.printer in (None, *run.key) for each in coming):
            continue
        for scored in scorer.feed(model, run):
            lines += [line(result) for result in results(pipeline, run.key, scored)]
    influxd.client.write(lines, database)


def _windows(influxd: Influxd, stretch: TimeRange = STREAM, pipeline: Pipeline = PIPELINE) -> Iterator[SeriesWindows]:
    """One by one; the clock closes the last one of each series."""
    for run in read_series_windows(influxd.client, pipeline, stretch.begin_ns, stretch.end_ns):
        for at in range(len(run)):
            yield run.where(np.arange(len(run)) == at)


def caught_up(
    influxd: Influxd,
    models: Callable[[str | None], Model],
    span: TimeRange = SPAN,
    marks: Sequence[Mark] = (),
    progress: Callable[[str], None] = lambda message: None,
    *,
    dry_run: bool = False,
) -> CaughtUp:
    pipeline = models(None).pipeline
    database, feedback = PipelineDatabase(influxd.client, pipeline, "broken"), Feedback(pipeline, marks)
    return repair_span(pipeline, database, models, feedback, span, progress, dry_run=dry_run)


def content(influxd: Influxd, database: str) -> dict[str, dict[tuple[str, int], dict[str, Any]]]:
    """Points by measurement, printer and time."""
    return {
        measurement: {
            (part.tags["printer"], row[0]): dict(zip(part.columns[1:], row[1:], strict=True))
            for part in influxd.client.query(f'SELECT * FROM "{measurement}" GROUP BY "printer"', database)
            for row in part.rows
        }
        for measurement in ("score", "period")
    }


def assert_equal(one: Any, other: Any) -> None:
    """Floats up to the last bits: a window scored alone is added up in another order than one among many."""
    for measurement in ("period", "score"):
        assert one[measurement].keys() == other[measurement].keys(), measurement
        for key, fields in one[measurement].items():
            for name, value in fields.items():
                wanted = other[measurement][key][name]
                assert is_close(value, wanted), (measurement, key, name, value, wanted)


OUTAGES = {
    "nothing": [],
    "in quiet": [Outage(40, 90, "kept")],
    "one window, state lost": [Outage(60, 61, "lost")],
    "a fault within": [Outage(140, 230, "kept")],
    "a fault begins in it, state kept": [Outage(130, 160, "kept")],
    "a fault begins in it, state lost": [Outage(130, 160, "lost")],
    "a fault ends in it, state kept": [Outage(170, 220, "kept")],
    "a fault ends in it, state lost": [Outage(170, 220, "lost")],
    "a fault goes through, state kept": [Outage(155, 175, "kept")],
    "a fault goes through, state lost": [Outage(155, 175, "lost")],
    "no subscription in quiet": [Outage(40, 90, "ran")],
    "no subscription in a fault": [Outage(155, 170, "ran")],
    "a silence within": [Outage(290, 330, "lost")],
    "a restart in a silence": [Outage(318, 322, "lost")],
    "one series only": [Outage(155, 170, "lost", "printer-1")],
    "twice": [Outage(20, 50, "lost"), Outage(160, 170, "lost")],
    "twice in a fault": [Outage(152, 155, "lost"), Outage(170, 172, "kept")],
}


@pytest.mark.parametrize("outages", OUTAGES.values(), ids=list(OUTAGES))
def test_it_ends_as_if_nothing_had_happened(influxdb: Influxd, model: Model, outages: list[Outage]) -> None:
    stream(influxdb, model, "broken", outages)
    expected, before = content(influxdb, "whole"), content(influxdb, "broken")
    missing = len(expected["score"]) - len(before["score"])

    dry = caught_up(influxdb, lambda version: model, dry_run=True)
    assert content(influxdb, "broken") == before
    first = caught_up(influxdb, lambda version: model)
    assert_equal(content(influxdb, "broken"), expected)
    assert first.repaired == dry.repaired
    assert first.repaired.scores == missing
    assert first.changed == bool(outages)

    after = content(influxdb, "broken")
    second = caught_up(influxdb, lambda version: model)
    assert not second.changed
    assert content(influxdb, "broken") == after


def remembering(detector: str) -> Model:
    mapping = {key: value for key, value in PIPELINE.as_dict().items() if key != "parameters"}
    (pipeline,) = normalize([mapping | {"detector": detector}])
    return train(pipeline, printers.windows(printers.clean(1, 20_000), printers.clean(2, 20_000)), "first", 0).model


@pytest.mark.parametrize("detector", ["gap", "slow_gap", "seasonal", "half_space_trees", "ensemble"])
def test_what_a_detector_remembers_is_as_if_nothing_had_happened(
    influxdb: Influxd, long: TimeRange, detector: str
) -> None:
    """What it learnt long before the gap, and in it; scores that are there stay, as its periods go on otherwise."""
    model = remembering(detector)
    influxdb.create("unbroken")
    stream(influxdb, model, "unbroken", stretch=long)
    stream(influxdb, model, "broken", [Outage(1_190, 1_230, "kept")], long)
    expected, before = content(influxdb, "unbroken"), content(influxdb, "broken")
    assert list(influxdb.client.query('DROP DATABASE "unbroken"', "")) == []
    said: list[str] = []
    span = TimeRange(long.begin_ns, long.end_ns - 10 * WINDOW_NS)
    assert caught_up(influxdb, lambda version: model, span, progress=said.append).repaired.scores == 40
    after = content(influxdb, "broken")
    missing = expected["score"].keys() - before["score"].keys()
    assert_equal(
        {"score": {key: after["score"][key] for key in missing}, "period": after["period"]},
        {"score": {key: expected["score"][key] for key in missing}, "period": expected["period"]},
    )
    for key, fields in before["score"].items():
        assert after["score"][key] == {**fields, "label": expected["score"][key]["label"]}
    assert not any("led in" in message for message in said)
    assert not caught_up(influxdb, lambda version: model, span).changed


def test_a_memory_that_reaches_back_too_far_is_cut_off_and_that_is_said(
    influxdb: Influxd, long: TimeRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = remembering("gap")
    stream(influxdb, model, "broken", [Outage(1_190, 1_230, "kept")], long)
    monkeypatch.setattr("anomaly.catchup.run._MOST_LEAD_IN", 1_100)
    said: list[str] = []
    span = TimeRange(long.begin_ns, long.end_ns - 10 * WINDOW_NS)
    assert caught_up(influxdb, lambda version: model, span, progress=said.append).repaired.scores == 40
    since = rfc3339(long.begin_ns)
    assert any(f"gap has learnt since {since}, which is further back than 1100 windows" in text for text in said)


def test_scores_that_are_there_are_never_changed(influxdb: Influxd, model: Model) -> None:
    """The model was exchanged after an outage: what it missed is scored by the new one, its neighbours stay."""
    other = train(PIPELINE, printers.windows(printers.clean(3, 20_000)), "second", seed=1).model
    stream(influxdb, model, "broken", [Outage(155, 175, "lost")])
    before = content(influxdb, "broken")["score"]
    asked = []

    def models(version: str | None) -> Model:
        asked.append(version)
        return model if version == "first" else other

    caught_up(influxdb, models)
    after = content(influxdb, "broken")["score"]
    assert {key: after[key] for key in before} == before
    assert {after[key]["model"] for key in after.keys() - before.keys()} == {"second"}
    assert set(asked) == {None, "first"}


def test_what_the_udf_may_still_score_is_left_alone(influxd: Influxd, model: Model) -> None:
    """The last windows of the range; the newest of a series that ends before is over by the clock."""
    influxd.create("printer", "broken")
    influxd.client.write(list(_lines("printer-1", printers.clean(31, 2_000))), "printer")
    influxd.client.write(list(_lines("printer-2", printers.clean(32, 1_004))), "printer")
    influxd.client.write(list(_lines("printer-3", printers.clean(33, 1_006))), "printer")
    caught_up(influxd, lambda version: model, TimeRange(BEGIN_NS, BEGIN_NS + 190 * WINDOW_NS))
    newest: dict[str, int] = {}
    for printer, begin_ns in content(influxd, "broken")["score"]:
        newest[printer] = max(newest.get(printer, 0), (begin_ns - BEGIN_NS) // WINDOW_NS)
    # The last window of the second series has less than half of its usual points.
    assert newest == {"printer-1": 189, "printer-2": 99, "printer-3": 100}


def test_a_period_that_was_left_open_is_closed(influxdb: Influxd, model: Model) -> None:
    """A catch-up while a fault goes on, and another one when it is over."""
    stream(influxdb, model, "broken", [Outage(150, WINDOWS, "lost")])
    early = caught_up(influxdb, lambda version: model, TimeRange(BEGIN_NS, BEGIN_NS + 170 * WINDOW_NS))
    ((_, period),) = content(influxdb, "broken")["period"].items()
    assert early.changed
    assert period["state"] == "open"
    # Then the UDF runs again, and knows nothing of it.
    scorer = Scorer(PIPELINE, EventCounter("", lambda message: None))
    lines = [
        line(result)
        for run in _windows(influxdb)
        if run.begin_ns[0] >= BEGIN_NS + 170 * WINDOW_NS
        for scored in scorer.feed(model, run)
        for result in results(PIPELINE, run.key, scored)
    ]
    influxdb.client.write(lines, "broken")
    assert len(content(influxdb, "broken")["period"]) > len(content(influxdb, "whole")["period"])
    caught_up(influxdb, lambda version: model)
    assert_equal(content(influxdb, "broken"), content(influxdb, "whole"))


def test_a_tag_of_any_text_stays_what_it_is(influxd: Influxd, model: Model) -> None:
    influxd.create("printer", "broken")
    name = 'it\'s a\\ b, c="d"'
    escaped = name.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")
    influxd.client.write(list(_lines(escaped, printers.clean(9, 1_000))), "printer")
    span = TimeRange(BEGIN_NS, BEGIN_NS + 90 * WINDOW_NS)
    assert caught_up(influxd, lambda version: model, span).repaired.scores == 90
    assert {printer for printer, _ in content(influxd, "broken")["score"]} == {name}
    assert not caught_up(influxd, lambda version: model, span).changed


def test_a_series_without_the_first_field_is_scored_where_a_missing_one_is_usual(influxd: Influxd) -> None:
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "missing": "usual"}])
    model = train(pipeline, printers.windows(printers.clean(1, 20_000)), "first", 0).model
    influxd.create("printer", "broken")
    samples = printers.clean(9, 1_000)
    samples[:, 0] = np.nan
    influxd.client.write(list(_lines("cold", samples)), "printer")
    span = TimeRange(BEGIN_NS, BEGIN_NS + 90 * WINDOW_NS)
    assert caught_up(influxd, lambda version: model, span).repaired.scores == 90
    (score, *_) = content(influxd, "broken")["score"].values()
    assert "value_hotend" not in score
    assert score["contribution_hotend"] == 0.0
    assert not caught_up(influxd, lambda version: model, span).changed


def test_feedback_is_heeded_where_a_score_was_missing_only(influxdb: Influxd, model: Model) -> None:
    """What people said since of a period that was found does not unmake it."""
    stream(influxdb, model, "broken", [Outage(200, 210, "kept"), Outage(310, 330, "kept")])
    before = content(influxdb, "broken")["period"]
    marks = [Mark(MAINTENANCE, BEGIN_NS + at * WINDOW_NS, BEGIN_NS + (at + 40) * WINDOW_NS, {}) for at in (150, 300)]
    done = caught_up(influxdb, lambda version: model, SPAN, marks)
    after = content(influxdb, "broken")
    # Nothing is said of the silence, which was maintenance and had not become a period.
    assert after["period"] == before
    assert done.repaired.scores == 2 * 10 + 20 + 10


def told(influxd: Influxd, *results: Result) -> None:
    """Write what a UDF told."""
    influxd.client.write([line(result) for result in results], "broken")


def late(printer: str, number: int, seen_ms: int) -> Result:
    """What the UDF writes when a window gets a point after it was closed."""
    tags = {"pipeline": PIPELINE.name, "printer": printer}
    return Result("late", tags, BEGIN_NS + number * WINDOW_NS, {"points": 3, "seen_ms": seen_ms})


def silence(printer: str, first: int, end: int, state: str, model: Model) -> Result:
    """What the UDF writes of a silence that lasts from window `first` to before window `end`."""
    period = Period(BEGIN_NS + first * WINDOW_NS, BEGIN_NS + end * WINDOW_NS, state, 0.0, 0.0, 0, NO_DATA)
    return period_result(PIPELINE, (printer,), period, model)


def periods(influxd: Influxd, database: str = "broken") -> dict[tuple[str, int], tuple[str, str, int]]:
    """State, reason and last window of each period, by printer and first window."""
    return {
        (printer, (begin_ns - BEGIN_NS) // WINDOW_NS): (
            fields["state"],
            fields["reason"],
            (fields["end_ms"] * 1_000_000 - BEGIN_NS) // WINDOW_NS,
        )
        for (printer, begin_ns), fields in content(influxd, database)["period"].items()
    }


def without_telling(results: Any) -> Any:
    """Leaves out the fields that decide only who is told."""
    return {
        measurement: {
            key: {name: value for name, value in fields.items() if name not in ("joint", "history")}
            for key, fields in points.items()
        }
        for measurement, points in results.items()
    }


def test_a_backlog_after_live_points_ends_as_if_it_had_come_in_time(influxd: Influxd, model: Model) -> None:
    """A gateway is away for 20 minutes; half of the points of other windows come late (D11)."""
    influxd.create("printer", "broken", "whole")
    samples = printers.clean(31, 3_000)
    printers.break_down(samples, Fault("offset", (1,), 1_700, 300, 9.0))
    lines = list(_lines("printer-1", samples))
    away, halves = range(1_500, 2_700), range(1_000, 1_040, 2)
    backlog = [lines[second] for second in (*away, *halves)]
    influxd.client.write([text for text in lines if text not in backlog], "printer")
    stream(influxd, model, "broken")
    assert periods(influxd) == {("printer-1", 150): ("closed", "no data", 270)}
    influxd.client.write(backlog, "printer")
    stream(influxd, model, "whole")
    told(influxd, *(late("printer-1", number, 1) for number in (*range(150, 270), *range(100, 104))))
    before = content(influxd, "broken")["score"]
    span = TimeRange(BEGIN_NS, BEGIN_NS + 290 * WINDOW_NS)

    dry = caught_up(influxd, lambda version: model, span, dry_run=True)
    assert content(influxd, "broken")["score"] == before
    first = caught_up(influxd, lambda version: model, span)
    assert first.repaired == dry.repaired
    assert (first.repaired.scores, first.repaired.corrected, first.repaired.removed) == (120, 4, 1)
    assert_equal(content(influxd, "broken"), content(influxd, "whole"))
    assert not caught_up(influxd, lambda version: model, span).changed

    # A point that comes late once more makes its window a candidate again; one that is seen before does not.
    influxd.client.write([f"temperature,printer=printer-1 bed=95 {BEGIN_NS + 2_000 * 1_000_000_000}"], "printer")
    stream(influxd, model, "whole")
    told(influxd, late("printer-1", 200, 1))
    assert not caught_up(influxd, lambda version: model, span).changed
    told(influxd, late("printer-1", 200, 2))
    assert caught_up(influxd, lambda version: model, span).repaired.corrected == 1
    assert_equal(content(influxd, "broken"), content(influxd, "whole"))
    assert not caught_up(influxd, lambda version: model, span).changed


def test_a_series_that_reports_less_often_than_in_training_is_caught_up_with(influxd: Influxd, model: Model) -> None:
    """Two points a window, where training saw ten (D1)."""
    influxd.create("printer", "broken", "whole")
    samples = printers.clean(31, 3_000)
    printers.break_down(samples, Fault("offset", (1,), 1_900, 150, 9.0))
    samples[[second for second in range(1_000, 3_000) if second % 5]] = np.nan
    influxd.client.write(list(_lines("printer-1", samples)), "printer")
    stream(influxd, model, "whole")
    stream(influxd, model, "broken", [Outage(180, 220, "kept")])
    span = TimeRange(BEGIN_NS, BEGIN_NS + 290 * WINDOW_NS)
    assert caught_up(influxd, lambda version: model, span).repaired.scores == 40
    assert_equal(content(influxd, "broken"), content(influxd, "whole"))
    assert not caught_up(influxd, lambda version: model, span).changed


def test_history_that_came_newest_first_is_scored(influxd: Influxd, model: Model) -> None:
    """Each of its points was late, and the pipeline had no score before (D10)."""
    influxd.create("printer", "broken", "whole")
    influxd.client.write(list(_lines("printer-1", printers.clean(31, 3_000))), "printer")
    stream(influxd, model, "whole")
    told(influxd, *(late("printer-1", number, number) for number in range(290)))
    feedback, database = Feedback(PIPELINE), PipelineDatabase(influxd.client, PIPELINE, "broken")
    end_ns = BEGIN_NS + 300 * WINDOW_NS
    for scores in (290, 0):
        done = repair_span(
            PIPELINE,
            database,
            lambda version: model,
            feedback,
            TimeRange(end_ns, end_ns),
            late_since_ns=BEGIN_NS,
        )
        assert done.repaired.scores == scores
    whole = content(influxd, "whole")
    whole["score"] = {key: fields for key, fields in whole["score"].items() if key[1] < BEGIN_NS + 290 * WINDOW_NS}
    assert_equal(content(influxd, "broken"), whole)


def test_a_year_of_history_is_scored_by_a_catch_up_that_is_told_to_look_back_so_far(
    influxd: Influxd, model: Model
) -> None:
    """In windows of six hours, each of ten points; InfluxDB keeps a year in 53 shards."""
    mapping = {key: PIPELINE.as_dict()[key] for key in ("name", "database", "measurement", "fields", "group_by")}
    (pipeline,) = normalize([{**mapping, "window": "6h", "detector": "isolation_forest"}])
    yearly = Model(model.version, pipeline, model.scaling, model.detector, model.calibration, model.reference)
    windows = 365 * 4
    samples = printers.clean(31, windows * 10)
    printers.break_down(samples, Fault("offset", (1,), 7_000, 300, 9.0))
    influxd.create("printer", "broken", "whole")
    influxd.client.write(list(_lines("printer-1", samples, step_ns=pipeline.window_ns // 10)), "printer")
    year = TimeRange(BEGIN_NS, BEGIN_NS + windows * pipeline.window_ns)
    stream(influxd, yearly, "whole", stretch=year)

    assert caught_up(influxd, lambda version: yearly, year).repaired.scores == windows
    assert_equal(without_telling(content(influxd, "broken")), without_telling(content(influxd, "whole")))
    assert not caught_up(influxd, lambda version: yearly, year).changed


def test_a_silence_that_was_told_while_it_lasted_ends_with_the_data(influxdb: Influxd, model: Model) -> None:
    stream(influxdb, model, "broken", [Outage(305, 340, "lost")])
    told(influxdb, silence("printer-1", 300, 307, "open", model))
    early = TimeRange(BEGIN_NS, BEGIN_NS + 315 * WINDOW_NS)
    caught_up(influxdb, lambda version: model, early)
    assert periods(influxdb)["printer-1", 300] == ("open", "no data", 307)
    assert not caught_up(influxdb, lambda version: model, early).changed
    caught_up(influxdb, lambda version: model)
    assert_equal(without_telling(content(influxdb, "broken")), content(influxdb, "whole"))
    assert not caught_up(influxdb, lambda version: model).changed


def test_a_silence_begins_later_when_the_backlog_fills_its_begin(influxd: Influxd, model: Model) -> None:
    influxd.create("printer", "broken")
    lines = list(_lines("printer-1", printers.clean(31, 2_000)))
    influxd.client.write(lines[:1_000], "printer")
    stream(influxd, model, "broken")
    told(influxd, silence("printer-1", 100, 107, "open", model))
    span = TimeRange(BEGIN_NS, BEGIN_NS + 180 * WINDOW_NS)
    assert not caught_up(influxd, lambda version: model, span).changed
    influxd.client.write(lines[1_000:1_300], "printer")
    told(influxd, *(late("printer-1", number, 1) for number in range(100, 130)))
    caught_up(influxd, lambda version: model, span)
    assert periods(influxd) == {("printer-1", 130): ("open", "no data", 180)}
    assert not caught_up(influxd, lambda version: model, span).changed
    # The UDF knows of neither, and ends the silence as it had told it.
    influxd.client.write(lines[1_900:], "printer")
    told(influxd, silence("printer-1", 100, 190, "closed", model))
    span = TimeRange(BEGIN_NS, BEGIN_NS + 195 * WINDOW_NS)
    caught_up(influxd, lambda version: model, span)
    assert periods(influxd) == {("printer-1", 130): ("closed", "no data", 190)}
    assert not caught_up(influxd, lambda version: model, span).changed


def test_a_period_of_a_series_that_fell_silent_is_closed(influxd: Influxd, model: Model) -> None:
    influxd.create("printer", "broken")
    samples = printers.clean(31, 1_600)
    printers.break_down(samples, Fault("offset", (1,), 1_500, 100, 9.0))
    influxd.client.write(list(_lines("printer-1", samples)), "printer")
    stream(influxd, model, "broken")
    assert periods(influxd) == {("printer-1", 150): ("open", "bed", 160)}
    span = TimeRange(BEGIN_NS, BEGIN_NS + 300 * WINDOW_NS)
    caught_up(influxd, lambda version: model, span)
    assert periods(influxd) == {("printer-1", 150): ("closed", "bed", 160)}
    assert not caught_up(influxd, lambda version: model, span).changed


@pytest.mark.parametrize("state", ["open", "closed"])
def test_the_silence_of_all_series_ends_with_the_first_window(influxdb: Influxd, model: Model, state: str) -> None:
    stream(influxdb, model, "broken")

    def notices() -> list[list[Any]]:
        query = 'SELECT "end_ms", "state", "count" FROM "notice" WHERE "notice" = \'silence\''
        return [row for chunk in influxdb.client.query(query, "broken") for row in chunk.rows]

    begin_ns, end_ms = BEGIN_NS + 200 * WINDOW_NS - 1, BEGIN_NS // 1_000_000 + 250 * 10_000
    fields: Fields = {"begin_ms": begin_ns // 1_000_000, "end_ms": end_ms, "state": state, "text": "all 2", "count": 2}
    tags = {"pipeline": PIPELINE.name, "notice": "silence"}
    told(influxdb, Result("notice", tags, begin_ns, fields))
    early = TimeRange(BEGIN_NS, BEGIN_NS + 199 * WINDOW_NS)
    assert not caught_up(influxdb, lambda version: model, early).changed
    assert caught_up(influxdb, lambda version: model).changed
    assert notices() == [[begin_ns, BEGIN_NS // 1_000_000 + 200 * 10_000, "closed", 2]]
    assert not caught_up(influxdb, lambda version: model).changed
    # One that the backlog fills is withdrawn.
    told(influxdb, Result("notice", tags, begin_ns + 1, {**fields, "state": state}))
    assert caught_up(influxdb, lambda version: model).repaired.removed == 1
    assert len(notices()) == 1


@pytest.fixture
def live(
    kapacitord: Callable[..., Kapacitord], influxd: Influxd, model: Model, tmp_path: Path
) -> tuple[Kapacitord, Model]:
    """A kapacitord with the pipeline's task, whose results go to the database `broken`, and the model that it loads."""
    return serving(kapacitord, influxd, model, tmp_path)


def serving(
    kapacitord: Callable[..., Kapacitord], influxd: Influxd, model: Model, tmp_path: Path, **changed: Any
) -> tuple[Kapacitord, Model]:
    """What `live` returns, of a pipeline with other keys."""
    influxd.create("db", "broken", "whole")
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "database": "db", **changed}])
    served = Model(model.version, pipeline, model.scaling, model.detector, model.calibration, model.reference)
    store = Store(tmp_path / "models", pipeline.name)
    store.write(served)
    store.promote(served.version)
    source = [str(ROOT / "udf" / name / "src") for name in ("anomaly", "kapacitor_udf")]
    kapacitor = kapacitord(
        commands={"anomaly": [sys.executable, "-m", "anomaly", "udf", "--models", str(tmp_path / "models")]},
        environment={"PYTHONPATH": os.pathsep.join(source)},
        influxdb=influxd.url,
        timeout="60s",
    )
    script = find_script(pipeline, Path())
    document = vars_document(TaskSettings(pipeline, "broken", "anomaly"), declared(script))
    kapacitor.define(pipeline.name, script, document=document)
    return kapacitor, served


def arrive(kapacitor: Kapacitord, influxd: Influxd, lines: Sequence[str]) -> None:
    """Points arrive in this order."""
    influxd.client.write(lines, "db")
    kapacitor.write(*lines)


def wait_for_score(influxd: Influxd, printer: str, number: int) -> None:
    """Wait until the UDF has scored a window, and so taken all points that came before its last."""
    place = printer, BEGIN_NS + number * WINDOW_NS
    wait_until(lambda: place in content(influxd, "broken")["score"], f"the score of window {number}")


def assert_scored_as_one(influxd: Influxd, model: Model, windows: int) -> None:
    """The results of the first windows are what a batch makes of all points."""
    stream(influxd, model, "whole")
    end_ns = BEGIN_NS + windows * WINDOW_NS
    broken, whole = (
        {
            measurement: {key: fields for key, fields in points.items() if key[1] < end_ns}
            for measurement, points in without_telling(content(influxd, database)).items()
        }
        for database in ("broken", "whole")
    )
    assert_equal(broken, whole)


@pytest.mark.containers
def test_a_gateway_that_was_away_is_made_good(live: tuple[Kapacitord, Model], influxd: Influxd) -> None:
    """Away for 20 minutes, then live points first and the backlog after; half of other windows comes late (D11)."""
    kapacitor, model = live
    samples = printers.clean(31, 3_100)
    printers.break_down(samples, Fault("offset", (1,), 1_700, 300, 9.0))
    lines = list(_lines("printer-1", samples))
    halves = lines[1_000:1_040:2]
    arrive(kapacitor, influxd, [text for text in lines[:1_500] if text not in halves])
    arrive(kapacitor, influxd, lines[2_700:3_000])
    wait_for_score(influxd, "printer-1", 297)
    assert periods(influxd) == {("printer-1", 150): ("closed", "no data", 270)}
    arrive(kapacitor, influxd, halves)
    arrive(kapacitor, influxd, lines[1_500:2_700])
    arrive(kapacitor, influxd, lines[3_000:])
    wait_for_score(influxd, "printer-1", 307)

    span = TimeRange(BEGIN_NS, BEGIN_NS + 300 * WINDOW_NS)
    repaired = caught_up(influxd, lambda version: model, span).repaired
    assert (repaired.scores, repaired.corrected, repaired.removed) == (120, 4, 1)
    assert_scored_as_one(influxd, model, 300)
    assert not caught_up(influxd, lambda version: model, span).changed


@pytest.mark.containers
def test_history_that_is_imported_newest_first_ends_scored(live: tuple[Kapacitord, Model], influxd: Influxd) -> None:
    """A new series' history, under a running task of another series (D10)."""
    kapacitor, model = live
    lines = list(_lines("printer-1", printers.clean(31, 1_100)))
    arrive(kapacitor, influxd, lines[:1_000])
    arrive(kapacitor, influxd, list(_lines("printer-2", printers.clean(32, 900)))[::-1])
    arrive(kapacitor, influxd, lines[1_000:])
    wait_for_score(influxd, "printer-1", 107)

    span = TimeRange(BEGIN_NS, BEGIN_NS + 100 * WINDOW_NS)
    assert caught_up(influxd, lambda version: model, span).changed
    assert_scored_as_one(influxd, model, 100)
    assert not caught_up(influxd, lambda version: model, span).changed


@pytest.mark.containers
def test_tags_that_are_named_like_those_of_results_are_renamed(
    kapacitord: Callable[..., Kapacitord], influxd: Influxd, model: Model, tmp_path: Path
) -> None:
    """The UDF and a catch-up agree on the names, and so does feedback on a single series."""
    kapacitor, served = serving(kapacitord, influxd, model, tmp_path, group_by=["pipeline", "state", "model"])
    samples = printers.clean(31, 1_100)
    printers.break_down(samples, Fault("offset", (1,), 500, 200, 9.0))
    tags = "pipeline=line-1,state=on,model=mk3"
    lines = [text.replace("printer=x", tags) for text in _lines("x", samples)]

    def scores() -> dict[int, dict[str, Any]]:
        query = """SELECT * FROM "score" WHERE "tag_pipeline" = 'line-1' AND "tag_state" = 'on'"""
        return {
            row[0]: dict(zip(part.columns, row, strict=True))
            for part in influxd.client.query(query, "broken")
            for row in part.rows
        }

    arrive(kapacitor, influxd, lines)
    wait_until(lambda: BEGIN_NS + 107 * WINDOW_NS in scores(), "the score of window 107")
    before, span = scores(), TimeRange(BEGIN_NS, BEGIN_NS + 100 * WINDOW_NS)
    assert {(score["pipeline"], score["tag_model"], score["model"]) for score in before.values()} == {
        (served.pipeline.name, "mk3", served.version)
    }
    assert not caught_up(influxd, lambda version: served, span).changed

    missed = BEGIN_NS + 40 * WINDOW_NS, BEGIN_NS + 60 * WINDOW_NS
    removal = f'DELETE FROM "score" WHERE time >= {missed[0]} AND time < {missed[1]}'
    assert list(influxd.client.query(removal, "broken")) == []
    assert len(scores()) == len(before) - 20
    assert caught_up(influxd, lambda version: served, span).repaired.scores == 20
    assert scores().keys() == before.keys()

    arguments = ["--spec", str(tmp_path / "spec.json"), "--models", str(tmp_path / "models")]
    (tmp_path / "spec.json").write_text(canonical_json(served.pipeline))
    mark = ["--kind", "false_alarm", "--series", "state=on", "--from", rfc3339(BEGIN_NS), "--to", rfc3339(span.end_ns)]
    connection = ["--influxdb-url", influxd.url, "--results-database", "broken"]
    assert main(["feedback", "add", *arguments, *connection, *mark]) == 0
    (read,) = read_feedback(influxd.client, "broken", served.pipeline)
    assert read.series == {"tag_state": "on"}
    assert read.appearance is not None
    assert Feedback(served.pipeline, [read]).marks[0].concerns(series_tags(served.pipeline, ("line-1", "on", "mk3")))


def test_the_command(influxdb: Influxd, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.json").write_text(canonical_json(PIPELINE))

    def run(*more: str) -> dict[str, Any]:
        arguments = ["--spec", str(tmp_path / "spec.json"), "--models", str(tmp_path), "--influxdb-url", influxdb.url]
        assert main(["catch-up", *arguments, "--results-database", "broken", *more]) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return answer

    assert (run()["status"], run()["message"]) == ("unchanged", "there is no model yet")
    store = Store(tmp_path, PIPELINE.name)
    store.write(model)
    store.promote(model.version)
    # History before the first score was never missed.
    assert (run()["status"], run()["message"]) == ("unchanged", "there is no score in reach yet")
    stream(influxdb, model, "broken", [Outage(155, 175, "lost")])
    long_ago = "--from", rfc3339(BEGIN_NS)
    dry, real, again = run(*long_ago, "--dry-run"), run(*long_ago), run(*long_ago)
    assert [answer["status"] for answer in (dry, real, again)] == ["caught up", "caught up", "unchanged"]
    assert (dry["scores"], real["scores"], again["scores"]) == (40, 40, 0)
    assert dry["message"] == "nothing was written"
    assert_equal(content(influxdb, "broken"), content(influxdb, "whole"))
