"""Filters of the roles kapacitor, pipelines and keeper: findings, handlers, sources, kapacitor.conf, and a token.

A finding has `what` was checked, `ok`, and the `problem` if it is not. It comes from what a module would change in
check mode.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.plugins.filter.core import to_json
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.kapacitor_conf import sections

DOCUMENTATION = """
name: kapacitor
short_description: Findings about Kapacitor's tasks and handlers, and sections of its configuration
"""


# What a handler listens to beside the stack's topic, by its `notify`: the endings of the topics' names.
_NOTIFY = {"periods": ("periods",), "incidents": ("incidents",), "both": ("periods", "incidents")}


def task_changes(tasks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each task that kapacitor_tasks changed."""
    return [f"{task['id']}: {', '.join(task['actions'])}" for task in tasks if task.get("actions")]


def task_findings(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a finding for each task.

    Args:
        results: what was found of each task in check mode: the results of a loop of kapacitor_task, whose items have
            `name` and `enabled`, or what kapacitor_tasks returns of its tasks.
    """
    findings = []
    for result in results:
        item = result.get("item") or {"name": result["id"], "enabled": result["state"] == "enabled"}
        actions = result.get("actions")
        task = result.get("task") or {}
        state = "executes without an error" if item["enabled"] else "is there and stopped"
        problem = result.get("msg") or f"{task.get('error') or ''} site.yml would do: {actions or []}"
        findings.append({"what": f"Task {item['name']} {state}", "ok": actions == [], "problem": problem})
    return findings


def handler_findings(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one finding about the handlers of alerts, which names the topics and who listens to them.

    Args:
        result: result of kapacitor_handlers in check mode.
    """
    actions = result.get("actions")
    topics = [f"{topic['id']}: {', '.join(topic['handlers']) or 'nobody'}" for topic in result.get("topics", [])]
    return [
        {
            "what": f"Alerts are handed to kapacitor_alert_handlers (topics: {'; '.join(topics) or 'none yet'})",
            "ok": actions == [],
            "problem": result.get("msg") or f"site.yml would do: {', '.join(actions or [])}",
        }
    ]


def keeper_findings(result: Mapping[str, Any], names: Iterable[str], patience_s: int | str) -> list[dict[str, Any]]:
    """Return what the keeper found at its last look, and whether it can tell anybody that detection is down.

    Args:
        result: result of the command that prints the host's time, in seconds, and the keeper's heartbeat.
        names: the names of the keeper's messengers.
        patience_s: how old the last look may be, in seconds.
    """
    messengers_by_name = sorted(names)
    findings = [
        {
            "what": f"The keeper tells when detection is down ({', '.join(messengers_by_name) or 'nobody'})",
            "ok": bool(messengers_by_name),
            "note": True,
            "problem": (
                "no handler of kapacitor_alert_handlers has the kind post or smtp. "
                "Fix: add one, or set keeper_messengers"
            ),
        }
    ]
    try:
        now, _, heartbeat = str(result.get("stdout") or "").partition("\n")
        look = json.loads(heartbeat)
        outcomes, age_s = look["findings"], int(now) - int(look["time_ns"]) // 1_000_000_000
    except (ValueError, KeyError, TypeError):
        problem = f"it has not looked yet. {result.get('stderr') or result.get('msg') or ''}".strip()
        return [*findings, {"what": "The keeper finds all well", "ok": False, "problem": problem}]
    if age_s > int(patience_s):
        problem = (
            f"it looked {age_s} s ago, which is more than {patience_s} s. Fix: see the log of its container, restart it"
        )
        return [*findings, {"what": "The keeper finds all well", "ok": False, "problem": problem}]
    failed = [str(finding["text"]) for finding in outcomes if finding["ok"] is False]
    pipelines = {finding["pipeline"] for finding in outcomes} - {""}
    what = f"The keeper finds all well ({len(outcomes)} checks, pipelines: {len(pipelines)})"
    return [*findings, {"what": what, "ok": not failed, "problem": "; ".join(failed)}]


def handlers(listed: Iterable[Mapping[str, Any]], topic: str) -> list[dict[str, Any]]:
    """Return the alert handlers as the module kapacitor_handlers takes them.

    Ansible's own `to_json` writes the options, because it knows values out of a vault. A handler's `notify` chooses the
    topics of periods and incidents that it listens to beside the stack's, which has all other alerts. Where all
    handlers are told of periods only, there are no such topics.

    Args:
        listed: the inventory's `kapacitor_alert_handlers`.
        topic: the topic of handlers that name none, which is the stack's.
    """
    entries = list(listed)
    are_split = bool(incident_topic(entries, topic))
    described = []
    for entry in entries:
        handler = {name: value for name, value in entry.items() if name != "notify"}
        handler = {"topic": topic, **handler, "options": to_json(entry.get("options") or {})}
        described.append(handler)
        if are_split and handler["topic"] == topic:
            endings = _NOTIFY[entry.get("notify") or "periods"]
            described += [{**handler, "topic": f"{topic}-{ending}"} for ending in endings]
    return described


def incident_topic(listed: Any, topic: str) -> str:
    """Return the topic of incidents; empty if no handler chooses it.

    Args:
        listed: the inventory's `kapacitor_alert_handlers`.
        topic: the stack's topic.
    """
    return f"{topic}-incidents" if _has_incidents(listed) else ""


def period_topic(listed: Any, topic: str) -> str:
    """Return the topic of the alerts of periods: the stack's, or one of their own where a handler chooses incidents.

    Args:
        listed: the inventory's `kapacitor_alert_handlers`.
        topic: the stack's topic.
    """
    return f"{topic}-periods" if _has_incidents(listed) else topic


def _has_incidents(listed: Any) -> bool:
    # The preflight reads this before it has checked the list.
    entries = listed if isinstance(listed, list) else []
    return any(isinstance(entry, Mapping) and entry.get("notify") in ("incidents", "both") for entry in entries)


def messengers(listed: Any, services: Any) -> dict[str, dict[str, Any]]:
    """Return the alert handlers by which the keeper can tell by itself that detection is down: name to messenger.

    These are handlers of the kinds `post` and `smtp`. A handler that renders a template for its receiver is left out,
    as is one that lacks what it needs; the preflight, which reads this before it has checked the lists, reports that.

    Args:
        listed: the inventory's `kapacitor_alert_handlers`.
        services: the inventory's `kapacitor_alert_services`.
    """
    by_name: dict[str, dict[str, Any]] = {}
    sections_by_name = services if isinstance(services, Mapping) else {}
    for handler in listed if isinstance(listed, list) else []:
        if not isinstance(handler, Mapping) or "id" not in handler:
            continue
        options = handler.get("options") or {}
        options = options if isinstance(options, Mapping) else {}
        messenger = _MESSENGERS.get(str(handler.get("kind")), _nothing)(options, sections_by_name)
        if messenger and messenger not in by_name.values():
            name = str(handler["id"])
            # Handlers of two topics may have the same id.
            by_name[name if name not in by_name else f"{name} of {handler.get('topic')}"] = messenger
    return by_name


def _nothing(options: Mapping[str, Any], services: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _post(options: Mapping[str, Any], services: Mapping[str, Any]) -> dict[str, Any]:
    """Return the messenger of a `post` handler, whose address is an option or that of an endpoint."""
    listed = services.get("httppost") or []
    endpoints = [each for each in (listed if isinstance(listed, list) else [listed]) if isinstance(each, Mapping)]
    endpoint_name = options.get("endpoint")
    endpoint = next((each for each in endpoints if endpoint_name and each.get("endpoint") == endpoint_name), {})
    url = options.get("url") or endpoint.get("url")
    if not url or {"alert-template", "alert-template-file"} & endpoint.keys():
        return {}
    login = endpoint.get("basic-auth") or {}
    headers = {**(endpoint.get("headers") or {}), **(options.get("headers") or {})}
    return {
        "kind": "post",
        "url": url,
        **({"headers": headers} if headers else {}),
        **{key: login[key] for key in ("username", "password") if login.get(key)},
        **({"verify": False} if options.get("skip-ssl-verification") else {}),
    }


def _smtp(options: Mapping[str, Any], services: Mapping[str, Any]) -> dict[str, Any]:
    """Return the messenger of an `smtp` handler: the section's server, and the handler's receivers."""
    section = services.get("smtp")
    section = section if isinstance(section, Mapping) else {}
    receivers = options.get("to") or section.get("to")
    if not section.get("enabled", True) or not section.get("from") or not receivers:
        return {}
    return {
        "kind": "smtp",
        "host": section.get("host") or "localhost",
        "from": section["from"],
        "to": [receivers] if isinstance(receivers, str) else list(receivers),
        **{key: section[key] for key in ("port", "username", "password") if section.get(key)},
        **({"verify": False} if section.get("no-verify") else {}),
    }


_MESSENGERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    "post": _post,
    "smtp": _smtp,
}


def sources(readers: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the retention policies that are read of each database.

    Args:
        readers: pipelines and tasks of custom UDFs, with `database` and `retention_policy`.
    """
    by_database: dict[str, list[str]] = {}
    for reader in readers:
        policies = by_database.setdefault(reader["database"], [])
        if reader["retention_policy"] not in policies:
            policies.append(reader["retention_policy"])
    return by_database


# The clocks of the controller and of the host may differ by less than this.
_TOKEN_SECONDS = 600


def token(username: str, secret: str) -> str:
    """Return a token that lets a user of Kapacitor in without a password, for ten minutes.

    It is a JSON Web Token (RFC 7519) with the claims that Kapacitor reads.

    Args:
        username: the user, who must exist.
        secret: the `shared-secret` of Kapacitor's section `http`.
    """
    claims = {"username": username, "exp": int(time.time()) + _TOKEN_SECONDS}
    signed = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_base64(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {
            "kapacitor_task_changes": task_changes,
            "kapacitor_task_findings": task_findings,
            "kapacitor_handler_findings": handler_findings,
            "kapacitor_handlers": handlers,
            "kapacitor_incident_topic": incident_topic,
            "kapacitor_period_topic": period_topic,
            "keeper_findings": keeper_findings,
            "keeper_messengers": messengers,
            "kapacitor_sections": sections,
            "kapacitor_sources": sources,
            "kapacitor_token": token,
        }
