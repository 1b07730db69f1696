"""Backtests: what is compared with what, how it is read and written, and that it is the code that serves."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import astuple
from html import unescape
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from anomaly.backtest import chart, report
from anomaly.backtest.evaluate import Evaluation, FoundPeriod, evaluate
from anomaly.backtest.labels import Label, Truth, of_marks, read_labels
from anomaly.backtest.replay import BacktestReplay
from anomaly.cli import main
from anomaly.influxdb.times import RequestedRange
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import SpecError, canonical_json, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, TRUE, Mark
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS, Fault

W = WINDOW_NS
ONE: Key = ("printer-1",)
FAULTS = (Fault("offset", (1,), 1203, 100, 9.0), Fault("stuck", (0, 1, 2), 3200, 200))


def found(begin: int, end: int, key: Key = ONE, known: int | None = None, reason: str = "bed") -> FoundPeriod:
    """A period of windows [begin, end), known with window `known` (the first)."""
    period = Period(begin * W, end * W, "closed", 9.0, 88.0, end - begin, reason)
    return FoundPeriod(key, period, ((begin if known is None else known) + 1) * W)


def evaluated(truth: Truth, periods: list[FoundPeriod]) -> Evaluation:
    return evaluate(truth, periods, scored_windows=8640, group_by=PIPELINE.group_by, window_ns=W)


def judged(labels: list[Label], periods: list[FoundPeriod]) -> Evaluation:
    return evaluated(Truth(tuple(labels)), periods)


def test_figures_are_over_events() -> None:
    labels = [Label(100 * W, 110 * W, {}), Label(200 * W, 210 * W, {}, "drift"), Label(300 * W, 310 * W, {})]
    result = judged(labels, [found(100, 104), found(106, 111), found(204, 220, known=207), found(400, 401)])
    assert [len(outcome.found) for outcome in result.outcomes] == [2, 1, 0]
    assert (result.found, len(result.true), len(result.false)) == (2, 3, 1)
    assert result.recall == pytest.approx(2 / 3)
    assert result.precision == 3 / 4
    assert result.f1 == pytest.approx(2 * (2 / 3) * (3 / 4) / (2 / 3 + 3 / 4))
    # One window to know of the first, eight of the second.
    assert result.delay_windows == 4.5
    assert result.false_per_day == 1.0
    # The last of the first ended one window late, the second ten.
    assert result.overrun_windows == 5.5
    assert {kind: astuple(figures) for kind, figures in result.by_kind().items()} == {
        "": (2, 1, 1.0, 1.0, 0.4),
        "drift": (1, 1, 8.0, 10.0, 0.6),
    }


@pytest.mark.parametrize(
    ("begin", "end", "hit"), [(90, 100, False), (90, 101, True), (109, 120, True), (111, 112, True), (112, 113, False)]
)
def test_a_period_finds_what_it_overlaps_or_follows_closely(begin: int, end: int, hit: bool) -> None:
    assert judged([Label(100 * W, 110 * W, {})], [found(begin, end)]).found == hit


def test_a_period_that_was_there_before_has_no_delay() -> None:
    assert judged([Label(100 * W, 110 * W, {})], [found(90, 120)]).delay_windows == 0


def test_a_period_that_ends_before_its_label_has_no_overrun() -> None:
    assert judged([Label(100 * W, 110 * W, {})], [found(100, 104)]).overrun_windows == 0


@pytest.mark.parametrize(
    ("periods", "coverage"),
    [
        ([], 0.0),
        ([(100, 110)], 1.0),
        ([(90, 120)], 1.0),
        ([(104, 120)], 0.6),
        # What two periods cover counts once, and what lies between them does not count.
        ([(90, 102), (101, 104), (108, 120)], 0.6),
        ([(100, 108), (102, 104)], 0.8),
        # A period that follows closely finds the label, and covers nothing of it.
        ([(111, 115)], 0.0),
    ],
)
def test_coverage_is_the_part_of_a_label_inside_of_its_periods(periods: list[tuple[int, int]], coverage: float) -> None:
    result = judged([Label(100 * W, 110 * W, {})], [found(*each) for each in periods])
    assert result.outcomes[0].coverage == pytest.approx(coverage)
    assert result.coverage == pytest.approx(coverage)


def test_a_long_label_weighs_as_much_as_its_length_in_the_coverage() -> None:
    labels = [Label(100 * W, 110 * W, {}), Label(200 * W, 230 * W, {}), Label(300 * W, 310 * W, {})]
    assert judged(labels, [found(100, 110), found(200, 215)]).coverage == 0.5
    assert judged([], [found(1, 2)]).coverage is None


def test_a_label_means_the_series_of_its_tags() -> None:
    periods = [found(100, 101, ("printer-2",))]
    assert judged([Label(100 * W, 110 * W, {"printer": "printer-1"})], periods).found == 0
    assert judged([Label(100 * W, 110 * W, {"printer": "printer-2"})], periods).found == 1
    assert judged([Label(100 * W, 110 * W, {})], periods).found == 1


def test_silence_is_no_false_alarm_but_finds_a_gap() -> None:
    silence = [found(100, 120, reason=NO_DATA), found(500, 520, reason=NO_DATA)]
    result = judged([Label(100 * W, 120 * W, {})], silence)
    assert (result.found, result.false, len(result.silent), result.precision) == (1, (), 1, 1.0)


def test_without_labels_there_is_no_recall_nor_precision() -> None:
    result = judged([], [found(1, 2)])
    assert (result.recall, result.precision, result.f1, result.delay_windows) == (None, None, None, None)
    assert result.false_per_day == 1.0


def test_where_not_all_is_known_only_known_false_alarms_are_false() -> None:
    marks = [
        Mark(TRUE, 100 * W, 110 * W, {"printer": "printer-1"}),
        Mark(FALSE_ALARM, 200 * W, 210 * W, {}),
        Mark(FALSE_ALARM, 300 * W, 310 * W, {"printer": "printer-2"}),
        Mark(TRUE, 400 * W, 410 * W, {"hall": "a tag that the pipeline had once"}),
        Mark(MAINTENANCE, 500 * W, 510 * W, {}),
    ]
    periods = [found(at, at + 2) for at in (100, 200, 300, 400)] + [found(600, 620, reason=NO_DATA)]
    result = evaluated(of_marks(marks, PIPELINE), periods)
    assert [bool(outcome.found) for outcome in result.outcomes] == [True, False]
    assert (len(result.alarms), result.repeated) == (2, 1)
    counts = [len(those) for those in (result.true, result.false, result.unjudged, result.silent)]
    assert counts == [1, 1, 2, 1]
    assert (result.recall, result.precision, result.false_per_day, result.unjudged_per_day) == (0.5, 0.5, 1.0, 2.0)


def test_marks_name_tags_as_results_do_and_labels_as_the_source_does() -> None:
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "group_by": ["printer", "state"]}])
    marks = [Mark(TRUE, 100 * W, 110 * W, {"printer": "printer-1", "tag_state": "on"})]
    (label,) = of_marks(marks, pipeline).labels
    assert label.tags == {"printer": "printer-1", "state": "on"}
    assert label.means(pipeline.group_by, ("printer-1", "on"))


def test_labels_are_read_from_csv_and_json(tmp_path: Path) -> None:
    as_csv, as_json, truth = tmp_path / "labels.csv", tmp_path / "labels.json", tmp_path / "truth.json"
    as_csv.write_text(
        "kind,begin,end,printer,who\n"
        "drift,1970-01-01T00:01:00Z,1970-01-01T00:02:00Z,printer-2,me\n"
        ",1970-01-01T01:00:00+01:00,1970-01-01T00:00:30.5Z,,\n"
    )
    expected = [
        Label(0, 30_500_000_000, {}),
        Label(60_000_000_000, 120_000_000_000, {"printer": "printer-2"}, "drift"),
    ]
    assert read_labels(as_csv, PIPELINE) == Truth(tuple(expected))
    entry = {"from": "1970-01-01T00:01:00Z", "to": "1970-01-01T00:02:00Z", "printer": "printer-2", "kind": "drift"}
    as_json.write_text(json.dumps([entry]))
    truth.write_text(json.dumps({"schema": 1, "faults": [entry]}))
    assert read_labels(as_json, PIPELINE) == read_labels(truth, PIPELINE) == Truth(tuple(expected[1:]))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.csv", "start,end\n1,2\n", r"l.csv: entry 1: has no `begin`"),
        ("l.csv", "begin,end\nnow,2024-01-01T00:00:00Z\n", "entry 1: begin: 'now' is not a time"),
        ("l.csv", "begin,end\n2024-01-02T00:00:00Z,2024-01-01T00:00:00Z\n", "its end is not after its begin"),
        ("l.json", "begin", "is not JSON"),
        ("l.json", "{}", "has no list of labels"),
        ("l.json", "[1]", "entry 1: 1 is not an object"),
        ("no.csv", None, "cannot be read: No such file"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SpecError, match=message):
        read_labels(tmp_path / name, PIPELINE)


@pytest.fixture
def broken() -> Windows:
    """Two printers, the first of which breaks down twice."""
    samples = printers.clean(21, 6000)
    for fault in FAULTS:
        printers.break_down(samples, fault)
    return printers.windows(samples, printers.clean(22, 6000))


def runs(windows: Windows, size: int) -> list[SeriesWindows]:
    """Each series' windows in runs of at most `size`."""
    found = []
    for number, key in enumerate(windows.keys):
        mine = np.flatnonzero(windows.series == number)
        for start in range(0, len(mine), size):
            part = mine[start : start + size]
            found.append(SeriesWindows(key, windows.begin_ns[part], windows.values[part], windows.counts[part]))
    return found


