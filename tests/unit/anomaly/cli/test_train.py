"""`anomaly train` of several pipelines: which, how many at the same time, and what is said of each."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anomaly.cli import main
from anomaly.influxdb.client import InfluxClient
from anomaly.models.store import Store
from anomaly.training.progress import Progress
from anomaly.training.run import UNCHANGED, TrainingOutcome, TrainingRequest
from tests.unit.anomaly import printers
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.printers import PIPELINE

SMALL = {"parameters": {"trees": 10}}
WAIT = 120.0


def named(name: str, **more: Any) -> dict[str, Any]:
    return {**PIPELINE.as_dict(), "name": name, **SMALL, **more}


@pytest.fixture
def influxdb() -> Iterator[InfluxDB]:
    history = printers.windows(printers.clean(3, 3000), printers.clean(4, 3000))
    with serve(InfluxDB(history, dict.fromkeys(printers.FIELDS, "float"))) as database:
        yield database


def training(folder: Path, pipelines: list[dict[str, Any]], *more: str, url: str = "http://127.0.0.1:1") -> int:
    """Runs the command; models are below `folder`."""
    spec = folder / "spec.json"
    spec.write_text(json.dumps(pipelines))
    return main(
        [
            *("train", "--spec", str(spec), "--models", str(folder / "models"), "--influxdb-url", url),
            *("--username", "reader", "--from", "1970-01-01T00:00:00Z", "--to", "1970-01-01T00:50:00Z", *more),
        ]
    )


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMALY_INFLUXDB_PASSWORD", "secret")


def test_whatever_becomes_of_one_pipeline_the_others_are_trained(
    influxdb: InfluxDB, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipelines = [
        named("first"),
        named("lacking", fields=["hotend", "nozzle"]),
        named("elsewhere", database="nowhere"),
        named("off", enabled=False),
        named("last"),
    ]
    code = training(tmp_path, pipelines, url=influxdb.url)
    captured = capsys.readouterr()
    results = {line["pipeline"]: line for line in map(json.loads, captured.out.splitlines())}
    assert {name: line["status"] for name, line in results.items()} == {
        "first": "trained",
        "lacking": "refused",
        "elsewhere": "failed",
        "last": "trained",
    }
    assert "has no field 'nozzle'" in results["lacking"]["message"]
    assert "there is no database 'nowhere'" in results["elsewhere"]["message"]
    for name in ("first", "last"):
        assert Store(tmp_path / "models", name).current() == results[name]["version"]
    # The first in the specification says how it ended, whichever was done first.
    assert code == 3
    # Who says something is at the begin of each line.
    said = [line.partition(": ") for line in captured.err.splitlines()]
    assert {name for name, _, _ in said} == set(results)
    assert ("last", "100% of the forests fitted") in [(name, message) for name, _, message in said]
    assert any(name == "elsewhere" and message.startswith("anomaly: ") for name, _, message in said)


def test_a_model_does_not_depend_on_what_is_trained_beside_it(influxdb: InfluxDB, tmp_path: Path) -> None:
    sums = []
    for folder, at_once, jobs in ((tmp_path / "together", "2", "4"), (tmp_path / "apart", "1", "1")):
        folder.mkdir()
        pipelines = [named("a"), named("b", detector="ensemble")]
        assert training(folder, pipelines, "--at-once", at_once, "--jobs", jobs, url=influxdb.url) == 0
        stores = [Store(folder / "models", name) for name in ("a", "b")]
        sums.append([store.manifest(str(store.current())).files["model.npz"] for store in stores])
    assert sums[0] == sums[1]


def unchanged(request: TrainingRequest) -> TrainingOutcome:
    return TrainingOutcome(UNCHANGED, request.pipeline.name, request.pipeline.fingerprint, begin_ns=0, end_ns=0)


class Double:
    """In the place of one pipeline's training: waits until `company` are at it, and takes note."""

    def __init__(self, company: int = 1) -> None:
        self.names: list[str] = []
        self.threads: set[int] = set()
        self.most = 0
        self._company = threading.Barrier(company)
        self._lock = threading.Lock()
        self._at_it = 0

    def __call__(self, influx: InfluxClient, request: TrainingRequest, progress: Progress) -> TrainingOutcome:
        with self._lock:
            self.names.append(request.pipeline.name)
            self.threads.add(request.jobs)
            self._at_it += 1
            self.most = max(self.most, self._at_it)
        self._company.wait(WAIT)
        with self._lock:
            self._at_it -= 1
        return unchanged(request)


