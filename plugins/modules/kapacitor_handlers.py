#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module that keeps the handlers of Kapacitor 1.x's alert topics, over its HTTP API."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kapacitor_handlers
short_description: Keep the handlers of alert topics of Kapacitor 1.x
description:
  - Keeps a set of topic handlers, which decide who receives alerts, over Kapacitor's HTTP API.
  - The set consists of all handlers on any topic whose id begins with O(prefix). The module removes handlers of the set that
    are not listed, and leaves all other handlers alone.
  - The module does not touch a handler that already is as described. Topics keep the state of their alerts.
extends_documentation_fragment: [influx_anomaly.stack.connection, influx_anomaly.stack.connection.state]
options:
  prefix:
    description: Prefix of the ids of the handlers in the set. The module puts it in front of each V(id).
    type: str
    required: true
  handlers:
    description: The handlers of the set.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The handler's id, without O(prefix). Kapacitor allows letters, digits, V(-), V(.) and V(_).
        type: str
        required: true
      topic:
        description: The topic that the handler listens to.
        type: str
        required: true
      kind:
        description: The kind of handler, for example V(post) or V(log).
        type: str
        required: true
      options:
        description:
          - The options of the kind, as the text of a JSON object.
          - Options may hold secrets. Ansible hides one text as a whole, while it would blacken each value of a mapping, such
            as V(true), wherever else the value appears in the output.
        type: str
        default: "{}"
      match:
        description: Lambda expression that selects alerts, for example V(level() == CRITICAL); an empty expression selects every alert.
        type: str
        default: ""
author:
  - influx-anomaly
attributes:
  diff_mode:
    support: full
    description: Shows the handlers before and after; of options it shows only the names, and whether they differ.
"""

EXAMPLES = r"""
- name: Send critical alerts to a webhook
  influx_anomaly.stack.kapacitor_handlers:
    url: http://127.0.0.1:9092
    username: admin
    password: "{{ kapacitor_password }}"
    prefix: ours.
    handlers:
      - id: oncall
        topic: anomaly
        kind: post
        options: "{{ {'url': webhook_url, 'timeout': 10000000000} | to_json }}"
        match: level() == CRITICAL

- name: Ensure the set is empty
  influx_anomaly.stack.kapacitor_handlers:
    url: http://127.0.0.1:9092
    prefix: ours.
"""

RETURN = r"""
actions:
  description: The changes that were made, or would be made in check mode, in order, as an action and C(topic/id).
  type: list
  elements: str
  returned: success
  sample: [removed anomaly/ours.old, created anomaly/ours.oncall]
topics:
  description: Every topic, as it was before the changes.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The topic's id.
      type: str
    level:
      description: Level of the topic's worst alert, for example V(OK) or V(CRITICAL).
      type: str
    handlers:
      description: Ids of the topic's handlers, with those of other owners.
      type: list
      elements: str
status:
  description: HTTP status of the answer that the module failed on; null if no answer came.
  type: int
  returned: when a request failed
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import Kapacitor, KapacitorError

Handler = dict[str, Any]
# Topic and id.
Place = tuple[str, str]

# Shorter values are too common to be hidden in an error's text, and are not secrets.
_SHORTEST_SECRET = 6


class HandlerError(Exception):
    """The handlers cannot be brought into the described state."""