def replayed(model: Model, windows: Windows, size: int) -> BacktestReplay:
    replay = BacktestReplay(PIPELINE, model, EventCounter("", lambda message: None), sweep=(60.0, 90.0))
    for run in runs(windows, size):
        replay.feed(run)
    return replay


def test_the_size_of_the_pieces_changes_nothing(model: Model, broken: Windows) -> None:
    labels = Truth(tuple(Label(fault.start * 10**9, (fault.start + fault.length) * 10**9, {}) for fault in FAULTS))
    one, many = (replayed(model, broken, size) for size in (1, 600))
    assert one.counts == many.counts == {"scored windows": 1200}
    assert one.evaluations(labels) == many.evaluations(labels)
    assert one.evaluations(labels)[75.0].recall == 1.0


def test_a_sweep_opens_less_the_higher_the_severity(model: Model, broken: Windows) -> None:
    evaluations = replayed(model, broken, 600).evaluations(Truth())
    assert list(evaluations) == [60.0, 75.0, 90.0]
    counts = [len(evaluation.false) for evaluation in evaluations.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] >= 2


@pytest.fixture
def run(
    broken: Windows, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    (tmp_path / "spec.json").write_text(canonical_json(PIPELINE))
    (tmp_path / "labels.csv").write_text(
        "begin,end,printer,kind\n"
        "1970-01-01T00:20:03Z,1970-01-01T00:21:43Z,printer-1,offset\n"
        "1970-01-01T00:53:20Z,1970-01-01T00:56:40Z,printer-1,<stuck>\n"
        "1970-01-02T00:00:00Z,1970-01-02T01:00:00Z,printer-1,late\n"
    )

    def run(*more: str, feedback: Sequence[str] = ()) -> tuple[int, str, str]:
        with serve(InfluxDB(broken, dict.fromkeys(printers.FIELDS, "float"), rows_a_chunk=97)) as influxdb:
            influxdb.databases.append("anomaly")
            influxdb.write("\n".join(feedback))
            code = main(
                [
                    *("backtest", "--spec", str(tmp_path / "spec.json"), "--models", str(store.models)),
                    *("--influxdb-url", influxdb.url, "--username", "reader", "--password-file", str(password)),
                    *("--from", "1970-01-01T00:00:00Z", "--to", "1970-01-01T01:40:00Z", *more),
                ]
            )
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    password = tmp_path / "password"
    password.write_text("secret\n")
    return run


def feedback(kind: str, begin_ns: int, end_ns: int) -> str:
    """A mark on the first printer, as line protocol."""
    return f'feedback,pipeline=printer,printer=printer-1 kind="{kind}",end_ms={end_ns // 10**6}i,note="" {begin_ns}'


def test_the_command_compares_with_labels(
    run: Callable[..., tuple[int, str, str]], model: Model, tmp_path: Path
) -> None:
    code, out, err = run("--labels", str(tmp_path / "labels.csv"), "--json", "--report", str(tmp_path / "r.html"))
    assert code == 0
    assert "1 of 3 labels lie outside of the range" in err
    content = json.loads(out)
    assert (content["model"], content["series"]) == (model.version, 2)
    assert content["windows"] == {"scored windows": 1200}
    assert (content["found"], content["labelled"], content["recall"]) == (2, 2, 1.0)
    assert [kind["kind"] for kind in content["kinds"]] == ["<stuck>", "offset"]
    assert content["labels"][0]["reasons"] == ["bed"]
    assert [row["open"] for row in content["sweep"]] == [55, 60, 65, 70, 75, 80, 85, 90, 95]
    page = (tmp_path / "r.html").read_text()
    assert page.count("<svg") == 2
    assert page.count('class="lane-fault"') == 2
    assert "&lt;stuck&gt;" in page
    assert "<stuck>" not in page
    ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])  # noqa: S314


