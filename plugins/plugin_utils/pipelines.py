"""Checks of the inventory's list `pipelines`. The package `anomaly` holds all knowledge of a pipeline."""

from __future__ import annotations

from anomaly import pipeline as specification


def pipeline_problems(pipelines: object) -> list[str]:
    """Return every problem of a list of pipelines, one sentence each; an empty list when there is none."""
    try:
        specification.normalize(pipelines)
    except specification.SpecError as error:
        return error.problems
    return []
