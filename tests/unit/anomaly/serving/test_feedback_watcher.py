"""A running process and its marks of feedback."""

from pathlib import Path

from anomaly.scoring.feedback_file import write_marks
from anomaly.serving.feedback_watcher import FeedbackWatcher
from tests.unit.anomaly.printers import PIPELINE
from tests.unit.anomaly.scoring.marks import MARK
from tests.unit.anomaly.serving.test_watcher import Clock


def test_a_running_process_notices_marks_and_keeps_them_when_the_file_is_damaged(tmp_path: Path) -> None:
    said: list[str] = []
    clock = Clock()
    path = tmp_path / "printer" / "feedback.json"
    watcher = FeedbackWatcher(path, PIPELINE, said.append, clock)
    assert watcher.feedback().marks == ()
    write_marks(path, [MARK])
    assert watcher.feedback().marks == ()
    clock.now = 1
    assert watcher.feedback().marks == (MARK,)
    path.write_text("{")
    clock.now = 2
    assert watcher.feedback().marks == (MARK,)
    assert said[0] == "pipeline printer: 1 marks of feedback"
    assert said[1].endswith("(the marks before it stay)")
    path.unlink()
    clock.now = 3
    assert watcher.feedback().marks == ()