def test_the_page_takes_what_periods_were(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """What can be chosen of a period is a mark, as the next backtest shows that takes feedback for the truth."""
    page = tmp_path / "r.html"
    assert run("--report", str(page))[0] == 0
    body = page.read_text()
    ElementTree.fromstring(body[body.index("<body>") : body.index("</html>")])  # noqa: S314
    choices = re.findall(r'<select class="judge".*?</select>', body)
    lines = [dict(re.findall(r'<option value="([^"]*)">([^<]*)</option>', choice)) for choice in choices]
    assert [list(each.values()) for each in lines] == [["…", "false alarm", "true anomaly", "maintenance"]] * 2
    assert body.count('<form class="judge"') == 1
    false, true = (
        next(unescape(line) for line, name in each.items() if name == wanted)
        for each, wanted in zip(lines, ("false alarm", "true anomaly"), strict=True)
    )
    content = json.loads(run("--labels", "feedback", "--json", feedback=[false, true])[1])
    assert (content["known_false"], content["repeated"], content["labelled"], content["found"]) == (1, 1, 1, 1)


def test_a_page_on_which_nothing_can_be_said_has_no_form(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    page = tmp_path / "r.html"
    assert run("--labels", str(tmp_path / "labels.csv"), "--report", str(page))[0] == 0
    assert 'class="judge"' not in page.read_text()


def test_the_command_prints_tables(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, out, _ = run("--open", "80", "--report", str(tmp_path / "r.md"))
    assert code == 0
    assert out.startswith("printer: 2 periods, no labels given\n")
    assert "* 75" in out
    assert (tmp_path / "r.md").read_text().startswith("# printer: 2 periods, no labels given\n")


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--model", "no-such"), 5, "has no version no-such"),
        (("--open", "40"), 2, "--open: 40 is no severity that opens a period: write one above .*50"),
        (("--report", "r.pdf"), 2, "--report: r.pdf is neither .html nor .md"),
        (("--from", "1971-01-01T00:00:00Z", "--to", "1971-01-02T00:00:00Z"), 3, "no window .* could be scored"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Callable[..., tuple[int, str, str]], more: tuple[str, ...], code: int, message: str
) -> None:
    failed, _, err = run(*more)
    assert failed == code
    assert re.search(message, err), err


def test_a_series_without_a_scored_window_is_named(
    run: Callable[..., tuple[int, str, str]], broken: Windows, tmp_path: Path
) -> None:
    broken.values[broken.series == 1, 1] = np.nan

    _, out, err = run("--json", "--report", str(tmp_path / "r.md"))

    (unscored,) = json.loads(out)["unscored"]["series"]
    assert unscored == {"series": ["printer-2"], "windows": 600, "reason": "no window has the stddev of hotend"}
    assert "warning: 1 of 2 series have no window that could be scored: printer-2 (600 windows: no window" in err
    assert (
        "No window could be scored of printer-2 (no window has the stddev of hotend)."
        in (tmp_path / "r.md").read_text()
    )


def test_a_label_of_a_series_without_windows_is_warned_of(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "typo.csv").write_text("begin,end,printer\n1970-01-01T00:20:03Z,1970-01-01T00:21:43Z,printer1\n")
    _, out, err = run("--labels", str(tmp_path / "typo.csv"))
    assert "is of the series {'printer': 'printer1'}, which has no windows in the range" in err
    assert "MISSED" in out


def test_the_command_takes_feedback_for_truth(run: Callable[..., tuple[int, str, str]]) -> None:
    """One fault is confirmed, the other called a false alarm, or maintenance."""
    offset, stuck = (fault.start * 10**9 for fault in FAULTS)
    confirmed = feedback("true", offset, offset + 100 * 10**9)
    code, out, _ = run(
        "--labels", "feedback", "--json", feedback=[confirmed, feedback("false_alarm", stuck, stuck + W)]
    )
    content = json.loads(out)
    assert code == 0
    assert (content["found"], content["labelled"], content["repeated"], content["known_false"]) == (1, 1, 1, 1)
    assert (content["precision"], content["unjudged"]) == (0.5, 0)
    assert {period["verdict"] for period in content["periods"]} == {"true", "false"}
    maintained = feedback("maintenance", stuck - 10 * W, stuck + 40 * W)
    _, out, _ = run("--labels", "feedback", feedback=[confirmed, maintained])
    assert out.startswith("printer: 1 of 1 confirmed period found, 0 of 0 false alarms raised again, 0 other periods\n")


def test_each_series_has_one_lane_however_a_label_names_it() -> None:
    key = {"printer": "a very long name of a printer", "hall": "h"}
    period = {"from": "2024-01-01T00:00:00Z", "to": "2024-01-01T00:01:00Z", "reason": "bed", "peak_severity": 90.0}
    label = {"from": "2024-01-01T00:00:00Z", "to": "2024-01-01T00:01:00Z", "kind": "", "found": True}
    content = {
        "pipeline": "printer",
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-01-02T00:00:00Z",
        "labels": [label | {"tags": dict(reversed(key.items()))}, label | {"tags": {"hall": "h"}}],
        "periods": [period | {"tags": key, "verdict": "true"}],
    }
    drawn = chart.timeline(content)
    assert drawn.count('class="lane-fault"') == 2
    assert drawn.count('class="lane-found"') == 1
    assert drawn.count('class="label"') == 1
    assert "h, a very long name of a…" in drawn


def test_names_at_the_ends_of_lines_are_apart() -> None:
    row = dict.fromkeys(("recall", "precision", "f1", "coverage", "delay_windows", "false_per_day"), 1.0)
    content = {"open": 75.0, "judged": True, "complete": True, "sweep": [{"open": 75.0, **row}, {"open": 95.0, **row}]}
    places = re.findall(r'class="name \w+" x="[\d.]+" y="([\d.]+)"', chart.by_severity(content))[:4]
    ordered = sorted(map(float, places))
    assert all(high - low >= 14 for low, high in pairwise(ordered))


def test_long_tables_are_cut_off_for_people(model: Model) -> None:
    periods = [found(n * 10, n * 10 + 1) for n in range(1, 300)]
    content = report.document(
        PIPELINE, model, RequestedRange(0, W, ("", "")), 1, [], {}, {75.0: judged([], periods)}, "anomaly"
    )
    assert len(content["periods"]) == 299
    assert "99 more are in the JSON." in report.text(content)
