"""Manifests side by side: what differs between two versions of a model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What differs between any two versions, and says nothing.
_NAMES = frozenset({"version", "created", "parent", "files", "series"})


@dataclass(frozen=True, slots=True)
class Difference:
    """what: a key of the manifest, with dots. before, after: its values; None where there is none."""

    what: str
    before: Any
    after: Any


def facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's single values by their keys, with dots: `range.from`, `quality.observed_per_day`, ..."""
    return dict(_flat({key: value for key, value in manifest.items() if key not in _NAMES}, ""))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What differs, in the order of the manifests' keys; series that are new or gone last."""
    one, other = facts(before), facts(after)
    found = [
        Difference(key, one.get(key), other.get(key)) for key in {**one, **other} if one.get(key) != other.get(key)
    ]
    gone, new = _series(before) - _series(after), _series(after) - _series(before)
    if gone or new:
        found.append(Difference("series that only one has", _named(gone), _named(new)))
    return found


def _flat(mapping: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _series(manifest: Mapping[str, Any]) -> set[tuple[str, ...]]:
    return {tuple(key) for key in manifest.get("series", ())}


def _named(keys: set[tuple[str, ...]]) -> list[str]:
    return sorted(", ".join(key) for key in keys)
