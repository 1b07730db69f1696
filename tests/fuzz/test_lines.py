"""Line protocol of results: whatever texts say, a result is one line, and InfluxDB reads each value back."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.influxdb.lines import line, lines
from anomaly.scoring.results import Result, ResultColumns
from tests.unit.anomaly import printers

# What breaks out of a line, or means something in it.
_SPECIAL = st.text(alphabet='\\,= "\n\r%a\u00e9\u2028\x00', max_size=8)
TEXT = st.one_of(_SPECIAL, st.text(max_size=12))
NAMES = TEXT.filter(bool)
# A tag as InfluxDB has it: its parser takes a backslash before a separator for an escape.
STORED = TEXT.filter(lambda text: text and "\n" not in text and not text.endswith("\\"))
# InfluxDB's search for the ends of lines and its parser do not agree on a backslash in the name of a field.
FIELD_NAMES = NAMES.filter(lambda name: "\\" not in name)
VALUES = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
FIELDS = st.dictionaries(STORED, VALUES, min_size=1, max_size=4)
TIMES = st.integers(-(2**63), 2**63 - 1)

_UNESCAPED_SPACE = re.compile(r"(?<!\\) ")


def parsed(text: str) -> tuple[str, list[tuple[str, str]], list[tuple[str, Any]], int]:
    """Read a line by the rules of InfluxDB 1.8 (`models/points.go`): a backslash before a separator escapes it."""
    key, rest = _UNESCAPED_SPACE.split(text, maxsplit=1)
    measurement, *tags = re.split(r"(?<!\\),", key)
    pairs = [re.split(r"(?<!\\)=", tag) for tag in tags]
    fields, time = _fields(rest)
    return measurement, [(_plain(name), _plain(value)) for name, value in pairs], fields, int(time)


def _plain(text: str) -> str:
    for separator in ",= ":
        text = text.replace(f"\\{separator}", separator)
    return text


def _fields(text: str) -> tuple[list[tuple[str, Any]], str]:
    fields: list[tuple[str, Any]] = []
    while True:
        name, text = re.split(r"(?<!\\)=", text, maxsplit=1)
        if text.startswith('"'):
            quoted = re.match(r'"((?:[^"\\]|\\.)*)"', text, re.DOTALL)
            assert quoted is not None, text
            value: Any = re.sub(r'\\(["\\])', r"\1", quoted[1])
            text = text[quoted.end() :]
        else:
            word = re.match(r"[^, ]+", text)
            assert word is not None, text
            value = _number(word[0])
            text = text[word.end() :]
        fields.append((_plain(name), value))
        separator, text = text[0], text[1:]
        if separator == " ":
            return fields, text
        assert separator == ",", text


def _ends(text: str) -> list[int]:
    """Return where InfluxDB looks for the ends of lines: not behind a backslash, nor in the quotes of a value."""
    ends, at, is_quoted, is_value = [], 0, False, False
    fields = _UNESCAPED_SPACE.search(text)
    assert fields is not None
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 2
            continue
        if at > fields.start() and not is_quoted and letter in "=,":
            is_value = letter == "="
        elif letter == '"' and is_value:
            is_quoted = not is_quoted
        elif letter == "\n" and not is_quoted:
            ends.append(at)
        at += 1
    return [*ends, len(text)]


def _number(word: str) -> bool | int | float:
    if word in ("true", "false"):
        return word == "true"
    return int(word[:-1]) if word.endswith("i") else float(word)


@given(st.dictionaries(STORED, STORED, max_size=4), FIELDS, TIMES)
def test_influxdb_reads_back_what_a_line_says(tags: dict[str, str], fields: dict[str, Any], time_ns: int) -> None:
    found = parsed(line(Result("score", tags, time_ns, fields)))

    assert found == ("score", sorted(tags.items()), list(fields.items()), time_ns)
    assert [type(value) for _, value in found[2]] == [type(value) for value in fields.values()]


@given(st.dictionaries(NAMES, NAMES, max_size=4), st.dictionaries(FIELD_NAMES, VALUES, min_size=1, max_size=4), TIMES)
def test_no_text_leaves_its_place(tags: dict[str, str], fields: dict[str, Any], time_ns: int) -> None:
    text = line(Result("score", tags, time_ns, fields))

    measurement, read_tags, read_fields, read_time_ns = parsed(text)
    assert (measurement, read_time_ns) == ("score", time_ns)
    assert [value for _, value in read_fields] == list(fields.values())
    assert len(read_tags) == len(tags)
    assert _ends(text) == [len(text)]


@given(
    st.lists(STORED, min_size=1, max_size=3, unique=True),
    st.lists(st.tuples(st.integers(0, 2), TIMES, st.floats(), st.integers(-5, 5)), max_size=5),
    TEXT,
)
def test_columns_are_the_lines_of_their_points(
    series: list[str], points: list[tuple[int, int, float, int]], text: str
) -> None:
    number, times_ns, scores, counts = (list(column) for column in zip(*points, strict=True)) if points else [[]] * 4
    columns = ResultColumns(
        printers.PIPELINE,
        "score",
        [(name,) for name in series],
        np.array(number, dtype=np.intp) % len(series),
        np.array(times_ns, dtype=np.int64),
        {"score": np.array(scores, dtype=np.float64), "n": np.array(counts, dtype=np.int64), "model": text},
    )

    assert sorted(lines([columns])) == sorted(lines(list(columns)))


def test_a_line_of_another_form_is_noticed() -> None:
    with pytest.raises((AssertionError, ValueError)):
        parsed('score,t=a b,c v="x')
