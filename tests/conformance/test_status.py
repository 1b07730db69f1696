"""`anomaly status` on a real InfluxDB: what it says of pipelines, of what is open, and of the keeper."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from anomaly.cli import main
from anomaly.influxdb.lines import line
from anomaly.influxdb.overview import read_overview, read_problems
from anomaly.pipeline import normalize
from anomaly.scoring.results import Result
from daemons.influxd import Influxd
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

SECOND_NS = 10**9
OTHER = normalize([{**PIPELINE.as_dict(), "name": "other"}])[0]

Write = Callable[..., None]
Status = Callable[..., tuple[int, str]]


@pytest.fixture
def now_ns() -> int:
    """The begin of the present window."""
    return time.time_ns() // WINDOW_NS * WINDOW_NS


@pytest.fixture
def write(influxd: Influxd, now_ns: int) -> Write:
    influxd.create("anomaly")

    def write(measurement: str, tags: dict[str, str], age_s: int, **fields: float | int | str | bool) -> None:
        time_ns = now_ns - age_s * SECOND_NS
        influxd.client.write([line(Result(measurement, tags, time_ns, fields))], "anomaly")

    return write


@pytest.fixture
def results(write: Write) -> None:
    """Two series that are scored, one that was, two open periods and a closed one, and a notice."""
    for printer, age_s, severity in (("p1", 30, 20.0), ("p1", 20, 97.25), ("p2", 20, 12.0), ("p3", 7200, 99.0)):
        write("score", {"pipeline": "printer", "printer": printer}, age_s, severity=severity, score=1.0)
    for printer, age_s, state, peak in (
        ("p1", 300, "open", 97.25),
        ("p2", 7200, "closed", 100.0),
        ("p3", 9000, "open", 99.0),
    ):
        write(
            "period",
            {"pipeline": "printer", "printer": printer},
            age_s,
            state=state,
            reason="bed",
            peak_severity=peak,
        )
    write(
        "notice",
        {"pipeline": "printer", "printer": "p2", "notice": "rate"},
        600,
        state="open",
        text="2 points a window",
    )
    write("score", {"pipeline": "another", "printer": "p1"}, 10, severity=100.0, score=1.0)


@pytest.fixture
def status(
    influxd: Influxd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Status:
    """Run the command as the keeper's container does, with variables in the place of options."""
    spec = tmp_path / "pipelines.json"
    spec.write_text(json.dumps([PIPELINE.as_dict(), OTHER.as_dict()]))
    monkeypatch.setenv("ANOMALY_SPEC", str(spec))
    monkeypatch.setenv("ANOMALY_INFLUXDB_URL", influxd.url)
    monkeypatch.setenv("ANOMALY_MODELS", str(tmp_path / "models"))

    def status(*options: str) -> tuple[int, str]:
        code = main(["status", *options])
        return code, capsys.readouterr().out

    return status


@pytest.mark.usefixtures("results")
def test_an_overview_counts_the_series_that_are_scored_now(influxd: Influxd, now_ns: int) -> None:
    seen = read_overview(influxd.client, "anomaly", PIPELINE, now_ns)
    assert (seen.series, seen.last_ns, seen.worst) == (2, now_ns - 20 * SECOND_NS + WINDOW_NS, 97.25)
    assert [(each.series, each.severity, each.begin_ns, each.text) for each in seen.periods] == [
        ({"printer": "p3"}, 99.0, now_ns - 9000 * SECOND_NS, "bed"),
        ({"printer": "p1"}, 97.25, now_ns - 300 * SECOND_NS, "bed"),
    ]
    assert [(each.series, each.text) for each in seen.notices] == [({"printer": "p2"}, "2 points a window")]


@pytest.mark.usefixtures("write")
def test_a_pipeline_without_results_has_an_empty_overview(influxd: Influxd, now_ns: int) -> None:
    seen = read_overview(influxd.client, "anomaly", PIPELINE, now_ns)
    assert (seen.series, seen.last_ns, seen.worst, seen.periods, seen.notices) == (0, None, None, (), ())


@pytest.mark.usefixtures("results")
def test_the_status_has_a_row_for_each_pipeline_and_for_what_is_open(write: Write, status: Status) -> None:
    write("health", {"check": "influxdb"}, 10, ok=1, text="")
    code, said = status()
    rows = [row.split() for row in said.splitlines()]
    assert code == 0
    assert "The keeper finds all well." in said
    assert ["other", "0", "never", "-", "0", "0", "none:", "run", "train.yml"] in rows
    (printer,) = [row for row in rows if row[:1] == ["printer"]]
    assert (printer[1], printer[4:7]) == ("2", ["97", "2", "1"])
    worst_first = [row[2:] for row in rows if row[-1:] == ["bed"]]
    assert worst_first == [["99", "printer", "printer=p3", "bed"], ["97", "printer", "printer=p1", "bed"]]
    assert "2 points a window" in said


@pytest.mark.usefixtures("results")
def test_rows_that_are_left_out_are_counted(status: Status) -> None:
    _, said = status("--most", "1")
    assert "1 more: --most shows more rows." in said
    assert "printer=p3" in said
    assert "printer=p1" not in said


def test_the_status_tells_what_the_keeper_found_last(
    write: Write, influxd: Influxd, status: Status, now_ns: int
) -> None:
    assert read_problems(influxd.client, "anomaly", now_ns) is None
    assert "has said nothing for five minutes" in status()[1]
    write("health", {"check": "udf", "pipeline": "printer"}, 120, ok=1, text="")
    write("health", {"check": "udf", "pipeline": "printer"}, 60, ok=0, text="no metrics for 60 s")
    write("health", {"check": "kapacitor"}, 120, ok=0, text="Kapacitor is away")
    write("health", {"check": "kapacitor"}, 60, ok=1, text="")
    said = status()[1]
    assert "The keeper finds 1 problem:" in said
    assert "  udf of printer: no metrics for 60 s" in said
    assert "Kapacitor is away" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--most", "0"), "--most: 0"), (("--watch", "0"), "--watch: 0"), (("--pipeline", "prnter"), "'prnter'")],
)
def test_options_that_make_no_sense_are_refused(
    status: Status, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    assert main(["status", *options]) == 2
    assert words in capsys.readouterr().err
