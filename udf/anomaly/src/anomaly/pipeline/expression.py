"""Expressions of fields: a small part of arithmetic, such as `errors / requests` or `(supply - return) * 1.8 + 32`.

An expression has names of fields, numbers, + - * / and parentheses. A name with other characters than letters, digits
and _ stands in quotes: `"bytes sent" / total`. Each character between quotes means itself. Python's own parser reads
the expression, and nothing but these parts is accepted, so it computes and does nothing else. A name that is a word of
the parser, such as `return`, stays a name.
Numbers or arrays of any kind may stand for the fields.
"""

import ast
import keyword
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

_OPERATIONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_MOST_PARTS = 400
# A text in quotes, or a word of the parser's own.
_WORDS = re.compile(rf""""[^"]*"|'[^']*'|\b(?:{"|".join(keyword.kwlist)})\b""")
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
# What the parser would leave out, or join, without a word: a comment, and two texts side by side.
_IGNORED = re.compile(r"""#|''\s*''""")
# What the names of fields in `fields` are made of, too.
_CARRIED = re.compile(r"[^\x00-\x1f\x7f]*[^\\\x00-\x1f\x7f]")
# How often numbers at random stand for the fields, to see whether an expression ever has a value, and another one.
_SAMPLES = 3


class ExpressionError(ValueError):
    """A text is not an expression of fields; the message says why, and what to write."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression of fields.

    Attributes:
        text: the expression as people wrote it, with quotes that the parser needs.
        fields: the names of its fields, each once, in the order in which they come.
        tree: the expression as Python's parser reads it.
    """

    text: str
    fields: tuple[str, ...]
    tree: ast.expr

    @classmethod
    @lru_cache(maxsize=1024)
    def of(cls, text: str) -> "Expression":
        """Return the expression of a text.

        Raises:
            ExpressionError: the text is not one.
        """
        text, tree = _parsed(text.strip())
        if sum(1 for _ in ast.walk(tree)) > _MOST_PARTS:
            raise ExpressionError(f"has more than {_MOST_PARTS} parts: write a shorter one")
        names: dict[str, None] = {}
        _check(tree, text, names)
        if not names:
            raise ExpressionError("names no field: write such as `errors / requests`")
        for name in names:
            if not _CARRIED.fullmatch(name):
                raise ExpressionError(
                    f"names {name!r}, which has a control character in it or a backslash at its end, and line protocol "
                    "cannot carry that: rename the field"
                )
        expression = cls(text, tuple(names), tree)
        numbers = Random(0)  # noqa: S311 - nothing secret
        values = {value for _ in range(_SAMPLES) if (value := expression._sample(numbers)) is not None}
        if not values:
            raise ExpressionError(
                "has no value for fields from 1 to 100, as it divides by zero or exceeds any number: correct it"
            )
        if len(values) == 1:
            raise ExpressionError(f"is always {values.pop():g}, whatever its fields are: correct it")
        return expression

    def value(self, fields: Mapping[str, Any], constant: Callable[[float], Any] = float) -> Any:
        """Compute the expression.

        Args:
            fields: what stands for each field, such as an array.
            constant: makes what stands for a number.
        """
        return self._value(self.tree, fields, constant)

    def _sample(self, numbers: Random) -> float | None:
        """Return the value where numbers at random stand for the fields; None if there is none."""
        try:
            value = float(self.value({name: numbers.uniform(1.0, 100.0) for name in self.fields}))
        except ZeroDivisionError:
            return None
        return value if math.isfinite(value) else None

    def _value(self, node: ast.expr, fields: Mapping[str, Any], constant: Callable[[float], Any]) -> Any:
        if isinstance(node, ast.BinOp):
            left, right = (self._value(side, fields, constant) for side in (node.left, node.right))
            return _OPERATIONS[type(node.op)](left, right)
        if isinstance(node, ast.UnaryOp):
            return _OPERATIONS[type(node.op)](self._value(node.operand, fields, constant))
        name = _name(node, self.text)
        return fields[name] if name is not None else constant(float(node.value))  # type: ignore[attr-defined]


def _parsed(text: str) -> tuple[str, ast.expr]:
    """Return the text that the parser reads, and what it reads. Raises ExpressionError if it reads neither text."""
    literal = _QUOTED.sub(lambda quoted: quoted[0].replace("\\", "\\\\"), text)
    if _IGNORED.search(_QUOTED.sub("''", text)):
        raise ExpressionError("has a comment, or two names side by side, in it: remove it, or put an operator between")
    for readable in (literal, _WORDS.sub(lambda word: word[0] if word[0][0] in "\"'" else f'"{word[0]}"', literal)):
        try:
            with warnings.catch_warnings():
                # The parser warns of what looks like a mistake, such as `"a"(b)`, which is refused anyway.
                warnings.simplefilter("ignore")
                return readable, ast.parse(readable, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    raise ExpressionError(
        "is not an expression: write such as `errors / requests`, with names that have other characters than "
        "letters, digits and _ in quotes"
    )


def _check(node: ast.expr, text: str, names: dict[str, None]) -> None:
    """Gather the names of fields. Raises ExpressionError for a part that no expression has."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        _check(node.left, text, names)
        _check(node.right, text, names)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATIONS:
        _check(node.operand, text, names)
    elif (name := _name(node, text)) is not None:
        names[name] = None
    elif not (
        isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
        and len(str(node.value)) < 25
        and math.isfinite(node.value)
    ):
        part = ast.get_source_segment(text, node) or text
        raise ExpressionError(f"has {part!r} in it: use names of fields, numbers, + - * / and parentheses alone")


def _name(node: ast.expr, text: str) -> str | None:
    """Return the name of a field that a part of an expression is; None for another part."""
    if isinstance(node, ast.Name):
        # The parser takes some letters for others that look alike, so the text itself says the name.
        return ast.get_source_segment(text, node)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value else None
