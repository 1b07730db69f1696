"""Checks of alerts: each handler and its section of kapacitor.conf are complete, and alerts reach its topic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..kapacitor_conf import REPEATABLE
from ..udfs.entries import folder_udf, is_folder_udf
from . import tickscripts
from .inventory import Host, Inventory
from .problem import Problem, one_of, show

_HANDLERS = "kapacitor_alert_handlers"
_SERVICES = "kapacitor_alert_services"
# In a TICKscript.
_TOPIC = re.compile(r"\.topic\(\s*'([^']+)'")
_ID = re.compile(r"[A-Za-z0-9._-]+")
# Kinds without a section, each with an option that it requires and an example of the option.
_PLAIN = {
    "post": ("url", "https://example.org/alerts"),
    "log": ("path", "/var/log/kapacitor/alerts.log"),
    "tcp": ("address", "192.0.2.1:5000"),
    "publish": ("topics", "[everything]"),
    "aggregate": ("topic", "summary"),
}
# Options of handlers that are durations.
_DURATIONS = {"timeout", "interval"}
# The only folder on the host that Kapacitor can write to.
_LOGS = "/var/log/kapacitor/"
# Kinds whose section has their name. Handlers of the kind post name an endpoint of the section httppost instead.
_CONFIGURED = (
    "alerta", "bigpanda", "discord", "kafka", "mqtt", "opsgenie", "opsgenie2", "pagerduty", "pagerduty2", "pushover",
    "sensu", "servicenow", "slack", "smtp", "snmptrap", "talk", "teams", "telegram", "victorops", "zenoss",
)  # fmt: skip
# Options without which Kapacitor does not start.
_NEEDED = {"smtp": "from", "slack": "url", "httppost": "url"}
# With it Telegram refuses a message whose tag values hold an unpaired `_` or `<`, and Kapacitor does not send it again.
_PARSE_MODE = "parse-mode"
_MESSENGERS = "keeper_messengers"
# Kinds of the keeper's messengers, each with what it needs.
_MESSENGER_KINDS = {"post": ("url",), "smtp": ("host", "from", "to")}
_TLS = ("auto", "tls", "starttls", "none")
_MOST_PORT = 65_535


def check(inventory: Inventory, root: Path) -> Iterator[Problem]:
    """Yield the problems of handlers and sections.

    Args:
        inventory: all hosts.
        root: folder that the folders of UDFs start from.
    """
    for host in inventory.members("kapacitor"):
        yield from _messengers(host)
        services, handlers = host.effective.get(_SERVICES), host.effective.get(_HANDLERS)
        if not isinstance(services, Mapping) or not isinstance(handlers, list):
            continue
        yield from _sections(host, services)
        # Another check reports entries of a wrong type.
        entries = [
            entry
            for entry in handlers
            if isinstance(entry, Mapping)
            and {"id", "kind"} <= entry.keys()
            and isinstance(entry.get("options", {}), Mapping)
        ]
        topics = _topics(host, entries, root)
        seen = set()
        for entry in entries:
            place = f"{_HANDLERS}.{entry['id']}"
            if not _ID.fullmatch(str(entry["id"])):
                yield _problem(host, place, "", "Kapacitor takes no such id", "letters, digits, -, . and _")
            topic = str(entry.get("topic") or host.text("stack_name"))
            if (topic, entry["id"]) in seen:
                yield _problem(host, place, "", "another handler of the topic has this id", "an id of its own")
            seen.add((topic, entry["id"]))
            if topic not in topics:
                fix = f"one of {', '.join(sorted(topics))}, or set alerts.topic of a pipeline"
                yield _problem(host, f"{place}.topic", show(topic), "nothing alerts on this topic", fix)
            yield from _kind(host, place, entry, services)
            yield from _notify(host, place, entry)


def _notify(host: Host, place: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    notify, topic, stack = entry.get("notify", "periods"), entry.get("topic"), host.text("stack_name")
    # Another check reports what is not a choice.
    if notify not in ("incidents", "both"):
        return
    if topic and str(topic) != stack:
        yield _problem(
            host, f"{place}.notify", str(notify), f"incidents are told on the topic of the stack, and not on {topic}",
            "remove topic, or notify",
        )  # fmt: skip
    elif not host.effective.get("keeper_enabled", True):
        yield _problem(
            host, f"{place}.notify", str(notify), "the keeper makes incidents, and keeper_enabled is false",
            "enable the keeper, or remove notify",
        )  # fmt: skip


def _problem(host: Host, thing: str, value: str, wrong: str, fix: str) -> Problem:
    variable = thing.split(".", 1)[0]
    return Problem(thing, value or None, wrong, fix, host.where.get(variable), host.name)


def _sections(host: Host, services: Mapping[str, Any]) -> Iterator[Problem]:
    known = sorted((*_CONFIGURED, "httppost"))
    for name, given in services.items():
        entries = given if isinstance(given, list) else [given]
        place = f"{_SERVICES}.{name}"
        if name not in known:
            yield _problem(host, place, "", "kapacitor.conf has no such section for alerts", one_of(name, known))
        elif isinstance(given, list) and name not in REPEATABLE:
            yield _problem(host, place, "", "there can be only one", "write a mapping of its options")
        elif not all(isinstance(entry, Mapping) for entry in entries):
            yield _problem(host, place, "(hidden)", "is not a mapping", "write the section's options, key: value")
        elif name in _NEEDED:
            needed = _NEEDED[name]
            for entry in entries:
                if entry.get("enabled", True) and not entry.get(needed):
                    yield _problem(host, place, "(hidden)", f"Kapacitor needs {needed} to start", f"add {needed}")
        elif name == "telegram":
            for entry in entries:
                yield from _parse_mode(host, place, entry)


def _parse_mode(host: Host, place: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problem of a section or a handler of Telegram whose messages would be read as Markdown or HTML."""
    if options.get(_PARSE_MODE):
        yield _problem(
            host, f"{place}.{_PARSE_MODE}", show(options[_PARSE_MODE]),
            "Telegram refuses a message whose tag values do not fit it, such as printer_1, and the alert is lost",
            f"remove {_PARSE_MODE}; alerts are plain text",
        )  # fmt: skip


