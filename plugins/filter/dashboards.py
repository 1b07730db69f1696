"""Filters for Grafana's dashboards and alert rules, made by `anomaly.grafana`; a user's own dashboards are files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.own_dashboards import OURS, own_dashboards

from anomaly import pipeline as specification
from anomaly.grafana import alert_rules
from anomaly.grafana.panels import DATASOURCE_UID, TAG
from anomaly.grafana.pipeline_dashboard import pipeline_dashboard
from anomaly.grafana.stack_dashboards import health_dashboard, overview_dashboard, stack_uid

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


def objects(
    dashboards: Mapping[str, Mapping[str, Any]], alerting: Mapping[str, Any], stack_name: str, folder: str
) -> dict[str, Any]:
    """Return what a stack keeps in a Grafana of the user's own, as the module grafana_objects takes it.

    Other stacks may use that Grafana, too, so the data source has an identifier of the stack's own.

    Args:
        dashboards: the dashboards by the names of their files.
        alerting: the file of alert rules and contact points.
        stack_name: the stack's name.
        folder: the title of the folder.
    """
    source = stack_uid(stack_name, "results")
    made = [(group["name"], rule) for group in alerting["groups"] for rule in group["rules"]]
    receivers = [(point["name"], each) for point in alerting["contactPoints"] for each in point["receivers"]]
    return {
        "folder": {"uid": stack_uid(stack_name, "folder"), "title": folder},
        "datasource": {"uid": source, "name": f"Anomalies of {stack_name}"},
        "dashboards": _asking(source, list(dashboards.values())),
        "dashboard_prefix": OURS,
        "dashboard_tags": [TAG, stack_name],
        "rules": _asking(source, [_rule(group, rule) for group, rule in made]),
        "rule_uids": [rule["uid"] for rule in [*(rule for _, rule in made), *alerting["deleteRules"]]],
        "contact_points": [
            {"uid": each["uid"], "name": name, "type": each["type"], "settings": json.dumps(each["settings"])}
            for name, each in receivers
        ],
        "contact_point_uids": [
            each["uid"] for each in [*(each for _, each in receivers), *alerting["deleteContactPoints"]]
        ],
    }


def _rule(group: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of a file as the API takes it: with its group, and all keys are there."""
    return {"notification_settings": None, **rule, "ruleGroup": group}


def _asking(source: str, value: Any) -> Any:
    """Return a copy of dashboards or rules that ask another data source.

    Args:
        source: the data source's identifier.
        value: the dashboards or rules.
    """
    if isinstance(value, Mapping):
        return {key: _asking(source, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_asking(source, inner) for inner in value]
    return source if value == DATASOURCE_UID else value


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
        return {
            "anomaly_alerting": alerting,
            "anomaly_dashboards": dashboards,
            "grafana_objects": objects,
            "own_dashboards": from_folder,
        }
