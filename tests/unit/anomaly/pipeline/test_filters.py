"""Conditions on tags: what they mean, and how they are written."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.pipeline.filters import PatternError, TagFilter, check_pattern, portable


@pytest.mark.parametrize(
    ("entry", "held", "refused"),
    [
        ("a", ["a"], ["", "b", "ab"]),
        (["a", "b"], ["a", "b"], ["", "c"]),
        ({"not": "a"}, ["", "b"], ["a"]),
        ({"not": ["a", "b"], "present": True}, ["c"], ["", "a", "b"]),
        ({"matches": "^web-[0-9]+$"}, ["web-1"], ["", "web-", "web-1x", "my web-1"]),
        ({"matches": "e"}, ["web"], ["", "x"]),
        ({"matches": "^$"}, [""], ["a"]),
        ({"not_matches": "^test-"}, ["", "a", "a test-"], ["test-1"]),
        ({"present": True}, ["a"], [""]),
        ({"present": False}, [""], ["a"]),
        ({"is": ["a1", "b1"], "matches": "a"}, ["a1"], ["b1", "a2"]),
    ],
)
def test_a_condition_holds_for_these_values(entry: Any, held: list[str], refused: list[str]) -> None:
    found = TagFilter.of({"t": entry})
    assert [value for value in (*held, *refused) if found.holds({"t": value, "other": "a"})] == held


def test_a_tag_that_is_missing_is_an_empty_text() -> None:
    assert TagFilter.of({"t": {"not": "a"}}).holds({})
    assert not TagFilter.of({"t": {"present": True}}).holds({})


def test_all_conditions_must_hold() -> None:
    found = TagFilter.of({"b": "2", "a": "1"})
    assert found.tags == ("a", "b")
    assert found.holds({"a": "1", "b": "2"})
    assert not found.holds({"a": "1", "b": "1"})


@pytest.mark.parametrize(
    ("entry", "shortest"),
    [
        ("a", "a"),
        (["a"], "a"),
        ({"is": "a"}, "a"),
        ({"is": ["a", "b"]}, ["a", "b"]),
        ({"not": ["a"], "present": True}, {"not": "a", "present": True}),
    ],
)
def test_the_shortest_entry_is_kept(entry: Any, shortest: Any) -> None:
    assert TagFilter.of({"t": entry}).as_dict() == {"t": shortest}
    assert TagFilter.of({"t": shortest}) == TagFilter.of({"t": entry})


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("(", "missing )"), ("(?=a)", "invalid perl operator"), (r"a\C", "is a byte"), (r"\Qa", "escape each character")],
)
def test_a_pattern_that_go_would_not_read_alike_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)):
        check_pattern(pattern)


@given(st.lists(st.sampled_from(["a", "/", "\\\\", "\\/", "[/]", "[^\\\\/]", "x", "^", "$", "\\.", "'"]), max_size=8))
def test_a_portable_pattern_has_the_same_meaning_without_slashes(parts: list[str]) -> None:
    pattern = "".join(parts)
    found = portable(pattern)
    assert "/" not in found
    assert "\\\\" not in found
    for value in ("", "a", "/", "\\", "a/", "\\/", "x.'", pattern, "a\\/x"):
        assert TagFilter.of({"t": {"matches": pattern}}).holds({"t": value}) == TagFilter.of(
            {"t": {"matches": found}}
        ).holds({"t": value})
