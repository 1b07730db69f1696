"""The file of marks: what is written is read, and a damaged one is named."""

from pathlib import Path

import pytest

from anomaly.models.store import StoreError
from anomaly.scoring.feedback import TRUE, Mark
from anomaly.scoring.feedback_file import feedback_path, read_marks, write_marks
from tests.unit.anomaly.scoring.marks import MARK


def test_marks_are_written_and_read(tmp_path: Path) -> None:
    path = feedback_path(tmp_path, "printer")
    assert read_marks(path) == []
    marks = [MARK, Mark(TRUE, 5, 6, {})]
    write_marks(path, marks)
    assert read_marks(path) == marks
    assert [entry.name for entry in path.parent.iterdir()] == ["feedback.json"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"marks": [{"kind": "odd"}]}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "feedback.json").write_text(text)
    with pytest.raises(StoreError, match=r"feedback.json is damaged .*: write it anew with `anomaly feedback sync`"):
        read_marks(tmp_path / "feedback.json")
