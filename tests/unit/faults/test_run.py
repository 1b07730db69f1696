"""How a run judges what was stored and told, with InfluxDB and the stack played by stand-ins."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anomaly.influxdb.client import SeriesChunk
from anomaly.influxdb.times import TimeRange
from tests.faults import run as runs
from tests.faults.breaking import FAULTS, Fault
from tests.faults.report import period_failures
from tests.faults.run import Outcome, Run
from tests.faults.schedule import Event

SECOND_NS = 1_000_000_000
# Two periods; the second one rises to CRITICAL.
PERIODS = {("p001", 100 * SECOND_NS): (104, [60.0, 90.0]), ("p002", 200 * SECOND_NS): (206, [90.0, 95.0, 100.0])}
# What a calm run tells of them: series, begin, level, and the end that an all-clear knows.
RIGHT = [
    ("p001", 100, "INFO", 0),
    ("p001", 100, "WARNING", 0),
    ("p001", 100, "OK", 104),
    ("p002", 200, "WARNING", 0),
    ("p002", 200, "CRITICAL", 0),
    ("p002", 200, "OK", 206),
]


def told(name: str, begin_s: int, level: str, end_s: int) -> str:
    """A line of the file of alerts."""
    time = f"1970-01-01T00:{begin_s // 60:02}:{begin_s % 60:02}Z"
    result = {"name": "period", "columns": ["time", "end_ms"], "values": [[time, end_s * 1_000]]}
    alert = {"id": f"pipeline=faults,printer={name} period", "time": time, "level": level, "data": {"series": [result]}}
    return json.dumps(alert) + "\n"


class Influx:
    """InfluxDB, in which the periods are stored as they should be, and no scores."""

    def __init__(self) -> None:
        self.periods: dict[Any, dict[str, Any]] = {}

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        for (name, begin_ns), fields in self.periods.items() if 'FROM "period"' in text else ():
            yield SeriesChunk("period", {"printer": name}, ["time", *fields], [[begin_ns, *fields.values()]])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose undisturbed part has scored until long after both periods."""
    monkeypatch.setattr(runs, "Stream", lambda url, auth, database: SimpleNamespace(begin_ns=0, stored_ns=0))
    stack = SimpleNamespace(
        influxdb_url="", user=lambda name: ("", ""), dir=tmp_path, container=lambda name: None, logs=lambda: "its logs"
    )
    deployed: Any = SimpleNamespace(stack=stack, influx=Influx(), model=None)
    run = Run(deployed, print, most_s=0.5)
    for place, (end_s, peaks) in PERIODS.items():
        run.truth.periods[place] = {
            "end_ms": end_s * 1_000,
            "state": "closed",
            "peak_score": 1.0,
            "peak_severity": peaks[-1],
            "points": len(peaks),
            "reason": "bed",
        }
        run.truth.peaks[place] = peaks
    run.truth.until_ns = 1_000 * SECOND_NS
    deployed.influx.periods = {place: dict(fields) for place, fields in run.truth.periods.items()}
    return run


def judged(run: Run, path: Path, alerts: list[tuple[str, int, str, int]]) -> list[str]:
    """What the run finds wrong when these alerts were told."""
    folder = path / "log" / "kapacitor"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alerts.log").write_text("".join(told(*alert) for alert in alerts))
    return list(period_failures(run.judge_periods()))


def test_the_alerts_of_an_undisturbed_run_are_right(run: Run, tmp_path: Path) -> None:
    assert judged(run, tmp_path, RIGHT) == []


@pytest.mark.parametrize(
    ("alerts", "wrong"),
    [
        ([*RIGHT, ("p001", 300, "INFO", 0)], "1 alerts belong to no period of an undisturbed run: p001 at 300"),
        ([*RIGHT, ("p003", 100, "INFO", 0)], "1 alerts belong to no period of an undisturbed run: p003 at 100"),
        ([*RIGHT, ("p001", 102, "INFO", 0)], "1 alerts belong to no period of an undisturbed run: p001 at 102"),
        (RIGHT[3:], "1 of 2 periods during which nothing was broken were not told: p001 at 100"),
        (RIGHT[:4] + RIGHT[5:], "1 of 2 periods during which nothing was broken were told at other levels: p002 at"),
        (RIGHT[:-1], "1 of 2 periods during which nothing was broken got no all-clear after their end: p002 at 200"),
        (
            [*RIGHT[:-1], ("p002", 200, "OK", 204)],
            "1 of 2 periods during which nothing was broken got no all-clear after their end: p002 at 200",
        ),
    ],
)
def test_an_alert_that_is_invented_elsewhere_missing_or_wrong_is_a_failure(
    run: Run, tmp_path: Path, alerts: list[tuple[str, int, str, int]], wrong: str
) -> None:
    (found,) = judged(run, tmp_path, alerts)
    assert found.startswith(wrong)


def test_an_alert_that_is_repeated_is_a_failure(run: Run, tmp_path: Path) -> None:
    found = judged(run, tmp_path, [*RIGHT, *RIGHT[3:]])
    assert found[0].startswith("1 periods were told twice: p002 at 200")


def test_what_was_told_after_the_end_of_the_undisturbed_run_is_not_judged(run: Run, tmp_path: Path) -> None:
    run.truth.until_ns = 310 * SECOND_NS
    assert judged(run, tmp_path, [*RIGHT, ("p001", 300, "INFO", 0)]) == []


def test_while_windows_were_late_a_period_may_be_told_from_its_middle(run: Run, tmp_path: Path) -> None:
    broken = TimeRange(100 * SECOND_NS, 150 * SECOND_NS)
    run.outcomes.append(Outcome(Event("udf_killed"), 100, 20.0, 0, broken))
    from_the_middle = [("p001", 102, "WARNING", 0), ("p001", 102, "OK", 104), *RIGHT[3:]]
    assert judged(run, tmp_path, from_the_middle) == []
    (found,) = judged(run, tmp_path, [*from_the_middle, ("p001", 120, "INFO", 0)])
    assert found.startswith("1 alerts belong to no period of an undisturbed run: p001 at 120")


@pytest.mark.parametrize(("answers", "is_whole"), [([False, False, True], True), ([False], False)])
def test_an_event_is_over_when_the_stack_has_mended_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, answers: list[bool], is_whole: bool
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(runs, "_POLL_S", 0.0)
    monkeypatch.setattr(run, "_most_s", 60.0 if is_whole else 0.0)

    def is_mended(deployed: Any) -> bool:
        asked.append(answers[min(len(asked), len(answers) - 1)])
        return asked[-1]

    fault = Fault("a fault", lambda deployed: nullcontext(), is_mended=is_mended)
    monkeypatch.setitem(FAULTS, "mended_later", fault)
    run.truth.until_ns = 2**62
    run.truth.scores[("p001", 0)] = (1.0, 1.0)

    (outcome,) = run.events([Event("mended_later")])

    assert outcome.is_whole is is_whole
    assert asked[: len(answers)] == answers
