"""Filters over the inventory's list `pipelines`.

All knowledge of a pipeline is in udf/anomaly: `anomaly.pipeline` and `anomaly.kapacitor`. This module makes it callable
from playbooks, and spreads pipelines over Kapacitor hosts.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
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
from anomaly.pipeline.calendars import HOLIDAY
from anomaly.pipeline.calendars_file import calendars_document, calendars_name
from anomaly.pipeline.links import Addresses
from anomaly.pipeline.resolve import changes, left_out, resolve
from anomaly.pipeline.result_tags import result_tag
from anomaly.pipeline.source_keys import SourceKeys, source_notes, source_problems
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


def normalize(pipelines: Any, sources: Mapping[str, Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Return all pipelines with every default filled in, in the given order, disabled ones included.

    Args:
        pipelines: the inventory's list.
        sources: what `source_keys` returns. The patterns of these pipelines are resolved, unless they mean nothing or
            too much; those of others stay patterns.
    """
    return [_resolved(pipeline, sources or {}).as_dict() for pipeline in _normalize(pipelines)]


def _resolved(pipeline: specification.Pipeline, sources: Mapping[str, Mapping[str, Any]]) -> specification.Pipeline:
    if pipeline.name not in sources:
        return pipeline
    try:
        return resolve(pipeline, SourceKeys.of(sources[pipeline.name]))
    except specification.SpecError:
        return pipeline


def described(pipelines: Any) -> list[dict[str, str]]:
    """Return the sources of the pipelines with patterns, as influxdb_source_info takes them."""
    return [_source(pipeline) for pipeline in _normalize(pipelines) if pipeline.patterns]


def sources(pipelines: Any) -> list[dict[str, str]]:
    """Return the sources of all pipelines, as influxdb_source_info takes them."""
    return list(map(_source, _normalize(pipelines)))


def _source(pipeline: specification.Pipeline) -> dict[str, str]:
    """Return the source of a pipeline: its measurement, or all of the retention policy where there may be several."""
    place = {"database": pipeline.database, "retention_policy": pipeline.retention_policy}
    return place if pipeline.is_by_measurement else {**place, "measurement": pipeline.measurement}


