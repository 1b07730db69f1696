"""Tells people what a pipeline's rules do with its history: values that are left out, overrides that meet nothing."""

from collections import Counter
from collections.abc import Collection, Iterator

from anomaly.pipeline import Pipeline
from anomaly.training.naming import first_of
from anomaly.windows.arrays import Key

# This many series are named of each field.
_MOST_NAMED = 3


def rule_warnings(pipeline: Pipeline, keys: Collection[Key], invalid: Counter[tuple[Key, str]]) -> Iterator[str]:
    """Yield what people should know of a pipeline's rules.

    Args:
        pipeline: the pipeline.
        keys: the series of the history.
        invalid: how many values are invalid, by series and field.
    """
    for field in pipeline.sources:
        counts = Counter({key: count for (key, name), count in invalid.items() if name == field})
        if counts:
            named = ", ".join(f"{count} of {_named(pipeline, key)}" for key, count in counts.most_common(_MOST_NAMED))
            more = f", and more of {len(counts) - _MOST_NAMED} other series" if len(counts) > _MOST_NAMED else ""
            yield f"values of {field!r} are invalid, and left out: {named}{more}"
    for index, override in enumerate(pipeline.overrides):
        if keys and not any(override.where.holds(dict(zip(pipeline.group_by, key, strict=True))) for key in keys):
            conditions = ", and ".join(map(str, override.where.conditions))
            yield (
                f"overrides[{index}] is for no series of the history ({conditions}): check its `where`; there is "
                f"{first_of(sorted(keys), _MOST_NAMED, lambda key: _named(pipeline, key))}"
            )


def _named(pipeline: Pipeline, key: Key) -> str:
    return " ".join(f"{tag}={value}" for tag, value in zip(pipeline.group_by, key, strict=True)) or "the only series"