def run(kapacitor: Kapacitor, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the handlers into the described state, and return the module's result.

    Args:
        kapacitor: client of the server.
        params: the module's parameters.
        check_mode: whether to change nothing.

    Raises:
        KapacitorError: a request failed.
        HandlerError: a handler's description is wrong, or Kapacitor refuses the handler.
    """
    wanted = described(params["prefix"], params["handlers"])
    topics = [
        {"id": topic["id"], "level": topic.get("level"), "handlers": kapacitor.handlers(topic["id"])}
        for topic in kapacitor.topics()
    ]
    there = {
        (topic["id"], handler["id"]): _normal(handler)
        for topic in topics
        for handler in topic["handlers"]
        if handler["id"].startswith(params["prefix"])
    }
    todo = plan(there, wanted)
    if not check_mode:
        for action, place in todo:
            _apply(kapacitor, action, place, wanted)
    return {
        "changed": bool(todo),
        "actions": [f"{action} {topic}/{handler_id}" for action, (topic, handler_id) in todo],
        "topics": [{**topic, "handlers": [handler["id"] for handler in topic["handlers"]]} for topic in topics],
        "diff": {"before": as_text(there, wanted), "after": as_text(wanted, there)},
    }


def described(prefix: str, handlers: Sequence[Mapping[str, Any]]) -> dict[Place, Handler]:
    """Return the handlers in Kapacitor's form, by topic and id.

    Args:
        prefix: prefix of the ids.
        handlers: the module's parameter.

    Raises:
        HandlerError: options are not a JSON object, or two handlers have one id.
    """
    by_place: dict[Place, Handler] = {}
    for handler in handlers:
        try:
            options = json.loads(handler["options"])
        except ValueError as error:
            raise HandlerError(f"handlers: the options of {handler['id']!r} are not JSON: {error}") from error
        if not isinstance(options, dict):
            raise HandlerError(f"handlers: the options of {handler['id']!r} are no JSON object: write {{...}}")
        place = (handler["topic"], prefix + handler["id"])
        if place in by_place:
            raise HandlerError(f"handlers: {handler['id']!r} is there twice for topic {handler['topic']!r}: rename one")
        by_place[place] = _normal({**handler, "id": place[1], "options": options})
    return by_place


def _normal(handler: Mapping[str, Any]) -> Handler:
    return {
        "id": handler["id"],
        "kind": handler["kind"],
        "options": handler.get("options") or {},
        "match": handler.get("match") or "",
    }


def plan(there: Mapping[Place, Handler], wanted: Mapping[Place, Handler]) -> list[tuple[str, Place]]:
    """Return the changes in order, each as an action (removed, created or updated) and a place.

    Args:
        there: the existing handlers.
        wanted: the described handlers.
    """
    todo = [("removed", place) for place in sorted(there) if place not in wanted]
    for place, handler in wanted.items():
        if place not in there:
            todo.append(("created", place))
        elif there[place] != handler:
            todo.append(("updated", place))
    return todo


def _apply(kapacitor: Kapacitor, action: str, place: Place, wanted: Mapping[Place, Handler]) -> None:
    topic, handler_id = place
    if action == "removed":
        kapacitor.delete_handler(topic, handler_id)
        return
    send = kapacitor.create_handler if action == "created" else kapacitor.replace_handler
    try:
        send(topic, wanted[place])
    except KapacitorError as error:
        text = _hidden(str(error), wanted[place]["options"])
        raise HandlerError(f"Kapacitor refuses the handler {handler_id!r} of topic {topic!r}: {text}") from error


def _hidden(text: str, value: Any) -> str:
    """Return the text with the values of options hidden."""
    if isinstance(value, Mapping):
        for inner in value.values():
            text = _hidden(text, inner)
    elif isinstance(value, list):
        for inner in value:
            text = _hidden(text, inner)
    elif isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
        text = text.replace(value, "********")
    return text


def as_text(handlers: Mapping[Place, Handler], others: Mapping[Place, Handler]) -> str:
    """Return a line for each handler, without the values of options.

    Args:
        handlers: the handlers to show.
        others: the handlers to compare with; an option that differs there is marked.
    """
    lines = []
    for (topic, handler_id), handler in sorted(handlers.items()):
        other = others.get((topic, handler_id), handler)["options"]
        options = [
            name if other.get(name) == value else f"{name} (differs)"
            for name, value in sorted(handler["options"].items())
        ]
        match = f", match {handler['match']}" if handler["match"] else ""
        lines.append(f"{topic}/{handler_id}: {handler['kind']}, options {', '.join(options) or 'none'}{match}\n")
    return "".join(lines)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "prefix": {"type": "str", "required": True},
            "handlers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "id": {"type": "str", "required": True},
                    "topic": {"type": "str", "required": True},
                    "kind": {"type": "str", "required": True},
                    "options": {"type": "str", "default": "{}", "no_log": True},
                    "match": {"type": "str", "default": ""},
                },
            },
        },
        supports_check_mode=True,
    )
    try:
        result = run(Kapacitor.from_params(module.params), module.params, module.check_mode)
    except HandlerError as error:
        module.fail_json(msg=str(error))
    except KapacitorError as error:
        module.fail_json(msg=str(error), status=error.status)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
