"""`anomaly report` on a real InfluxDB: a day of windows of a second, and strings that try to break out of the page."""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from anomaly.cli import main
from anomaly.influxdb.lines import line
from anomaly.influxdb.times import TimeRange
from anomaly.pipeline import normalize
from anomaly.report.others import around, read_others
from anomaly.report.read import read_periods, read_steps
from anomaly.scoring.results import Result
from daemons.influxd import Influxd

SECOND_NS = 10**9
BEGIN_NS = 1_767_225_600 * SECOND_NS
DAY_S = 86_400
HOSTILE = "</title><script src='http://evil.example/x.js'>alert(1)</script>\"' &amp; \u202e🙂"
PIPELINE = {
    "name": "machine",
    "database": "machine",
    "measurement": "m",
    "fields": [{"name": "bed", "unit": "°C<b>"}, "hot\"<i>end'"],
    "group_by": ["printer"],
    "window": "1s",
    "detector": "isolation_forest",
}
QUIET = {**PIPELINE, "name": "quiet"}
RANGE = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")

Report = Callable[..., tuple[int, str, str]]


def scores(printer: str, first_s: int, last_s: int) -> Iterator[str]:
    """A day of scores, with a peak of one window and a fault of ten minutes."""
    for second in range(first_s, last_s):
        is_peak, is_fault = second == 50_000, 30_000 <= second < 30_600
        bed = 90.0 + math.sin(second / 900) + (12.0 if is_peak else 4.0 if is_fault else 0.0)
        fields: dict[str, float | int | str | bool] = {
            "severity": 100.0 if is_fault else 72.0 if is_peak else 20.0 + second % 13,
            "score": 0.5,
            "threshold": 0.7,
            "label": int(is_fault),
            "model": "v1",
            "value_bed": bed,
            "expected_low_bed": 88.0,
            "expected_high_bed": 92.0,
            "contribution_bed": 0.9 if is_peak else 0.5,
            "value_hot\"<i>end'": 220.0,
            "expected_low_hot\"<i>end'": 219.0,
            "expected_high_hot\"<i>end'": 221.0,
        }
        tags = {"pipeline": "machine", "printer": printer}
        yield line(Result("score", tags, BEGIN_NS + second * SECOND_NS, fields))


def period(printer: str, begin_s: int, length_s: int, **more: float | int | str | bool) -> str:
    begin_ms = BEGIN_NS // 10**6 + begin_s * 1000
    fields: dict[str, float | int | str | bool] = {
        "begin_ms": begin_ms,
        "end_ms": begin_ms + length_s * 1000,
        "state": "closed",
        "peak_score": 0.9,
        "peak_severity": 100.0,
        "points": length_s,
        "reason": "bed",
        "text": "anomalous; at 2026-01-01 08:20:00 UTC bed was 94 °C, above the expected 88 to 92 °C",
        **more,
    }
    return line(Result("period", {"pipeline": "machine", "printer": printer}, begin_ms * 10**6, fields))