def source_keys(pipelines: Any, answer: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the sources of the pipelines with patterns have, by the pipelines' names.

    Args:
        pipelines: the inventory's list.
        answer: the sources that influxdb_source_info read, in the order of `described`.
    """
    return {
        name: {key: source[key] for key in ("fields", "tags", "measurements") if key in source}
        for name, source in zip(waiting(pipelines), answer, strict=True)
        if not SourceKeys.of(source).is_empty
    }


def pattern_problems(pipelines: Any, sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each pattern that means nothing or too much.

    Args:
        pipelines: the inventory's list.
        sources: what `source_keys` returns.
    """
    problems: list[str] = []
    for pipeline in _normalize(pipelines):
        if pipeline.name not in sources:
            continue
        try:
            resolve(pipeline, SourceKeys.of(sources[pipeline.name]))
        except specification.SpecError as error:
            problems += error.problems
    return problems


def pattern_notes(pipelines: Any, sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each kind of names that match a pattern and cannot be watched or grouped by.

    Args:
        pipelines: the inventory's list.
        sources: what `source_keys` returns.
    """
    return [
        f"pipeline {pipeline.name}: {note}"
        for pipeline in _normalize(pipelines)
        if pipeline.name in sources
        for note in left_out(pipeline, SourceKeys.of(sources[pipeline.name]))
    ]


def waiting(pipelines: Any) -> list[str]:
    """Return the names of the pipelines whose patterns are not resolved."""
    return [pipeline.name for pipeline in _normalize(pipelines) if pipeline.patterns]


def running(pipelines: Any) -> list[dict[str, Any]]:
    """Return the pipelines that can run, which are those without patterns that are not resolved."""
    return [pipeline.as_dict() for pipeline in _normalize(pipelines) if not pipeline.patterns]


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


def source_findings(
    pipelines: Iterable[Mapping[str, Any]],
    result: Mapping[str, Any],
    described: Any = (),
    deployed: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Return the findings on each pipeline: whether its source has the fields and tags that it names or describes.

    Args:
        pipelines: the pipelines as they are deployed.
        result: result of influxdb_source_info for their measurements, in the same order.
        described: the inventory's list, with the patterns.
        deployed: what `source_keys` returned when they were deployed.
    """
    with_patterns = {pipeline.name: pipeline for pipeline in _normalize(described) if pipeline.patterns}
    if "sources" not in result:
        what = "InfluxDB tells which fields and tags the pipelines' sources have"
        return [{"what": what, "ok": False, "problem": result.get("msg", "it was not asked")}]
    findings = []
    for pipeline, source in zip(pipelines, result["sources"], strict=True):
        keys = SourceKeys.of(source)
        (normalized,) = _normalize([pipeline])
        problems = list(source_problems(normalized, keys))
        notes = [] if problems else list(source_notes(normalized, keys))
        findings.append(
            {
                "what": f"The source of pipeline {pipeline['name']} has the fields and tags that it names",
                "ok": not problems and not notes,
                # Nothing has been written yet, or what is odd may be meant.
                "note": keys.is_empty or bool(notes),
                "problem": "; ".join(problems + notes),
            }
        )
        if pipeline["name"] in with_patterns:
            before = (deployed or {}).get(pipeline["name"])
            findings += _pattern_findings(with_patterns[pipeline["name"]], before, keys)
    return findings


def _pattern_findings(
    pipeline: specification.Pipeline, deployed: Mapping[str, Any] | None, keys: SourceKeys
) -> list[dict[str, Any]]:
    """Return the findings on a pipeline's patterns: whether they mean what they meant, and every name that they match.

    Nobody knows the second where they cannot be resolved now.
    """
    problems = ["they are not resolved yet, and mean names now"]
    now, notes = None, list[str]()
    try:
        now = resolve(pipeline, keys)
        notes = left_out(pipeline, keys)
        if deployed is not None:
            problems = changes(resolve(pipeline, SourceKeys.of(deployed)), now)
    except specification.SpecError as error:
        problems = error.problems
    findings = [
        {
            "what": f"The patterns of pipeline {pipeline.name} mean what they meant when it was deployed",
            "ok": not problems,
            "note": True,
            "problem": f"{'; '.join(problems)}. Fix: run site.yml, then train.yml",
        }
    ]
    if now is not None:
        findings.append(
            {
                "what": f"The patterns of pipeline {pipeline.name} mean every name that they match",
                "ok": not notes,
                "note": True,
                "problem": "; ".join(notes),
            }
        )
    return findings


def calendar_files(pipelines: Any) -> dict[str, str]:
    """Return the name and the content of the file of each pipeline's calendars, which running UDFs follow."""
    return {calendars_name(pipeline.name): calendars_document(pipeline) for pipeline in _normalize(pipelines)}


def followed_findings(result: Mapping[str, Any], wanted: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the finding on the files that running services follow: whether they are what a deployment would write.

    Args:
        result: result of ansible.builtin.find over their folders, with checksums of SHA-256.
        wanted: folder to the name and the content of each file in it.
    """
    contents = {f"{folder}/{name}": text for folder, files in wanted.items() for name, text in files.items()}
    sums = {file["path"]: file.get("checksum") for file in result.get("files", [])}
    missing = [path for path in contents if path not in sums]
    others = [
        path
        for path, text in contents.items()
        if path in sums and sums[path] != hashlib.sha256(text.encode()).hexdigest()
    ]
    problems = [f"{', '.join(missing)}: not there"] if missing else []
    problems += [f"{', '.join(others)}: not what the inventory says"] if others else []
    fix = "Fix: run site.yml, or calendars.yml if the inventory's calendars alone have changed"
    return [
        {
            "what": "Running UDFs, the keeper and the console have the calendars and pipelines of the inventory",
            "ok": not problems,
            "problem": f"{'; '.join(problems)}. {fix}",
        }
    ]


def with_calendars(text: str, pipelines: Any) -> list[dict[str, Any]]:
    """Return pipelines as they were deployed, with the maintenance and quiet times of the inventory.

    Args:
        text: the file of the deployed pipelines, JSON.
        pipelines: the inventory's list.
    """
    wanted = {pipeline.name: pipeline for pipeline in _normalize(pipelines)}
    return [
        (_with_calendars(deployed, wanted[deployed.name]) if deployed.name in wanted else deployed).as_dict()
        for deployed in _normalize(json.loads(text))
    ]


def calendar_problems(text: str, pipelines: Any) -> list[str]:
    """Return a sentence for each problem of what `with_calendars` returns, such as too many entries with the holidays.

    Args:
        text: the file of the deployed pipelines, JSON.
        pipelines: the inventory's list.
    """
    return pipeline_problems(with_calendars(text, pipelines))


def _with_calendars(deployed: specification.Pipeline, wanted: specification.Pipeline) -> specification.Pipeline:
    if _holidays(deployed) == _holidays(wanted):
        # In the order in which site.yml would write them.
        return replace(deployed, calendars=wanted.calendars)
    return deployed.with_live_calendars(wanted.live_calendars)


def _holidays(pipeline: specification.Pipeline) -> list[dict[str, str]]:
    return [calendar.entry() for calendar in pipeline.calendars if calendar.means == HOLIDAY]


def calendar_notes(text: str, pipelines: Any) -> list[str]:
    """Return a sentence for each pipeline of which calendars alone do not bring all that its calendars say.

    Args:
        text: the file of the deployed pipelines, JSON.
        pipelines: the inventory's list.
    """
    deployed = {pipeline.name: pipeline for pipeline in _normalize(json.loads(text))}
    notes = []
    for wanted in _normalize(pipelines):
        running = deployed.get(wanted.name)
        if running is None:
            notes.append(f"{wanted.name}: the pipeline is not deployed: run site.yml")
            continue
        if _holidays(running) != _holidays(wanted):
            notes.append(
                f"{wanted.name}: its holidays have changed, and with them what is normal: run site.yml, then train.yml"
            )
        if running.timezone != wanted.timezone:
            notes.append(
                f"{wanted.name}: its calendars follow the clock of {running.timezone} until site.yml brings "
                f"timezone: {wanted.timezone}"
            )
    return notes


def canonical_json(pipeline: Mapping[str, Any]) -> str:
    """Return the specification of one pipeline, one line of ASCII that is safe inside TICKscript's '''...'''."""
    return specification.canonical_json(_normalize([pipeline])[0])


def task(
    pipeline: Mapping[str, Any],
    results_database: str,
    topic: str,
    directory: str,
    comment: str,
    grafana_url: str = "",
    period_topic: str = "",
    console_url: str = "",
) -> dict[str, Any]:
    """Return what defines a pipeline's task: `template` (its id), `script` (the template's) and `vars`.

    Args:
        pipeline: the pipeline.
        results_database: the database that the results go to.
        topic: the topic of alerts, unless the pipeline names another.
        directory: the folder of custom scripts.
        comment: what stands above the script.
        grafana_url: the address under which browsers reach Grafana, for links in messages; empty: no links.
        period_topic: the topic of the alerts of periods, unless the pipeline names a topic; empty: `topic`.
        console_url: the address under which browsers reach the console, to which links lead then; empty: to Grafana.
    """
    (complete,) = _normalize([pipeline])
    try:
        script = find_script(complete, Path(directory))
    except TickscriptError as error:
        raise AnsibleFilterError(f'{complete.name}: tickscript: "{complete.tickscript}" {error}') from None
    addresses = Addresses(grafana_url, console_url)
    settings = TaskSettings(complete, results_database, topic, addresses, period_topic)
    headed = f"// {comment}\n\n{script}"
    digest = hashlib.sha256(headed.encode()).hexdigest()[:_TEMPLATE_DIGITS]
    return {
        "template": f"{Path(complete.tickscript or DEFAULT_NAME).stem}-{digest}",
        "script": headed,
        "vars": vars_document(settings, declared(script)),
    }


def tasks(
    pipelines: Iterable[Mapping[str, Any]],
    results_database: str,
    topic: str,
    directory: str,
    comment: str,
    grafana_url: str = "",
    period_topic: str = "",
    console_url: str = "",
) -> list[dict[str, Any]]:
    """Return the tasks of pipelines as the module kapacitor_tasks takes them; the arguments are those of `task`."""
    return [
        {
            "id": pipeline["name"],
            "state": "enabled" if pipeline["enabled"] else "disabled",
            "dbrps": [{"database": pipeline["database"], "retention_policy": pipeline["retention_policy"]}],
            **task(pipeline, results_database, topic, directory, comment, grafana_url, period_topic, console_url),
        }
        for pipeline in pipelines
    ]


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
    chosen = {str(pipeline["name"]): pipeline.get("kapacitor") for pipeline in pipelines}
    if not chosen:
        return {}
    if not known:
        raise AnsibleFilterError("no host is in the group kapacitor. Fix: add one, pipelines need it")
    assigned: dict[str, str] = {}
    for name, host in chosen.items():
        if host is None:
            continue
        if host not in known:
            raise AnsibleFilterError(
                f"pipelines: {name}: kapacitor: {host!r} is not in the group kapacitor. Fix: one of {', '.join(known)}"
            )
        assigned[name] = str(host)
    free = sorted(set(chosen) - set(assigned))
    taken = {host: list(assigned.values()).count(host) for host in known}
    quotas = _quotas(known, taken, len(free))
    for name in free:
        host = max((host for host in known if quotas[host]), key=lambda host: _weight(host, name))
        quotas[host] -= 1
        assigned[name] = host
    return {name: assigned[name] for name in chosen}


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {
            "anomaly_validate": pipeline_problems,
            "anomaly_normalize": normalize,
            "anomaly_described": described,
            "anomaly_sources": sources,
            "anomaly_source_keys": source_keys,
            "anomaly_pattern_problems": pattern_problems,
            "anomaly_pattern_notes": pattern_notes,
            "anomaly_waiting": waiting,
            "anomaly_running": running,
            "anomaly_kapacitor_memory": kapacitor_memory,
            "anomaly_result_tag": result_tag,
            "anomaly_source_findings": source_findings,
            "anomaly_misfit": misfit,
            "anomaly_model_findings": model_findings,
            "anomaly_calendar_files": calendar_files,
            "anomaly_followed_findings": followed_findings,
            "anomaly_calendar_notes": calendar_notes,
            "anomaly_calendar_problems": calendar_problems,
            "anomaly_with_calendars": with_calendars,
            "anomaly_canonical_json": canonical_json,
            "anomaly_task": task,
            "anomaly_tasks": tasks,
            "anomaly_assign": assign,
        }
