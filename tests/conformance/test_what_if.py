"""What a changed pipeline would have found, on a real InfluxDB: `anomaly what-if`, alone and as the console runs it."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anomaly.cli import main
from anomaly.cli.codes import DONE, REFUSED
from daemons.influxd import Influxd
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS

BEGIN_NS = 1_704_067_200_000_000_000
TRAINED_S, SCORED_S = 6_000, 1_800
# The hot end is off by ten in five minutes of what is scored.
FAULT = slice(TRAINED_S + 900, TRAINED_S + 1_200)
SPEC: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": list(FIELDS),
    "group_by": ["printer"],
    "window": "10s",
    "parameters": {"trees": 50},
}
RANGE = ("--from", "2024-01-01T01:40:00Z", "--to", "2024-01-01T02:10:00Z")
Run = Callable[..., tuple[int, list[dict[str, Any]], str]]


def lines() -> Iterator[str]:
    """The history, and then a stretch with a fault."""
    samples = printers.clean(3, TRAINED_S + SCORED_S)
    samples[FAULT, 0] += 10.0
    for second, row in enumerate(samples.tolist()):
        fields = ",".join(f"{name}={value}" for name, value in zip(FIELDS, row, strict=True))
        yield f"temperature,printer=p1 {fields} {BEGIN_NS + second * 1_000_000_000}"


@pytest.fixture(scope="module")
def influxd(influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    with Influxd(influxd_binary, tmp_path_factory.mktemp("what-if") / "influxdb") as influxd:
        for database in ("printer", "anomaly"):
            influxd.create(database)
        influxd.client.write(list(lines()), "printer")
        yield influxd


@pytest.fixture(scope="module")
def folder(influxd: Influxd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline, and a model of it."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "pipelines.json").write_text(json.dumps([SPEC]))
    trained = ("--from", "2024-01-01T00:00:00Z", "--to", "2024-01-01T01:40:00Z")
    assert main(["train", *common(influxd, folder), *trained]) == DONE
    return folder


def common(influxd: Influxd, folder: Path) -> list[str]:
    """The options of commands that read pipelines, models and InfluxDB."""
    spec = ["--spec", str(folder / "pipelines.json")]
    return [*spec, "--models", str(folder / "models"), "--influxdb-url", influxd.url]


@pytest.fixture
def run(influxd: Influxd, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command with lines on stdin; returns the exit code, the documents on stdout, and all of stdout."""

    def run(*options: str, asked: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]], str]:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{json.dumps(each)}\n" for each in asked)))
        code = main(["what-if", *common(influxd, folder), *options])
        printed = capsys.readouterr().out
        documents = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        return code, documents, printed

    return run


def models(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models" / "printer").iterdir())


def test_other_severities_need_no_training(run: Run, folder: Path) -> None:
    before = models(folder)

    code, (found,), _ = run(*RANGE, "--changes", "-", "--json", asked=[{"periods": {"open": 99}}])

    assert code == DONE
    assert (found["trained"], found["seen"], found["without_model"]) == (False, False, "")
    assert found["notes"] == []
    assert found["now"]["model"] == found["then"]["model"]
    (period,) = found["now"]["periods"]
    assert period["reason"] == FIELDS[0]
    assert found["specification"] == {
        **SPEC,
        "periods": {"open": 99.0},
        "parameters": found["specification"]["parameters"],
    }
    assert found["specification"]["parameters"]["trees"] == 50
    assert models(folder) == before


def test_another_window_is_trained_on_the_same_history_and_leaves_no_model(run: Run, folder: Path) -> None:
    before = models(folder)

    code, (found,), _ = run(*RANGE, "--changes", "-", "--json", asked=[{"window": "30s", "detector": "robust_z"}])

    assert code == DONE
    assert (found["trained"], found["seen"]) == (True, False)
    assert [note for note in found["notes"] if note.startswith("severity cannot be promised to mean what it says")]
    assert (found["now"]["window"], found["then"]["window"]) == ("10s", "30s")
    assert [period["reason"] for period in found["then"]["periods"]] == [FIELDS[0]]
    assert found["then"]["windows"]["scored windows"] == SCORED_S // 30
    (shown,) = found["then"]["severities"]
    assert shown["series"] == {"printer": "p1"}
    assert len(shown["steps"]) == SCORED_S // 30
    assert models(folder) == before


def test_people_see_both_sides_as_a_table(run: Run) -> None:
    code, _, printed = run(*RANGE, "--changes", "-", asked=[{"periods": {"open": 99}}])

    assert code == DONE
    lines = printed.splitlines()
    assert lines[0] == "printer, 2024-01-01T01:40:00Z to 2024-01-01T02:10:00Z"
    assert lines[1].split() == ["as", "it", "is", "with", "the", "change"]
    assert any(line.startswith("anomalous periods") for line in lines)


def test_a_range_that_the_model_has_seen_is_named(run: Run) -> None:
    seen = ("--from", "2024-01-01T00:30:00Z", "--to", "2024-01-01T01:00:00Z")
    assert "looks better than it is" in run(*seen, "--changes", "-", asked=[{"periods": {"open": 99}}])[2]


def test_the_console_moves_severities_after_the_trial(run: Run) -> None:
    asked = {"changes": {}, "from": RANGE[1], "to": RANGE[3]}
    moves = [{"open": 60, "close": 40}, {"open": 100, "close": 99.9}, {"open": 50, "close": 60}]

    code, documents, _ = run("--serve", asked=[asked, *moves])

    assert code == DONE
    *progress, result, low, high, wrong = documents
    assert {"share", "progress"} <= progress[-1].keys()
    (period,) = result["result"]["then"]["periods"]
    assert low["moved"]["open"] == 60
    assert {each["reason"] for each in low["moved"]["periods"]} >= {period["reason"]}
    assert low["moved"]["periods"][0]["from"] <= period["from"]
    assert len(high["moved"]["periods"]) <= 1
    assert "write 0 or more for close" in wrong["error"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"windw": "5m"}, "windw"),
        ({"name": "other"}, "leave the name 'printer'"),
        ({"window": "5m", "fields": ["no such"]}, "no such"),
    ],
)
def test_a_change_that_cannot_be_is_told(run: Run, changes: dict[str, Any], words: str) -> None:
    code, (answer,), _ = run("--serve", asked=[{"changes": changes, "from": RANGE[1], "to": RANGE[3]}])

    assert code == REFUSED
    assert words in answer["error"]