@pytest.fixture
def replace(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    def replace(double: Any) -> Any:
        monkeypatch.setattr("anomaly.training.run.train_pipeline", double)
        return double

    return replace


@pytest.mark.parametrize(
    ("count", "at_once", "jobs", "most", "threads"),
    [
        (4, 2, 4, 2, 2),
        (4, 4, 4, 4, 1),
        # Threads that cannot be shared evenly are left alone, and a pipeline that is alone has all.
        (4, 2, 3, 2, 1),
        (1, 2, 4, 1, 4),
        # Each needs a thread.
        (3, 3, 1, 1, 1),
    ],
)
def test_pipelines_share_the_threads(
    tmp_path: Path, replace: Callable[[Any], Any], count: int, at_once: int, jobs: int, most: int, threads: int
) -> None:
    # This many trainings have to meet, or none continues.
    double = replace(Double(company=most))
    pipelines = [named(f"p{number}") for number in range(count)]
    assert training(tmp_path, pipelines, "--at-once", str(at_once), "--jobs", str(jobs)) == 0
    assert sorted(double.names) == [pipeline["name"] for pipeline in pipelines]
    assert (double.most, double.threads) == (most, {threads})


def test_two_are_trained_at_once_where_nothing_is_said(tmp_path: Path, replace: Callable[[Any], Any]) -> None:
    double = replace(Double(company=2))
    assert training(tmp_path, [named("a"), named("b"), named("c"), named("d")], "--jobs", "4") == 0
    assert double.most == 2


def test_the_named_ones_are_trained_once_each_disabled_or_not(tmp_path: Path, replace: Callable[[Any], Any]) -> None:
    double = replace(Double())
    pipelines = [named("a"), named("b", enabled=False), named("c")]
    names = ["--pipeline", "c", "--pipeline", "b", "--pipeline", "c"]
    assert training(tmp_path, pipelines, "--at-once", "1", *names) == 0
    assert double.names == ["b", "c"]


def test_a_bug_in_one_is_told_with_its_name_and_traceback(
    tmp_path: Path, replace: Callable[[Any], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(influx: InfluxClient, request: TrainingRequest, progress: Progress) -> TrainingOutcome:
        if request.pipeline.name == "a":
            raise ZeroDivisionError("one too few")
        return unchanged(request)

    replace(broken)
    assert training(tmp_path, [named("a"), named("b")]) == 1
    captured = capsys.readouterr()
    results = {line["pipeline"]: line for line in map(json.loads, captured.out.splitlines())}
    assert results["b"]["status"] == "unchanged"
    assert results["a"] == {"status": "failed", "pipeline": "a", "message": "one too few"}
    lines = captured.err.splitlines()
    assert lines[0] == "a: Traceback (most recent call last):"
    assert lines[-2:] == ["a: ZeroDivisionError: one too few", "a: anomaly: one too few"]


@pytest.mark.parametrize(
    ("pipelines", "more", "message"),
    [
        ([named("a")], ["--at-once", "0"], "--at-once: 0 is too few: write at least 1"),
        ([named("a")], ["--jobs", "0"], "--jobs: 0 is too few"),
        (
            [named("a"), named("b")],
            ["--pipeline", "c"],
            "there is no pipeline 'c' in the specification (there is a, b)",
        ),
        ([named("a", enabled=False)], [], "no pipeline of the specification is enabled (there is a): name one with"),
        ([], [], "no pipeline of the specification is enabled (there is none)"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(
    tmp_path: Path,
    replace: Callable[[Any], Any],
    capsys: pytest.CaptureFixture[str],
    pipelines: list[dict[str, Any]],
    more: list[str],
    message: str,
) -> None:
    double = replace(Double())
    assert training(tmp_path, pipelines, *more) == 2
    assert double.names == []
    assert message in json.loads(capsys.readouterr().out)["message"]
