"""Expressions of fields: what they compute, and what is not one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.pipeline.expression import Expression, ExpressionError


@pytest.mark.parametrize(
    ("text", "fields", "value"),
    [
        ("errors / requests", ("errors", "requests"), 0.25),
        ("errors - requests", ("errors", "requests"), -6.0),
        ("(errors + 2) * -requests / 4", ("errors", "requests"), -8.0),
        ('"bytes sent" / requests', ("bytes sent", "requests"), 2.0),
        ("requests - errors - errors", ("requests", "errors"), 4.0),
        ("1.5e1 - +errors", ("errors",), 13.0),
        ("температура * 2", ("температура",), 6.0),
        ("(requests - return) * 1.5", ("requests", "return"), 6.0),
        ("errors / (requests - 2 * errors)", ("errors", "requests"), 0.5),
        ("in / \"bytes sent\" + 'bytes sent'", ("in", "bytes sent"), 17.0),
    ],
)
def test_an_expression_computes(text: str, fields: tuple[str, ...], value: float) -> None:
    expression = Expression.of(text)
    given = {"errors": 2.0, "requests": 8.0, "bytes sent": 16.0, "температура": 3.0, "return": 4.0, "in": 16.0}
    assert expression.fields == fields
    assert expression.value(given) == value


def test_arrays_stand_for_fields() -> None:
    values = {"a": np.array([1.0, 2.0, np.nan]), "b": np.array([4.0, 0.0, 1.0])}
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(Expression.of("a / b").value(values, np.float64), [0.25, np.inf, np.nan])


def test_a_name_is_the_one_that_is_written() -> None:
    # The parser takes the ligature for two letters.
    assert Expression.of("\ufb01eld + 1").fields == ("\ufb01eld",)


def test_each_character_of_a_quoted_name_means_itself() -> None:
    assert Expression.of(r'"C:\temp\new" / "\\x41"').fields == (r"C:\temp\new", r"\\x41")
    assert Expression.of("""'the "#" of it' * 2""").fields == ('the "#" of it',)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not an expression: write such as `errors / requests`"),
        ("errors /", "is not an expression"),
        ("bytes sent / total", "is not an expression"),
        ("(" * 500 + "a" + ")" * 500, "is not an expression"),
        ("1 / 2", "names no field"),
        ("a ** 2", "has 'a ** 2' in it: use names of fields, numbers, + - * / and parentheses alone"),
        ("a % b", "has 'a % b' in it"),
        ("a // b", "has 'a // b' in it"),
        ("max(a, b)", "has 'max(a, b)' in it"),
        ("a.b", "has 'a.b' in it"),
        ("a[0]", "has 'a[0]' in it"),
        ("a if b else c", "has 'a if b else c' in it"),
        ("a > b", "has 'a > b' in it"),
        ("not a", "has 'not a' in it"),
        ("a + True", "has 'True' in it"),
        ("a return b", "is not an expression"),
        ("a + 1j", "has '1j' in it"),
        ("a + 1e999", "has '1e999' in it"),
        ("a + b''", "has \"b''\" in it"),
        ("__import__('os').system('x')", "in it: use names of fields"),
        ("a / b # per second", "has a comment, or two names side by side, in it"),
        ("'a' 'b'", "has a comment, or two names side by side, in it"),
        ("a / 0", "has no value for fields from 1 to 100, as it divides by zero or exceeds any number"),
        ("a / (b - b)", "has no value for fields from 1 to 100"),
        ("a * 1e308", "has no value for fields from 1 to 100"),
        ("a / 1e-320", "has no value for fields from 1 to 100"),
        ("a - a", "is always 0, whatever its fields are: correct it"),
        ("a / a + 0 * b", "is always 1, whatever its fields are"),
        ("'a\x01' / b", "names 'a\\x01', which has a control character in it or a backslash at its end, and line"),
        ("'a\\' / b", "which has a control character in it or a backslash at its end"),
        ("+".join(["a"] * 300), "has more than 400 parts"),
    ],
)
def test_what_is_not_an_expression_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.of(text)
    assert reason in str(caught.value)


@given(st.text(alphabet="ab1.+-*/() '\"\\\n", max_size=30))
def test_a_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = Expression.of(text)
    except ExpressionError:
        return
    with np.errstate(all="ignore"):
        assert isinstance(expression.value(dict.fromkeys(expression.fields, np.float64(2.0)), np.float64), float)
