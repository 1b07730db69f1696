"""`anomaly catch-up` of several pipelines: which, and what is said of each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomaly.catchup.repair import RepairCounts
from anomaly.catchup.run import CatchUpRequest, CaughtUp
from anomaly.cli import main
from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.influxdb.times import TimeRange
from tests.unit.anomaly.printers import PIPELINE


class Double:
    """Stands in for the use case.

    Attributes:
        requests: what it was asked for.
    """

    def __init__(self) -> None:
        self.requests: list[CatchUpRequest] = []

    def __call__(
        self,
        request: CatchUpRequest,
        connect: Callable[[], InfluxClient],
        say: Callable[[str], None],
        progress: Callable[[float, str], None],
    ) -> CaughtUp:
        self.requests.append(request)
        if request.pipeline.name == "broken":
            raise InfluxClientError("InfluxDB is away")
        say("series printer-1: 3 windows without a score")
        progress(1.0, "of 1 series")
        return CaughtUp(TimeRange(0, 10**10), 1, RepairCounts(scores=3))


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Double:
    double = Double()
    monkeypatch.setattr("anomaly.cli.catchup.run", double)
    return double


def named(name: str, **more: Any) -> dict[str, Any]:
    return {**PIPELINE.as_dict(), "name": name, **more}


def catching_up(folder: Path, pipelines: list[dict[str, Any]], *more: str) -> int:
    """Runs the command."""
    spec = folder / "spec.json"
    spec.write_text(json.dumps(pipelines))
    return main(["catch-up", "--spec", str(spec), "--models", str(folder), "--influxdb-url", "http://[::1]:1", *more])


def test_whatever_becomes_of_one_pipeline_the_others_are_caught_up_with(
    double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = catching_up(tmp_path, [named("a"), named("broken"), named("off", enabled=False), named("b")])
    assert code == 4
    captured = capsys.readouterr()
    results = [json.loads(line) for line in captured.out.splitlines()]
    assert [(each["pipeline"], each["status"]) for each in results] == [
        ("a", "caught up"),
        ("broken", "failed"),
        ("b", "caught up"),
    ]
    assert (results[0]["scores"], results[1]["message"]) == (3, "InfluxDB is away")
    assert captured.err.splitlines() == [
        "a: series printer-1: 3 windows without a score",
        "a: 100% of 1 series",
        "broken: anomaly: InfluxDB is away",
        "b: series printer-1: 3 windows without a score",
        "b: 100% of 1 series",
    ]


def test_the_named_pipelines_are_caught_up_with_once_each(double: Double, tmp_path: Path) -> None:
    pipelines = [named("a"), named("b", enabled=False), named("c")]
    assert catching_up(tmp_path, pipelines, "--pipeline", "c", "--pipeline", "b", "--pipeline", "c") == 0
    assert [request.pipeline.name for request in double.requests] == ["b", "c"]


def test_the_only_pipeline_needs_no_name_enabled_or_not(
    double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert catching_up(tmp_path, [named("a", enabled=False)], "--lag", "30s", "--from", "2h", "--dry-run") == 0
    (request,) = double.requests
    assert (request.lag_ns, request.begin, request.dry_run) == (30_000_000_000, "2h", True)
    assert capsys.readouterr().err == "series printer-1: 3 windows without a score\n100% of 1 series\n"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--pipeline", "c"], "there is no pipeline 'c' in the specification (there is a, b)"),
        (["--lag", "5"], "--lag: '5' is not a duration"),
        (["--lag", "1s"], "--lag: 1s is shorter than a window (10s): write at least that"),
    ],
)
def test_what_makes_no_sense_is_refused(
    double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert catching_up(tmp_path, [named("a"), named("b")], *more) == 2
    assert double.requests == []
    assert message in json.loads(capsys.readouterr().out.splitlines()[-1])["message"]
