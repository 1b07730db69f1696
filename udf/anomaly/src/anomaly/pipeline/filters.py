"""Which points a pipeline watches: conditions on tags, with one meaning wherever points are read.

A pipeline's `where` maps tags to conditions, all of which must hold. A tag that a point lacks is an empty text, as it
is to InfluxDB. So `not` and `not_matches` hold for a point that lacks the tag, and `present: true` asks for the tag.

Points come to a pipeline in two ways: through Kapacitor to the UDF, and by InfluxQL to training, backtests and
catch-ups. Both evaluate conditions themselves, with Go's regular expressions; `TagCondition.expressions` writes the
conditions for them. What this module evaluates itself goes through RE2, whose language Go's expressions are. A pattern
finds its text anywhere in the value, unless it has anchors.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

# What Go and RE2 read in another way, or what the rendered pattern would have to escape otherwise.
_UNSHARED = {
    r"\C": "is a byte, which Go does not know",
    r"\Q": "quotes what follows: escape each character instead",
    r"\E": "ends a quotation: escape each character instead",
}
# A backslash and what it escapes, or a slash.
_ESCAPES = re.compile(r"\\(.)|(/)", re.DOTALL)


class PatternError(ValueError):
    """A text is not a regular expression that Go and RE2 read alike; the message says why."""


@dataclass(frozen=True, slots=True)
class TagCondition:
    """What the value of one tag must be; what is not given does not matter.

    Attributes:
        tag: the tag's name.
        one_of: the values of which it must be one; empty for any.
        none_of: the values of which it must be none.
        matches: the regular expression that must find something in the value; None for any value.
        not_matches: the regular expression that must find nothing in it; None for none.
        present: whether the point must have the tag, or must not have it; None for either.
    """

    tag: str
    one_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    matches: str | None = None
    not_matches: str | None = None
    present: bool | None = None

    @classmethod
    def of(cls, tag: str, entry: Any) -> "TagCondition":
        """Return the condition that an entry of `where` means.

        Args:
            tag: the tag's name.
            entry: a value, a list of values, or a mapping, as `entry` returns it.
        """
        if not isinstance(entry, Mapping):
            return cls(tag, one_of=_values(entry))
        return cls(
            tag,
            _values(entry.get("is", ())),
            _values(entry.get("not", ())),
            entry.get("matches"),
            entry.get("not_matches"),
            entry.get("present"),
        )

    def entry(self) -> str | list[str] | dict[str, Any]:
        """Return the shortest entry of `where` that means this condition."""
        one_of = _shortest(self.one_of)
        more = {
            **({"not": _shortest(self.none_of)} if self.none_of else {}),
            **({"matches": self.matches} if self.matches is not None else {}),
            **({"not_matches": self.not_matches} if self.not_matches is not None else {}),
            **({"present": self.present} if self.present is not None else {}),
        }
        return {**({"is": one_of} if self.one_of else {}), **more} if more else one_of

    def holds(self, value: str) -> bool:
        """Return whether the condition holds for a value of the tag, which is empty where a point lacks the tag."""
        return (
            (not self.one_of or value in self.one_of)
            and value not in self.none_of
            and (self.matches is None or _finds(self.matches, value))
            and (self.not_matches is None or not _finds(self.not_matches, value))
            and (self.present is None or self.present == (value != ""))
        )

    def expressions(self, tag: str, text: Callable[[str], str], equals: str) -> Iterator[str]:
        """Yield what the condition asks, in InfluxQL or as lambdas of TICKscript; all of it must hold.

        Args:
            tag: the expression of the tag's value; it must be an empty text where a point lacks the tag.
            text: returns a value as a string of the language.
            equals: the language's operator for equal texts; the others are alike.
        """
        if self.one_of:
            alternatives = " OR ".join(f"{tag} {equals} {text(value)}" for value in self.one_of)
            yield f"({alternatives})" if len(self.one_of) > 1 else alternatives
        for value in self.none_of:
            yield f"{tag} != {text(value)}"
        if self.matches is not None:
            yield f"{tag} =~ /{portable(self.matches)}/"
        if self.not_matches is not None:
            yield f"{tag} !~ /{portable(self.not_matches)}/"
        if self.present is not None:
            yield f"{tag} {'!=' if self.present else equals} {text('')}"

    def __str__(self) -> str:
        """Return the condition for people."""
        parts = [
            *([f"is {' or '.join(self.one_of)}"] if self.one_of else []),
            *([f"is not {' or '.join(self.none_of)}"] if self.none_of else []),
            *([f"matches {self.matches}"] if self.matches is not None else []),
            *([f"does not match {self.not_matches}"] if self.not_matches is not None else []),
            *({True: ["is there"], False: ["is not there"], None: []}[self.present]),
        ]
        return f"{self.tag} {' and '.join(parts)}"


@dataclass(frozen=True)
class TagFilter:
    """The conditions of a pipeline's `where`, all of which must hold.

    Attributes:
        conditions: one for each tag, in the order of the tags' names.
    """

    conditions: tuple[TagCondition, ...] = ()

    @classmethod
    def of(cls, where: Mapping[str, Any]) -> "TagFilter":
        """Return the filter that a mapping of tags to conditions means."""
        return cls(tuple(TagCondition.of(tag, where[tag]) for tag in sorted(where)))

    def as_dict(self) -> dict[str, Any]:
        """Return the shortest mapping that means this filter, as `of` takes it."""
        return {condition.tag: condition.entry() for condition in self.conditions}

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The names of the tags that conditions are about."""
        return tuple(condition.tag for condition in self.conditions)

    def holds(self, tags: Mapping[str, str]) -> bool:
        """Return whether all conditions hold for a point, or for a series, with these tags."""
        return all(condition.holds(tags.get(condition.tag, "")) for condition in self.conditions)

    def __bool__(self) -> bool:
        return bool(self.conditions)


