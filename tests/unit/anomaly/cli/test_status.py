"""How the screen of `anomaly status` is drawn; tests/conformance/test_status.py has what it says."""

from anomaly.cli.status import screen


def test_a_screen_has_as_many_lines_as_the_terminal() -> None:
    drawn = screen([f"line {number}" for number in range(50)], 20, 10)

    assert drawn.count("\n") == 9
    assert "… 42 more lines" in drawn
    assert drawn.startswith("\x1b[H")
    assert drawn.endswith("\x1b[J")


def test_a_screen_leaves_nothing_of_a_longer_line_before() -> None:
    assert screen(["short"], 80, 24) == "\x1b[Hshort\x1b[K\n\x1b[J"
