"""From written points to scores and periods."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.influx_anomaly.stack.plugins.filter.console import console_token

from tests.integration.data import HISTORY_BEGIN, HISTORY_END, STREAM_END, STUFFY, ns
from tests.integration.pipelines import PRINTER, ROOMS, Pipeline, field_names
from tests.integration.results import CONSOLE, Results, alerts, told
from tests.integration.stack import Stack
from tests.integration.waiting import PATIENCE_S, wait_for

SECOND = 1_000_000_000
WINDOW = {"printer": 10 * SECOND, "rooms": 60 * SECOND}


def test_without_a_model_nothing_is_scored_and_it_is_said(results: Results) -> None:
    """The history went through Kapacitor before anything was trained."""
    assert results.scores_before_training == []
    assert "no model yet" in results.kapacitor_log_before_training


def test_training_makes_a_model_of_each_pipeline(stack: Stack, results: Results) -> None:
    results.training.succeeded()
    for pipeline in ("printer", "rooms"):
        folder = stack.dir / "data" / "models" / pipeline
        assert (folder / "current").is_symlink()
        assert {path.name for path in (folder / "current").iterdir()} >= {"manifest.json", "model.npz", "model.joblib"}


def test_training_only_if_needed_changes_nothing(stack: Stack, results: Results) -> None:
    results.second_training.unchanged()
    assert results.models_after_second_training == results.models


def test_running_udfs_take_up_the_model_without_a_restart(results: Results) -> None:
    assert results.incarnations_after == results.incarnations_before


@pytest.mark.parametrize("printer", ["printer-1", "printer-2"])
def test_every_complete_window_is_scored_once(results: Results, printer: str) -> None:
    """Nothing is lost or invented at the edges of windows, of the stream, or of a gap.

    The history's last two windows wait for late points. Whether they close before there is a model depends on the
    machine.
    """
    step = WINDOW["printer"]
    waiting = {ns(HISTORY_END) - step, ns(HISTORY_END) - 2 * step}
    expected = set(range(ns(HISTORY_END), ns(STREAM_END), step))
    for fault in results.faults(printer, "gap"):
        expected -= set(range(fault["from_ms"] * 1_000_000, fault["to_ms"] * 1_000_000, step))
    times = [row["time"] for row in results.scores("printer", printer=printer)]
    assert sorted(times) == sorted(set(times))
    assert set(times) - waiting == expected


@pytest.mark.parametrize("pipeline", [PRINTER, ROOMS], ids=lambda pipeline: pipeline["name"])
def test_times_are_begins_of_windows(results: Results, pipeline: Pipeline) -> None:
    step = WINDOW[pipeline["name"]]
    scores = results.scores(pipeline["name"])
    assert scores
    for row in scores + results.periods(pipeline["name"]):
        assert row["time"] % step == 0, row
        assert ns(HISTORY_BEGIN) < row["time"] < ns(STREAM_END), row


@pytest.mark.parametrize(
    ("pipeline", "tags"), [("printer", {"pipeline", "printer"}), ("rooms", {"pipeline", "room", "floor"})]
)
@pytest.mark.parametrize("measurement", ["score", "period"])
def test_series_keep_their_tags(results: Results, pipeline: str, tags: set[str], measurement: str) -> None:
    for key in results.influx.column(f"SHOW SERIES FROM {measurement} WHERE pipeline = '{pipeline}'", "anomaly"):
        assert {pair.partition("=")[0] for pair in key.split(",")[1:]} == tags, key


def test_score_fields_have_the_promised_types(results: Results) -> None:
    types = results.field_types("score")
    fields = {f"{kind}_{name}": "float" for kind in ("value", "expected_low", "expected_high", "contribution")
              for name in (*field_names(PRINTER), *field_names(ROOMS))}  # fmt: skip
    assert types == {
        "score": "float", "threshold": "float", "severity": "float", "label": "integer", "model": "string", **fields
    }  # fmt: skip


def test_period_fields_have_the_promised_types(results: Results) -> None:
    assert results.field_types("period") == {
        "begin_ms": "integer", "end_ms": "integer", "state": "string", "peak_score": "float", "peak_severity": "float",
        "points": "integer", "reason": "string", "model": "string", "text": "string",
    }  # fmt: skip


@pytest.mark.parametrize("pipeline", [PRINTER, ROOMS], ids=lambda pipeline: pipeline["name"])
def test_values_are_those_that_training_sees(results: Results, pipeline: Pipeline) -> None:
    """The first aggregate of each window is what InfluxQL, which training uses, makes of the same window."""
    tags = ", ".join(f'"{tag}"' for tag in pipeline["group_by"])
    means = ", ".join(f'mean("{field}") AS "{field}"' for field in field_names(pipeline))
    rows = results.influx.rows(
        f'SELECT {means} FROM "{pipeline["measurement"]}" WHERE time >= {ns(HISTORY_END)} AND time < {ns(STREAM_END)} '
        f"GROUP BY time({pipeline['window']}), {tags} fill(none)",
        pipeline["database"],
    )
    expected = {(row["time"], *(row[tag] for tag in pipeline["group_by"])): row for row in rows}
    compared = 0
    for score in results.scores(pipeline["name"]):
        row = expected.get((score["time"], *(score[tag] for tag in pipeline["group_by"])))
        if row is not None:
            for field in field_names(pipeline):
                assert score[f"value_{field}"] == pytest.approx(row[field], rel=1e-9), score
            compared += 1
    assert compared > 200


def test_contributions_sum_to_one(results: Results) -> None:
    for pipeline in (PRINTER, ROOMS):
        for score in results.scores(pipeline["name"]):
            shares = [score[f"contribution_{field}"] for field in field_names(pipeline)]
            assert sum(shares) == pytest.approx(1, abs=1e-6), score


def test_every_fault_is_found_in_its_own_series(results: Results) -> None:
    for fault in results.faults():
        overlapping = [
            period for period in results.periods("printer", printer=fault["printer"])
            if period["begin_ms"] < fault["to_ms"] and period["end_ms"] > fault["from_ms"]
        ]  # fmt: skip
        assert overlapping, (fault, results.periods("printer"))


def test_a_gap_is_a_period_of_its_own(results: Results) -> None:
    (gap,) = results.faults("printer-2", "gap")
    (period,) = [row for row in results.periods("printer", printer="printer-2") if row["reason"] == "no data"]
    assert (period["begin_ms"], period["end_ms"]) == (gap["from_ms"], gap["to_ms"])


def test_series_do_not_touch_each_other(results: Results) -> None:
    """A fault of one printer makes no period of the other; a stuffy room makes none next door."""
    for printer in ("printer-1", "printer-2"):
        own = results.faults(printer)
        strangers = [
            period for period in results.periods("printer", printer=printer)
            if not any(_overlap(period, fault["from_ms"], fault["to_ms"]) for fault in own)
        ]  # fmt: skip
        assert not strangers, strangers
    room, begin, end = STUFFY
    found = {period["room"] for period in results.periods("rooms")}
    assert found == {room}
    assert any(_overlap(period, ns(begin) // 10**6, ns(end) // 10**6) for period in results.periods("rooms", room=room))


def test_a_period_names_the_field_that_went_wrong(results: Results) -> None:
    (fault,) = results.faults("printer-1", "offset")
    reasons = {
        period["reason"] for period in results.periods("printer", printer="printer-1")
        if _overlap(period, fault["from_ms"], fault["to_ms"])
    }  # fmt: skip
    assert reasons == {"bed"}


def test_periods_are_consistent(results: Results) -> None:
    for pipeline in ("printer", "rooms"):
        step_ms = WINDOW[pipeline] // 1_000_000
        for period in results.periods(pipeline):
            assert period["time"] == period["begin_ms"] * 1_000_000, period
            assert period["begin_ms"] < period["end_ms"], period
            assert (period["end_ms"] - period["begin_ms"]) % step_ms == 0, period
            assert period["state"] == "closed", period


@pytest.mark.parametrize("printer", ["printer-1", "printer-2"])
def test_each_period_is_told_once_and_so_is_its_end(stack: Stack, results: Results, printer: str) -> None:
    periods = [row for row in results.periods("printer", printer=printer) if row["reason"] != "no data"]
    name = f"pipeline=printer,printer={printer} period"
    wait_for(lambda: told(stack)[name].count("OK") == len(periods), "the last alert", explain=lambda: str(told(stack)))
    levels = told(stack)[name]
    opened = [level for level, before in zip(levels, ["OK", *levels], strict=False) if before == "OK"]
    assert len(opened) == len(periods)
    assert all(level != before for level, before in pairwise(levels)), levels
    # The worst windows are rarer than the scale reaches.
    assert levels.count("CRITICAL") == sum(row["peak_severity"] >= 100 for row in periods)


def test_an_alert_leads_to_its_period_in_the_console(stack: Stack, results: Results) -> None:
    alert = next(each for each in alerts(stack) if each["id"].endswith("printer-1 period"))
    where, _, page = alert["message"].rpartition(" ")[2].rpartition("/")
    viewer = ("viewer", stack.secrets()["console_viewer_password"])
    # Browsers ask for it by this name, whatever is in front of it.
    name = {"Host": CONSOLE.partition("//")[2]}
    answer = requests.get(f"{stack.console_url}/api/{page}", auth=viewer, headers=name, timeout=PATIENCE_S)

    assert (where, answer.status_code) == (CONSOLE, 200), answer.text
    begins = {str(row["time"]) for row in results.periods("printer", printer="printer-1")}
    assert answer.json()["series"] == {"printer": "printer-1"}
    assert answer.json()["begin_ns"] in begins


def test_silence_is_told_when_data_return(stack: Stack, results: Results) -> None:
    assert told(stack)["pipeline=printer,printer=printer-2 silence"] == ["WARNING", "OK"]


def test_drift_is_judged_from_half_a_horizon_on(results: Results) -> None:
    rows = results.influx.rows("SELECT * FROM drift WHERE pipeline = 'printer'", "anomaly")
    assert {row["printer"] for row in rows} == {row["printer"] for row in results.scores("printer")}
    # Two hours of a day are too little to judge.
    assert all(0 < row["filled"] < 0.5 and row["drifted"] == 0 for row in rows)


def test_results_go_to_their_own_database_only(results: Results) -> None:
    measurements = ["drift", "health", "period", "score", "udf"]
    assert sorted(results.influx.column("SHOW MEASUREMENTS", "anomaly")) == measurements
    for pipeline in (PRINTER, ROOMS):
        measurements = results.influx.column("SHOW MEASUREMENTS", pipeline["database"])
        assert measurements == [pipeline["measurement"]]


def test_source_has_what_was_written_and_nothing_else(results: Results) -> None:
    (row,) = results.influx.rows('SELECT count("hotend") FROM "temperature"', "printer")
    gaps = sum(fault["to_ms"] - fault["from_ms"] for fault in results.faults(kind="gap"))
    seconds = int((STREAM_END - HISTORY_BEGIN).total_seconds())
    assert row["count"] == 2 * seconds - gaps // 1000


def test_a_backtest_finds_the_faults_and_writes_its_page(stack: Stack, results: Results, tmp_path: Path) -> None:
    labels = tmp_path / "truth.json"
    labels.write_text(json.dumps({"faults": results.truth}))
    scores = results.scores("printer")
    asked = {"backtest_from": HISTORY_END.isoformat(), "backtest_to": STREAM_END.isoformat()}
    result = stack.play("backtest", backtest_pipelines=["printer"], backtest_labels=str(labels), **asked).unchanged()
    headline = f"printer: {len(results.truth)} of {len(results.truth)} labels found, 0 false periods"
    assert headline in result.text
    assert f"<h1>{headline}</h1>" in (stack.records / "backtest-printer.html").read_text()
    assert results.scores("printer") == scores


@pytest.mark.usefixtures("results")
def test_who_logs_in_to_the_console_sees_the_pipelines(stack: Stack) -> None:
    with requests.Session() as browser:
        form = browser.get(f"{stack.console_url}/login", timeout=PATIENCE_S)
        login = {"csrf": console_token(form.text), "name": "viewer", "password": "wrong"}
        refused = browser.post(form.url, login, timeout=PATIENCE_S)
        login |= {"password": stack.secrets()["console_viewer_password"]}
        page = browser.post(form.url, login, timeout=PATIENCE_S)
    assert refused.status_code == 401
    assert (page.status_code, page.url) == (200, f"{stack.console_url}/")
    for pipeline in stack.pipelines:
        assert pipeline["name"] in page.text


def test_nothing_is_at_the_epoch(results: Results) -> None:
    for measurement in ("score", "period", "drift"):
        statement = f"SELECT * FROM {measurement} WHERE time <= {ns(HISTORY_BEGIN)}"
        assert results.influx.rows(statement, "anomaly") == []


def _overlap(period: dict[str, Any], from_ms: int, to_ms: int) -> bool:
    return bool(period["begin_ms"] < to_ms and period["end_ms"] > from_ms)
