"""A backtest as a command: what it answers and refuses, and that it compares with labels and with feedback."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.windows.windows import Windows
from tests.unit.anomaly.backtest.made import FAULTS, W, feedback


def test_the_command_compares_with_labels(
    run: Callable[..., tuple[int, str, str]], model: Model, tmp_path: Path
) -> None:
    code, out, err = run("--labels", str(tmp_path / "labels.csv"), "--json", "--report", str(tmp_path / "r.html"))
    assert code == 0
    assert "outside of the range, and left out: 1 of 3 labels" in err
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
        (("--open", "40"), 2, "--open: 40 is not a severity that opens a period: write one above .*50"),
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
