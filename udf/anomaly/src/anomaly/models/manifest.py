"""What manifests say: whether a model can be used for a pipeline, and what differs between two versions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anomaly import __version__
from anomaly.pipeline import Pipeline

# Raised when files, features or scores are computed otherwise than before: older models are then refused.
SCHEMA = 4
# What differs between any two versions, and says nothing.
_NAMES = frozenset({"version", "created", "parent", "files", "series"})


@dataclass(frozen=True, slots=True)
class Difference:
    """what: a key of the manifest, with dots. before, after: its values; None where there is none."""

    what: str
    before: Any
    after: Any


def outdated(manifest: Mapping[str, Any]) -> str | None:
    """Why this program cannot use a model, whatever the pipeline; None if it can."""
    schema = manifest.get("schema")
    if schema == SCHEMA:
        return None
    made_by = manifest.get("libraries", {}).get("anomaly", "of an unknown version")
    return (
        f"schema {schema!r} in the model, made by anomaly {made_by}, {SCHEMA} in this program, anomaly {__version__}, "
        "which computes features or scores otherwise"
    )


def misfit(manifest: Mapping[str, Any], pipeline: Pipeline) -> str | None:
    """Why a model cannot be used for a pipeline, with the differences by name; None if it can."""
    found = outdated(manifest)
    if found is None and manifest.get("fingerprint") != pipeline.fingerprint:
        found = "; ".join(pipeline.differences(manifest.get("specification", {}))) or (
            f"fingerprint: {manifest.get('fingerprint')} in the model, {pipeline.fingerprint} in the pipeline"
        )
    return found


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
