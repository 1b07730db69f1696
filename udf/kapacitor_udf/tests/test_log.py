from hypothesis import given
from hypothesis import strategies as st

from kapacitor_udf._log import LONGEST_LINE, Log, one_line, place


@given(st.text(max_size=200), st.integers(100, 400))
def test_a_line_is_one_line_and_capped(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line.splitlines()) <= 1
    assert len(line.encode()) <= limit


def test_a_long_line_keeps_its_ends() -> None:
    line = one_line("begin" + "ж" * 10**6 + "end")
    assert line.startswith("begin")
    assert line.endswith("end")
    assert len(line.encode()) <= LONGEST_LINE


def test_line_breaks_and_controls_are_shown() -> None:
    assert one_line("a\nb\x1b[2J\r\x00é\n") == "a\\nb\\x1b[2J\\r\\x00é"


def test_what_happens_often_is_explained_once_and_counted() -> None:
    lines: list[str] = []
    now = [0.0]
    log = Log(lines.append, every=60, clock=lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        log.explain("bad", lambda: "bad point")
        log.explain("other", lambda: "other thing")
    assert lines == [
        "bad point",
        "other thing",
        "bad point (and 59 more like it since the last such line)",
        "other thing (and 59 more like it since the last such line)",
    ]


def test_endlessly_many_kinds_are_not_all_explained() -> None:
    lines: list[str] = []
    log = Log(lines.append)
    for number in range(10_000):
        log.explain(f"kind {number}", lambda: "x")
    assert len(lines) == 500
    assert len(log._said) == 500


def test_the_place_of_an_exception_is_its_innermost_line() -> None:
    def fail() -> None:
        raise ValueError

    try:
        fail()
    except ValueError as error:
        assert place(error).startswith("test_log.py:")
        assert " fail < " in place(error)
