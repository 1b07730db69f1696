"""`anomaly explain`: what a pipeline watches, keeps, asks for and tells, without a stack."""

import json
from dataclasses import replace
from pathlib import Path

from anomaly.cli.explain import describe
from anomaly.pipeline import normalize
from tests.unit.anomaly.cli.command import PIPELINE, Run

# 15 November 2024.
NOVEMBER_NS = 1_731_628_800_000_000_000


def test_what_counts_is_explained(run: Run, spec: Path) -> None:
    hotend = {"name": "hotend", "unit": "°C", "direction": "high", "min_deviation": 2}
    mapping = {**PIPELINE.as_dict(), "fields": [hotend, "bed"], "missing": "usual", "detector": "ensemble"}
    spec.write_text(json.dumps({**mapping, "seasonality": "90m", "training": {"from": "2h"}}))
    out = run("explain", "--spec", str(spec)).out
    near = "and a deviation of at most 2 °C is normal"
    for lines in (
        [
            f"fields       hotend in °C: only what is higher than usual counts, {near}",
            "             bed",
        ],
        ["             stddev needs two points of a window: where each has one, write aggregate: [last]"],
        ["missing      a field that a window lacks, or half of its usual points, is taken to be as usual"],
        [
            "seasonality  90m, in 24 parts (UTC): what is usual in each",
            "             the training range holds it less than twice: a new part is compared with the one before",
        ],
    ):
        start = out.index(lines[0])
        assert out[start : start + len(lines)] == lines


def test_the_memory_of_the_series_is_explained(run: Run, spec: Path) -> None:
    fields, fill = ["a", "b", "c"], {"previous": "1h"}
    mapping = {**PIPELINE.as_dict(), "detector": "ensemble", "fields": fields, "fill": fill, "memory": "512MiB"}
    del mapping["parameters"]
    spec.write_text(json.dumps(mapping))
    out = run("explain", "--spec", str(spec)).out
    start = next(number for number, line in enumerate(out) if line.startswith("memory"))
    assert out[start : start + 4] == [
        "memory       512MiB: the state of about 6,864 series",
        "             about 77 KiB for each series; 100: 8 MiB, 1,000: 75 MiB, 10,000: 746 MiB",
        "             with a model its process needs at most some 640 MiB",
        "             a series without points for 1w is forgotten",
    ]
    assert "             without points the last values hold for 1h" in out
    assert "             of nothing that is older than 1h when it becomes known" in out


def test_of_several_pipelines_one_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "several.json"
    second = {"name": "second", "database": "d", "measurement": "m", "fields": ["hotend"], "window": "1m"}
    path.write_text(json.dumps([PIPELINE.as_dict(), second]))
    assert "say which with --pipeline" in run("explain", "--spec", str(path)).err
    assert (
        "there is no pipeline 'third' in the specification (there is printer, second)"
        in run("explain", "--spec", str(path), "--pipeline", "third").err
    )
    ran = run("explain", "--spec", str(path), "--pipeline", "second")
    assert ran.code == 0
    assert ran.out[0] == "pipeline     second"
    assert any(line.startswith('query        SELECT mean("hotend") AS "a0"') and "time(1m)" in line for line in ran.out)
    assert any("once in 100 days" in line for line in ran.out)
    assert "    var results = stream" in ran.out
    assert "    results_database string   anomaly" in ran.out
    assert "            .database(results_database)" in ran.out
    assert any(line.startswith("alerts       period (INFO from peak severity 0, WARNING 87.5,") for line in ran.out)


def test_calendars_are_explained_with_their_next_times() -> None:
    calendars = [
        {"means": "quiet", "begin": "2026-03-28T22:00", "lasts": "8h", "rule": "FREQ=DAILY"},
        {"means": "maintenance", "begin": "2020-01-04T02:00", "lasts": "2h"},
        {"means": "quiet", "country": "DE", "subdivision": "BY"},
    ]
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "timezone": "Europe/Berlin", "calendars": calendars}])
    # 2026-03-28T23:00Z is in the night in which the clock jumps.
    text = "\n".join(describe(pipeline, "topic", 1_774_738_800_000_000_000))
    nights = "2026-03-28 22:00 CET to 2026-03-29 07:00 CEST; 2026-03-29 22:00 CEST to 2026-03-30 06:00 CEST"
    days = "2026-04-03 00:00 CEST to 2026-04-04 00:00 CEST; 2026-04-06 00:00 CEST to 2026-04-07 00:00 CEST"
    assert (
        f"""
calendars    quiet: 8h from 2026-03-28T22:00, FREQ=DAILY
               next: {nights}
             maintenance: 2h from 2020-01-04T02:00, once
               has no time within a year from now
             quiet: the public holidays of DE, BY
               next: {days}
"""
        in text
    )


def test_the_clock_by_which_windows_begin_is_explained() -> None:
    plain = {"name": "p", "database": "db", "measurement": "m", "fields": ["level"], "timezone": "Europe/Berlin"}
    long, short = (normalize([plain | {"window": window}])[0] for window in ("1d", "1m"))
    # A month in which the clock changes is read by one query for each length of windows.
    said = "\n".join(describe(replace(long, training=replace(long.training, begin="30d")), "topic", NOVEMBER_NS))
    assert "windows      1d, aligned by the clock of Europe/Berlin, 1 a day for each series" in said
    assert all(f"GROUP BY time({hours * 3_600_000_000_000}ns" in said for hours in (24, 25))
    assert "windows      1m, aligned in UTC, 1440 a day" in "\n".join(describe(short, "topic", NOVEMBER_NS))


def test_a_custom_tickscript_is_explained(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({**PIPELINE.as_dict(), "tickscript": "mine.tick"}))
    explained = ("explain", "--spec", str(spec), "--tickscripts", str(tmp_path))
    missing = run(*explained)
    assert missing.code == 2
    assert f'tickscript: "mine.tick" is not there: write the TICKscript {tmp_path}/mine.tick' in missing.err
    (tmp_path / "mine.tick").write_text("var window duration\nvar mine = 1\n")
    found = run(*explained).out
    assert found[found.index("vars") :] == [
        "vars",
        f"    window duration {PIPELINE.window}",
        "script",
        "    var window duration",
        "    var mine = 1",
    ]
