"""Labels: read from files or made of marks, and refused by name."""

import json
from pathlib import Path

import pytest

from anomaly.backtest.labels import Label, Truth, of_marks, read_labels
from anomaly.pipeline import SpecError, normalize
from anomaly.scoring.feedback import TRUE, Mark
from tests.unit.anomaly.backtest.made import W
from tests.unit.anomaly.printers import PIPELINE


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
