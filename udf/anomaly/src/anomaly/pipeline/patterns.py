"""Names that a pipeline describes instead of listing: all fields but some, tags or measurements that match.

A deployment asks InfluxDB which names there are, and resolves the patterns to them. All that runs (script, UDF, model,
queries, dashboard) knows the resolved pipeline only. So a name that appears later changes nothing until the next
deployment, and `verify.yml` tells of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from anomaly.pipeline.filters import TagCondition, problems

# The entry of a list that means every name.
EVERY = "*"
# What an expression for measurements stands between.
_SLASH = "/"
_KEYS = ("not", "matches", "not_matches")


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A description of names, as an entry of `group_by` or `fields`.

    Attributes:
        condition: what a name must be.
        settings: the entry's other keys, which hold for each field that is found.
    """

    condition: TagCondition
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Any) -> "NamePattern | None":
        """Return the pattern that an entry means, or None if it is a name or a field with a name."""
        if entry == EVERY:
            return cls(TagCondition(""), {})
        if not isinstance(entry, Mapping) or "name" in entry:
            return None
        settings = {key: value for key, value in entry.items() if key not in _KEYS}
        return cls(TagCondition.of("", {key: entry[key] for key in _KEYS if key in entry}), settings)

    def entry(self) -> str | dict[str, Any]:
        """Return the shortest entry that means this pattern."""
        asked = self.condition.entry()
        described = {**asked, **self.settings} if isinstance(asked, dict) else dict(self.settings)
        return described or EVERY

    def holds(self, name: str) -> bool:
        """Return whether the pattern means a name."""
        return self.condition.holds(name)

    def problems(self) -> Iterator[tuple[str, object, str]]:
        """Yield what is wrong with the pattern: the key, its value, and what is wrong with what to write instead."""
        return problems(self.condition)

    def __str__(self) -> str:
        """Return the pattern for people."""
        asked = str(replace(self.condition, tag="")).strip()
        return f"each whose name {asked}" if asked else "each"


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of a pipeline; without any, the pipeline is resolved.

    Attributes:
        fields: those of `fields`.
        tags: those of `group_by`.
        measurement: that of `measurement`; None if measurements have names.
    """

    fields: tuple[NamePattern, ...] = ()
    tags: tuple[NamePattern, ...] = ()
    measurement: NamePattern | None = None

    def __bool__(self) -> bool:
        return bool(self.fields or self.tags or self.measurement)


NO_PATTERNS = Patterns()


def patterns_in(entries: Any) -> tuple[NamePattern, ...]:
    """Return the patterns among the entries of `fields` or `group_by`."""
    return tuple(pattern for pattern in map(NamePattern.of, entries) if pattern is not None)


def measurement_pattern(entry: Any) -> NamePattern | None:
    """Return the pattern that a pipeline's `measurement` is, or None if it is a name, or several."""
    if not isinstance(entry, str) or len(entry) <= 2 or not (entry.startswith(_SLASH) and entry.endswith(_SLASH)):
        return None
    return NamePattern(TagCondition("", matches=entry[1:-1]), {})


def measurement_text(pattern: NamePattern) -> str:
    """Return a pattern as a pipeline's `measurement` has it."""
    return f"{_SLASH}{pattern.condition.matches}{_SLASH}"