def _messengers(host: Host) -> Iterator[Problem]:
    """Yield the problems of the messengers that an inventory gives the keeper."""
    messengers = host.supplied.get(_MESSENGERS)
    for name, entry in messengers.items() if isinstance(messengers, Mapping) else ():
        place = f"{_MESSENGERS}.{name}"
        kind = entry.get("kind") if isinstance(entry, Mapping) else None
        if kind not in _MESSENGER_KINDS:
            yield _problem(
                host, f"{place}.kind", show(kind), "the keeper has no such kind of messenger",
                f"one of {', '.join(_MESSENGER_KINDS)}",
            )  # fmt: skip
            continue
        for option in _MESSENGER_KINDS[kind]:
            if not entry.get(option):
                yield _problem(
                    host, place, "(hidden)", f"a messenger of the kind {kind} needs {option}", f"add {option}"
                )
        if kind == "smtp":
            yield from _mail(host, place, entry)


def _mail(host: Host, place: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of what a messenger of the kind smtp says beside what it needs."""
    if entry.get("to") and not isinstance(entry["to"], list):
        yield _problem(host, f"{place}.to", show(entry["to"]), "is not a list", f"write [{entry['to']}]")
    tls, port = entry.get("tls", "auto"), entry.get("port", 25)
    if tls not in _TLS:
        yield _problem(host, f"{place}.tls", show(tls), "the keeper has no such way to encrypt", one_of(tls, _TLS))
    is_number = isinstance(port, int) and not isinstance(port, bool)
    if not (is_number or (isinstance(port, str) and port.isdecimal())) or not 1 <= int(port) <= _MOST_PORT:
        yield _problem(
            host, f"{place}.port", show(port), "is not a port", f"a number from 1 to {_MOST_PORT}, such as 25"
        )


def _topics(host: Host, entries: list[Mapping[str, Any]], root: Path) -> set[str]:
    """Return the topics that pipelines, tasks of custom UDFs and other handlers alert on."""
    pipelines = host.effective.get("pipelines")
    all_topics = {host.text("stack_name")}
    for pipeline in pipelines if isinstance(pipelines, list) else []:
        alerts = pipeline.get("alerts") if isinstance(pipeline, Mapping) else None
        if isinstance(alerts, Mapping) and alerts.get("topic"):
            all_topics.add(str(alerts["topic"]))
    all_topics |= {topic for text in tickscripts.custom_scripts(host, root) for topic in _TOPIC.findall(text)}
    for entry in entries:
        options = entry.get("options")
        if isinstance(options, Mapping):
            topics = options.get("topics")
            named = topics if isinstance(topics, list) else [options.get("topic")]
            all_topics |= {str(topic) for topic in named if topic}
    udfs = host.effective.get("kapacitor_udfs")
    for name, entry in udfs.items() if isinstance(udfs, Mapping) else ():
        all_topics |= _script_topics(str(name), entry, root)
    return all_topics


def _script_topics(name: str, entry: Any, root: Path) -> set[str]:
    """Return the topics of a custom UDF's TICKscripts; none if its entry is wrong, which another check reports."""
    if not is_folder_udf(entry):
        return set()
    try:
        scripts = [task.script for task in folder_udf(name, entry, root, "").tasks if task.script.is_file()]
    except (AttributeError, KeyError, TypeError):
        return set()
    texts = [script.read_text(encoding="utf-8", errors="replace") for script in scripts]
    return {topic for text in texts for topic in _TOPIC.findall(text)}


def _kind(host: Host, place: str, entry: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[Problem]:
    kind, options = str(entry["kind"]), entry.get("options", {})
    for key in _DURATIONS & options.keys():
        if not isinstance(options[key], int):
            yield _problem(
                host, f"{place}.options.{key}", show(options[key]), "Kapacitor takes whole nanoseconds here",
                "10000000000 for ten seconds",
            )  # fmt: skip
    known = (*_PLAIN, *_CONFIGURED)
    if kind == "exec":
        yield _problem(
            host, f"{place}.kind", kind,
            "would run a program inside Kapacitor's container, which is read-only and knows InfluxDB's password",
            "post to a service that runs it",
        )  # fmt: skip
    elif kind not in known:
        yield _problem(host, f"{place}.kind", show(kind), "Kapacitor has no such kind of handler", one_of(kind, known))
    elif kind in _CONFIGURED and kind not in services:
        yield _problem(
            host, f"{place}.kind", kind, "needs a section of kapacitor.conf", f"set {_SERVICES}.{kind}",
        )  # fmt: skip
    elif kind == "post" and options.get("endpoint"):
        endpoints = services.get("httppost") or []
        endpoints = endpoints if isinstance(endpoints, list) else [endpoints]
        if options["endpoint"] not in [each.get("endpoint") for each in endpoints if isinstance(each, Mapping)]:
            yield _problem(
                host, f"{place}.options.endpoint", show(options["endpoint"]), "there is no such endpoint",
                f"add it to {_SERVICES}.httppost, or give a url",
            )  # fmt: skip
    elif kind == "telegram":
        yield from _parse_mode(host, f"{place}.options", options)
    elif kind in _PLAIN and not options.get(_PLAIN[kind][0]):
        option, example = _PLAIN[kind]
        yield _problem(
            host, f"{place}.options", "", f"a handler of the kind {kind} needs {option}", f"add {option}: {example}"
        )
    elif kind == "log" and (not str(options["path"]).startswith(_LOGS) or ".." in str(options["path"])):
        yield _problem(
            host, f"{place}.options.path", show(options["path"]), "Kapacitor's container cannot write there",
            f"a file in {_LOGS}, which is log/kapacitor/ in stack_dir",
        )  # fmt: skip