def problems(condition: TagCondition) -> Iterator[tuple[str, object, str]]:
    """Yield what is wrong with a condition.

    Yields:
        The key below the tag, its value, and what is wrong with what to write instead.
    """
    wrong = False
    for key, pattern in (("matches", condition.matches), ("not_matches", condition.not_matches)):
        if pattern is None:
            continue
        try:
            check_pattern(pattern)
        except PatternError as error:
            wrong = True
            yield key, pattern, f"is not a regular expression (RE2): {error}: mend it"
    if wrong:
        return
    if condition.present is False and not condition.holds(""):
        yield "present", False, "contradicts the other conditions, which ask for the tag: remove one of them"
    elif condition.one_of and not any(map(condition.holds, condition.one_of)):
        yield (
            "is",
            _shortest(condition.one_of),
            "contradicts the other conditions, which allow none of it: remove one of them",
        )


def check_pattern(pattern: str) -> None:
    """Check that a text is a regular expression that Go and RE2 read alike.

    Raises:
        PatternError: it is not; the message says why.
    """
    for escape in _ESCAPES.finditer(pattern):
        if escape[0] in _UNSHARED:
            raise PatternError(f"{escape[0]} {_UNSHARED[escape[0]]}")
    if names := list(_compiled(pattern).groupindex):
        # Go refuses a name that is given twice, and its older versions the notation of Perl.
        raise PatternError(f"a group has the name {names[0]}, which nothing uses: leave it out")


def portable(pattern: str) -> str:
    r"""Return a pattern of the same meaning that can stand between the slashes of InfluxQL and of TICKscript.

    Both read a slash, and a backslash before one, in ways of their own (influxql scanner.go, ScanDelimited; kapacitor
    tick/ast/lex.go, lexRegex). So the result has neither: a slash is `\x2F`, and a backslash of the value is `\x5C`.
    """

    def escaped(match: re.Match[str]) -> str:
        if match[2] or match[1] == "/":
            return r"\x2F"
        return r"\x5C" if match[1] == "\\" else match[0]

    return _ESCAPES.sub(escaped, pattern)


def _values(entry: str | Sequence[str]) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else tuple(entry)


def _shortest(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _finds(pattern: str, value: str) -> bool:
    return _compiled(pattern).search(value) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    """Return an expression of RE2. Raises PatternError."""
    # Loaded here, because most pipelines have no pattern, and Kapacitor waits for the UDF to start.
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        raise PatternError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None
