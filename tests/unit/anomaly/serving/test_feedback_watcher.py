"""A running process, and what marks of feedback and calendars say meanwhile."""

from pathlib import Path

import pytest

from anomaly.locations import CALENDARS_VARIABLE
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.calendars_file import calendars_document
from anomaly.scoring.feedback_file import write_marks
from anomaly.serving.feedback_watcher import FeedbackWatcher, calendars_path
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
    assert said[0] == "pipeline printer: 1 mark of feedback"
    assert said[1].endswith("(the marks before it stay)")
    path.unlink()
    clock.now = 3
    assert watcher.feedback().marks == ()


HOUR_NS = 3_600_000_000_000
FIRST = {"means": "quiet", "begin": "1970-01-01T01:00", "lasts": "1h"}
SECOND = {"means": "quiet", "begin": "1970-01-01T02:00", "lasts": "1h"}


def printer(*calendars: dict[str, str]) -> Pipeline:
    return normalize([{**PIPELINE.as_dict(), **({"calendars": list(calendars)} if calendars else {})}])[0]


class Followed:
    """A watcher of calendars, with a file, a clock and a log of the test's own."""

    def __init__(self, folder: Path, pipeline: Pipeline = PIPELINE) -> None:
        self.path, self.marks = folder / "printer.json", folder / "feedback.json"
        self.said: list[str] = []
        self._clock = Clock()
        self.watcher = FeedbackWatcher(self.marks, pipeline, self.said.append, self._clock, self.path)

    def write(self, text: str) -> None:
        draft = self.path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.path)

    def quiet_hours(self) -> list[int]:
        """Which of the first hours of 1970 are quiet, a second later."""
        self._clock.now += 1
        feedback = self.watcher.feedback()
        return [hour for hour in range(4) if feedback.is_quiet(hour * HOUR_NS)]


def test_a_running_process_follows_the_file_of_calendars(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    followed.write(calendars_document(printer()))
    assert (followed.quiet_hours(), followed.said) == ([], [])
    followed.write(calendars_document(printer(FIRST)))
    assert followed.quiet_hours() == [1]
    followed.write(calendars_document(printer(SECOND, FIRST)))
    assert followed.quiet_hours() == [1, 2]
    followed.write(calendars_document(printer()))
    assert followed.quiet_hours() == []
    assert followed.said == [
        f"pipeline printer: calendars of maintenance and quiet times: {count}" for count in (1, 2, 0)
    ]


def test_the_calendars_before_stay_while_the_file_is_damaged_or_gone_which_is_said_once(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    followed.write(calendars_document(printer(FIRST)))
    assert followed.quiet_hours() == [1]
    followed.write("{")
    assert (followed.quiet_hours(), followed.quiet_hours()) == ([1], [1])
    followed.path.unlink()
    assert (followed.quiet_hours(), followed.quiet_hours()) == ([1], [1])
    _, damaged, gone = followed.said
    assert "printer.json is damaged" in damaged
    assert "printer.json is not there" in gone
    assert {line.rpartition(" (")[2] for line in (damaged, gone)} == {"the calendars before it stay)"}
    followed.write(calendars_document(printer(SECOND)))
    assert followed.quiet_hours() == [2]


def test_files_are_read_again_once_their_rights_allow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Followed(tmp_path)
    followed.write(calendars_document(printer(FIRST)))
    write_marks(followed.marks, [MARK])
    for path in (followed.path, followed.marks):
        path.chmod(0o000)
    read_text = Path.read_text

    def read_with_rights(path: Path, encoding: str | None = None) -> str:
        # Root may read everything.
        if not path.stat().st_mode & 0o400:
            raise PermissionError(13, "Permission denied")
        return read_text(path, encoding)

    monkeypatch.setattr(Path, "read_text", read_with_rights)
    assert (followed.quiet_hours(), followed.watcher.feedback().marks) == ([], ())
    for path in (followed.path, followed.marks):
        path.chmod(0o600)
    assert (followed.quiet_hours(), followed.watcher.feedback().marks) == ([1], (MARK,))


def test_until_there_is_a_file_the_calendars_of_the_specification_hold(tmp_path: Path) -> None:
    """A task of an earlier release has them there; its process may begin before the deployment writes the file."""
    followed = Followed(tmp_path, printer(FIRST))
    assert followed.quiet_hours() == [1]
    assert followed.said[0].endswith("(the calendars before it stay)")
    followed.write(calendars_document(printer()))
    assert followed.quiet_hours() == []


def test_a_process_that_misses_its_calendars_says_that_it_has_none(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    assert (followed.quiet_hours(), followed.quiet_hours()) == ([], [])
    (said,) = followed.said
    assert said.endswith("write it anew with playbooks/calendars.yml (no maintenance or quiet time holds)")


def test_marks_and_calendars_change_without_each_other(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    followed.write(calendars_document(printer(FIRST)))
    write_marks(followed.marks, [MARK])
    assert (followed.quiet_hours(), followed.watcher.feedback().marks) == ([1], (MARK,))
    followed.write(calendars_document(printer(SECOND)))
    assert (followed.quiet_hours(), followed.watcher.feedback().marks) == ([2], (MARK,))
    write_marks(followed.marks, [])
    assert (followed.quiet_hours(), followed.watcher.feedback().marks) == ([2], ())


def test_a_process_without_a_folder_of_calendars_has_those_of_the_specification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CALENDARS_VARIABLE, raising=False)
    assert calendars_path("printer") is None
    said: list[str] = []
    watcher = FeedbackWatcher(tmp_path / "feedback.json", printer(FIRST), said.append, Clock(), None)
    assert (watcher.feedback().is_quiet(HOUR_NS), said) == (True, [])
    monkeypatch.setenv(CALENDARS_VARIABLE, str(tmp_path))
    assert calendars_path("printer") == tmp_path / "printer.json"