@pytest.fixture(scope="module")
def influxd(influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """A series with a day of scores, one with an hour, one that ended before, and a silence that began before."""
    with Influxd(influxd_binary, tmp_path_factory.mktemp("report") / "influxdb") as influxd:
        influxd.create("anomaly")
        for first_s in range(0, DAY_S, 10_800):
            influxd.client.write(list(scores("p1", first_s, first_s + 10_800)), "anomaly")
        influxd.client.write(list(scores(HOSTILE, 29_000, 32_000)), "anomaly")
        influxd.client.write(
            [
                period(HOSTILE, 30_000, 600, text=f"anomalous; at {HOSTILE}"),
                period("p1", 30_000, 600),
                period("p1", 50_000, 1, peak_severity=72.0, reason="bed above 95"),
                period("p1", 80_000, 60, peak_severity=90.0, state="open"),
                period("p2", -7_200, 3_600),
                period("p3", -7_200, 60, state="open", peak_severity=0.0, reason="no data", text="no data"),
            ],
            "anomaly",
        )
        pump = {"pipeline": "pump", "pump": "q1"}
        influxd.client.write(
            [
                line(Result("score", pump, BEGIN_NS + at * SECOND_NS, {"severity": 95.0 if at == 30_100 else 12.5}))
                for at in range(29_000, 31_000, 10)
            ],
            "anomaly",
        )
        yield influxd


@pytest.fixture
def report(influxd: Influxd, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Report:
    spec = tmp_path / "pipelines.json"
    spec.write_text(json.dumps([normalize([each])[0].as_dict() for each in (PIPELINE, QUIET)]))

    def report(*options: str) -> tuple[int, str, str]:
        page = tmp_path / "report.html"
        code = main(
            ["report", "--spec", str(spec), "--influxdb-url", influxd.url, "--report", str(page), *RANGE, *options]
        )
        said = capsys.readouterr()
        return code, said.out, said.err

    return report


def test_a_day_of_seconds_is_one_small_page_that_loads_nothing(report: Report, tmp_path: Path) -> None:
    code, said, complained = report()

    assert (code, complained.count("anomaly:")) == (0, 0)
    machine, quiet = map(json.loads, said.splitlines())
    assert (machine["windows"], machine["series"], machine["anomalous"], machine["periods"]) == (89_400, 2, 1_200, 5)
    assert (quiet["pipeline"], quiet["windows"]) == ("quiet", 0)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 3_000_000
    root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))  # noqa: S314 - the page is ours
    assert {element.tag for element in root.iter()}.isdisjoint({"script", "link", "img", "iframe", "object", "b", "i"})
    assert not [
        name for element in root.iter() for name in element.attrib if name in ("src", "href") or name.startswith("on")
    ]
    assert not re.search(r"url\(|@import", page)
    (highest,) = {
        row["highest"]
        for row in rows(tmp_path / "report-values.csv")
        if row["begin"].endswith("13:51:00Z") and row["series"] == "printer=p1" and row["field"] == "bed"
    }
    assert float(highest) > 100.0, "the peak of one second is in its step"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_periods_are_those_that_lie_on_the_range(report: Report, tmp_path: Path) -> None:
    report("--pipeline", "machine")

    found = [(row["series"], row["begin"], row["state"]) for row in rows(tmp_path / "report-periods.csv")]
    assert [entry[1:] for entry in found] == [
        ("2026-01-01T08:20:00Z", "closed"),
        ("2026-01-01T08:20:00Z", "closed"),
        ("2026-01-01T22:13:20Z", "open"),
        ("2026-01-01T13:53:20Z", "closed"),
        ("2025-12-31T22:00:00Z", "open"),
    ]
    assert found[2][0] == "printer=p1"
    assert found[4][0] == "printer=p3"


def test_a_pipeline_without_results_is_refused_by_itself(report: Report) -> None:
    code, _, complained = report("--pipeline", "quiet")

    assert code == 3
    assert "quiet: the database 'anomaly' has neither scores nor periods from 2026-01-01T00:00:00Z" in complained


def test_others_that_moved_at_the_time_of_a_period_are_ranked(influxd: Influxd) -> None:
    machine = normalize([PIPELINE])[0]
    pump = normalize([{**PIPELINE, "name": "pump", "group_by": ["pump"]}])[0]
    span = around(TimeRange(BEGIN_NS + 30_000 * SECOND_NS, BEGIN_NS + 30_600 * SECOND_NS), SECOND_NS)

    others = read_others(influxd.client, "anomaly", [machine, pump], span, ("machine", ("p1",)))

    assert [(each.pipeline.name, each.key, each.worst, each.before) for each in others] == [
        ("machine", (HOSTILE,), 100.0, 32.0),
        ("pump", ("q1",), 95.0, 12.5),
    ]
    assert others[1].worst_ns == BEGIN_NS + 30_100 * SECOND_NS


def test_steps_have_the_peaks_of_their_windows(influxd: Influxd) -> None:
    (machine,) = normalize([PIPELINE])
    span = TimeRange(BEGIN_NS, BEGIN_NS + DAY_S * SECOND_NS)

    step_ns, steps = read_steps(
        influxd.client, "anomaly", machine, span, ("p1",), ["bed"], 300, with_contributions=True
    )

    assert (step_ns, len(steps)) == (288 * SECOND_NS, 300)
    peak = steps[50_000 // 288]
    lowest, highest, *expected = peak.values["bed"]
    assert peak.severity == 72.0
    assert peak.contributions == {"bed": 0.9}
    assert lowest is not None and highest is not None
    assert 89.0 <= lowest < 92.0 and 100.0 < highest <= 103.0
    assert expected == [88.0, 92.0]


def test_the_periods_of_one_series_are_read_alone(influxd: Influxd) -> None:
    (machine,) = normalize([PIPELINE])
    span = TimeRange(BEGIN_NS, BEGIN_NS + DAY_S * SECOND_NS)

    count, periods = read_periods(influxd.client, "anomaly", machine, span, (HOSTILE,))

    assert (count, [period.key for period in periods]) == (1, [(HOSTILE,)])
