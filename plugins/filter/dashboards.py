"""Filters for Grafana's dashboards and alert rules, made by `anomaly.grafana`; a user's own dashboards are files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.own_dashboards import own_dashboards

from anomaly import pipeline as specification
from anomaly.grafana import alert_rules
from anomaly.grafana.pipeline_dashboard import pipeline_dashboard
from anomaly.grafana.stack_dashboards import health_dashboard, overview_dashboard

DOCUMENTATION = """
name: dashboards
short_description: The dashboards and alert rules of a stack
"""


def dashboards(pipelines: Iterable[Mapping[str, Any]], stack_name: str) -> dict[str, dict[str, Any]]:
    """Return the dashboards of a stack by the names of their files.

    Args:
        pipelines: the pipelines that run.
        stack_name: the stack's name.
    """
    known = _normalized(pipelines)
    # No pipeline's name begins with _.
    return {
        "_overview.json": overview_dashboard(known, stack_name),
        "_health.json": health_dashboard(known, stack_name),
        **{f"{pipeline.name}.json": pipeline_dashboard(pipeline, stack_name) for pipeline in known},
    }


def alerting(
    pipelines: Iterable[Mapping[str, Any]],
    rules: Sequence[Mapping[str, Any]],
    contact_points: Sequence[Mapping[str, Any]],
    stack_name: str,
    folder: str,
) -> dict[str, Any]:
    """Return Grafana's file of alert rules and contact points.

    Args:
        pipelines: the pipelines that run.
        rules: the variable `grafana_alert_rules`.
        contact_points: the variable `grafana_contact_points`.
        stack_name: the stack's name.
        folder: the title of the rules' folder.
    """
    # Grafana expands what looks like a variable in the folder's title.
    return alert_rules.alerting(rules, contact_points, _normalized(pipelines), stack_name, folder.replace("$", "$$"))


def _normalized(pipelines: Iterable[Mapping[str, Any]]) -> list[specification.Pipeline]:
    try:
        return specification.normalize(list(pipelines))
    except specification.SpecError as error:
        raise AnsibleFilterError("; ".join(error.problems)) from None


def from_folder(folder: str) -> dict[str, dict[str, Any]]:
    """Return the user's own dashboards by the names of their files.

    Args:
        folder: the folder on the controller.
    """
    dashboards, problems = own_dashboards(Path(folder))
    if problems:
        lines = [f"{problem.path} {problem.wrong}. Fix: {problem.fix}" for problem in problems]
        raise AnsibleFilterError("; ".join(lines))
    return dashboards


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {"anomaly_alerting": alerting, "anomaly_dashboards": dashboards, "own_dashboards": from_folder}
