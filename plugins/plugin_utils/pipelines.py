"""Checks of the inventory's list `pipelines`. The package `anomaly` holds all knowledge of a pipeline."""

from __future__ import annotations

from anomaly import spec


def pipeline_problems(pipelines: object) -> list[str]:
    """Return every problem of a list of pipelines, one sentence each; an empty list when there is none."""
    try:
        spec.normalize(pipelines)
    except spec.SpecError as error:
        return error.problems
    return []
