"""Filters over the inventory's list `pipelines`.

All knowledge of a pipeline is in udf/anomaly: `anomaly.pipeline` and `anomaly.kapacitor`. This module makes it callable
from playbooks, and spreads pipelines over Kapacitor hosts.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

# The check of pipelines loads it, and each task is a fork of the process that loads filters: here it is loaded once.
import jsonschema  # noqa: F401
from ansible.errors import AnsibleFilterError
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.pipelines import pipeline_problems

from anomaly import pipeline as specification
from anomaly.kapacitor.tickscript import DEFAULT_NAME, TickscriptError, declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.models.manifest import Manifest
from anomaly.pipeline.state import PROCESS_BYTES, process_bytes

DOCUMENTATION = """
name: pipelines
short_description: Filters over pipelines
"""

# Another script is another template: Kapacitor would restart all tasks of a template that changes.
_TEMPLATE_DIGITS = 8
# What kapacitord needs itself, in MiB.
_KAPACITORD_MIB = 768


def _normalize(pipelines: Any) -> list[specification.Pipeline]:
    try:
        return specification.normalize(pipelines)
    except specification.SpecError as error:
        raise AnsibleFilterError("; ".join(error.problems)) from None


def normalize(pipelines: Any) -> list[dict[str, Any]]:
    """Return all pipelines with every default filled in, in the given order, disabled ones included."""
    return [pipeline.as_dict() for pipeline in _normalize(pipelines)]


def kapacitor_memory(pipelines: Any) -> str:
    """Return the memory limit of Kapacitor's container: its own part, and the UDF's process of each pipeline.

    Args:
        pipelines: the inventory's list. While it is not valid, each entry counts with the default `memory`, because the
            preflight reads role defaults before it has told what is wrong.
    """
    try:
        needs = [process_bytes(pipeline) for pipeline in specification.normalize(pipelines)]
    except specification.SpecError:
        count = len(pipelines) if isinstance(pipelines, list) else 0
        needs = [PROCESS_BYTES + specification.parse_size(specification.DEFAULT_MEMORY)] * count
    return f"{_KAPACITORD_MIB + -(-sum(needs) // 2**20)}m"


def self_training(pipelines: Any) -> list[dict[str, Any]]:
    """Return the pipelines whose models the trainer trains, with every default filled in."""
    return [pipeline.as_dict() for pipeline in _normalize(pipelines) if pipeline.trains_itself]


def misfit(manifest: Mapping[str, Any], pipeline: Mapping[str, Any]) -> str:
    """Return why a model with this manifest does not fit a pipeline; empty if it fits."""
    return Manifest.from_json(manifest).misfit(_normalize([pipeline])[0]) or ""


def model_findings(results: Iterable[Mapping[str, Any]], every: bool) -> list[dict[str, Any]]:
    """Return a finding for each pipeline: whether its current model fits it.

    Args:
        results: results of a loop of `slurp` over the manifests of current models, whose items are pipelines.
        every: whether a pipeline without any model is a problem.
    """
    findings = []
    for result in results:
        pipeline, content = result["item"], result.get("content")
        manifest = {} if content is None else json.loads(base64.b64decode(content))
        reason = misfit(manifest, pipeline)
        findings.append(
            {
                "what": f"Pipeline {pipeline['name']} has a model that fits it",
                "ok": not reason,
                "note": content is None and not every,
                "problem": f"{'it has none yet' if content is None else reason}. Fix: run train.yml",
            }
        )
    return findings


def canonical_json(pipeline: Mapping[str, Any]) -> str:
    """Return the specification of one pipeline, one line of ASCII that is safe inside TICKscript's '''...'''."""
    return specification.canonical_json(_normalize([pipeline])[0])


def task(
    pipeline: Mapping[str, Any], results_database: str, topic: str, directory: str, comment: str
) -> dict[str, Any]:
    """Return what defines a pipeline's task: `template` (its id), `script` (the template's) and `vars`.

    Args:
        pipeline: the pipeline.
        results_database: the database that the results go to.
        topic: the topic of alerts, unless the pipeline names another.
        directory: the folder of custom scripts.
        comment: what stands above the script.
    """
    (complete,) = _normalize([pipeline])
    try:
        script = find_script(complete, Path(directory))
    except TickscriptError as error:
        raise AnsibleFilterError(f'{complete.name}: tickscript: "{complete.tickscript}" {error}') from None
    headed = f"// {comment}\n\n{script}"
    digest = hashlib.sha256(headed.encode()).hexdigest()[:_TEMPLATE_DIGITS]
    return {
        "template": f"{Path(complete.tickscript or DEFAULT_NAME).stem}-{digest}",
        "script": headed,
        "vars": vars_document(TaskSettings(complete, results_database, topic), declared(script)),
    }


def _weight(host: str, pipeline: str) -> bytes:
    """Return a pipeline's preference for a host, which is constant over runs and unrelated between pipelines."""
    return hashlib.sha256(f"{host}\0{pipeline}".encode()).digest()


def _quotas(hosts: list[str], taken: dict[str, int], count: int) -> dict[str, int]:
    """Return how many more pipelines each host gets for the most even spread.

    Args:
        hosts: names of the hosts.
        taken: number of pipelines that each host has already.
        count: number of pipelines to spread.
    """
    quotas = dict.fromkeys(hosts, 0)
    for _ in range(count):
        least = min(hosts, key=lambda host: (taken[host] + quotas[host], _weight(host, "")))
        quotas[least] += 1
    return quotas


def assign(pipelines: Iterable[Mapping[str, Any]], hosts: Iterable[str]) -> dict[str, str]:
    """Assign each pipeline to an inventory host.

    A pipeline's key `kapacitor` decides. The other pipelines are spread evenly: the hosts' loads differ by at most one,
    as far as fixed pipelines allow. Rendezvous hashing within quotas makes the result independent of the lists' order,
    and a pipeline that is added or removed moves few others. Disabled pipelines keep their place.

    Args:
        pipelines: the inventory's pipelines.
        hosts: names of the hosts in the group kapacitor.

    Returns:
        The host of each pipeline, by the pipeline's name.

    Raises:
        AnsibleFilterError: there is no host, or a pipeline names one that is not in the group.
    """
    known = sorted(hosts)
    wanted = {str(pipeline["name"]): pipeline.get("kapacitor") for pipeline in pipelines}
    if not wanted:
        return {}
    if not known:
        raise AnsibleFilterError("no host is in the group kapacitor. Fix: add one, pipelines need it")
    assigned: dict[str, str] = {}
    for name, host in wanted.items():
        if host is None:
            continue
        if host not in known:
            raise AnsibleFilterError(
                f"pipelines: {name}: kapacitor: {host!r} is not in the group kapacitor. Fix: one of {', '.join(known)}"
            )
        assigned[name] = str(host)
    free = sorted(set(wanted) - set(assigned))
    taken = {host: list(assigned.values()).count(host) for host in known}
    quotas = _quotas(known, taken, len(free))
    for name in free:
        host = max((host for host in known if quotas[host]), key=lambda host: _weight(host, name))
        quotas[host] -= 1
        assigned[name] = host
    return {name: assigned[name] for name in wanted}


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {
            "anomaly_validate": pipeline_problems,
            "anomaly_normalize": normalize,
            "anomaly_kapacitor_memory": kapacitor_memory,
            "anomaly_self_training": self_training,
            "anomaly_misfit": misfit,
            "anomaly_model_findings": model_findings,
            "anomaly_canonical_json": canonical_json,
            "anomaly_task": task,
            "anomaly_assign": assign,
        }
