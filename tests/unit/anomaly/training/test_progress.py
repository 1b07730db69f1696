"""How far a training is, on a terminal and in a log."""

import io

from anomaly.training.progress import KeptNotes, LogLines, TerminalBar, progress
from tests.unit.anomaly.serving.test_watcher import Clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_file_gets_lines() -> None:
    assert isinstance(progress(Terminal()), TerminalBar)
    assert isinstance(progress(io.StringIO()), LogLines)


def test_a_log_gets_a_line_when_work_ends_and_every_ten_seconds_before() -> None:
    log, clock = io.StringIO(), Clock()
    lines = LogLines(log, clock)
    lines.say("reading")
    for second in range(25):
        clock.now = second
        lines.at(second / 50, "read")
    lines.at(1.0, "read")
    assert log.getvalue() == "reading\n20% read\n40% read\n100% read\n"


def test_a_note_is_a_warning_and_is_kept_for_the_end() -> None:
    log = io.StringIO()
    kept = KeptNotes(LogLines(log, Clock()))
    kept.say("reading")
    kept.note("a counter")
    kept.at(1.0, "read")
    assert log.getvalue() == "reading\nwarning: a counter\n100% read\n"
    assert kept.notes == ["a counter"]


def test_one_of_several_has_lines_with_its_name_on_a_terminal_too() -> None:
    terminal = Terminal()
    told = progress(terminal, one_of_several="printer")
    told.say("reading")
    told.at(1.0, "read")
    assert terminal.getvalue() == "printer: reading\nprinter: 100% read\n"


def test_a_bar_is_one_line_that_messages_do_not_break() -> None:
    terminal, clock = Terminal(), Clock()
    bar = TerminalBar(terminal, clock)
    bar.at(0.5, "read")
    bar.at(0.6, "read")  # too soon to be seen
    bar.say("a message")
    clock.now = 1
    bar.at(1.0, "read")
    half, whole = "#" * 15 + "." * 15, "#" * 30
    assert terminal.getvalue() == f"[{half}]  50% read\r\x1b[Ka message\n[{whole}] 100% read\n"
