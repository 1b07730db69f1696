"""The filter that makes Grafana's dashboards; `anomaly.grafana` has all knowledge of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from anomaly import pipeline as specification
from anomaly.grafana.pipeline_dashboard import pipeline_dashboard
from anomaly.grafana.stack_dashboards import health_dashboard, overview_dashboard

DOCUMENTATION = """
name: dashboards
short_description: The dashboards of a stack
"""


def dashboards(pipelines: Iterable[Mapping[str, Any]], stack_name: str) -> dict[str, dict[str, Any]]:
    """Return the dashboards of a stack by the names of their files.

    Args:
        pipelines: the pipelines that run.
        stack_name: the stack's name.
    """
    try:
        known = specification.normalize(list(pipelines))
    except specification.SpecError as error:
        raise AnsibleFilterError("; ".join(error.problems)) from None
    # No pipeline's name begins with _.
    return {
        "_overview.json": overview_dashboard(known, stack_name),
        "_health.json": health_dashboard(known, stack_name),
        **{f"{pipeline.name}.json": pipeline_dashboard(pipeline, stack_name) for pipeline in known},
    }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {"anomaly_dashboards": dashboards}
