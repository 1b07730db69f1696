#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: the subscriptions of one Kapacitor in InfluxDB 1.x."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kapacitor_subscriptions
short_description: Keep one Kapacitor's subscriptions in InfluxDB free of duplicates
description:
  - Kapacitor creates its subscriptions itself, under a name that belongs to its data directory. After that directory was
    lost, the old subscriptions go on to deliver, refused or twice, to the same address. They are removed here.
  - Waits until the subscriptions that are expected are there.
extends_documentation_fragment: [influx_anomaly.stack.connection]
options:
  state:
    description:
      - V(clean), subscriptions to O(destination) under another name than O(name) are removed, and those that are
        expected are waited for.
      - V(absent), all subscriptions to O(destination) are removed, for a Kapacitor that is gone for good.
    type: str
    choices: [clean, absent]
    default: clean
  name:
    description: Name of the subscriptions of this Kapacitor, C(kapacitor-) and its cluster id. Required for
      O(state=clean).
    type: str
  destination:
    description: Host and port that they deliver to, for example V(kapacitor:9092). Those of another name that deliver to it
      are removed.
    type: str
    required: true
  expected:
    description: Database to list of retention policies that have to be subscribed to.
    type: dict
    default: {}
  wait:
    description: How long to wait for the expected ones, in seconds.
    type: int
    default: 90
notes:
  - In check mode nothing is removed and nothing is waited for.
author:
  - influx-anomaly
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: full
    description: Shows the subscriptions before and after, without their tokens.
"""

EXAMPLES = r"""
- name: Only the subscriptions of the Kapacitor that runs
  kapacitor_subscriptions:
    url: http://127.0.0.1:8086
    username: kapacitor
    password: "{{ influxdb_kapacitor_password }}"
    name: kapacitor-0f3c5c1e-8f60-4f0a-9d57-0c9d3b9d1c0b
    destination: kapacitor:9092
    expected:
      telegraf: [autogen]
"""

RETURN = r"""
removed:
  description: The subscriptions that were (in check mode, would be) removed.
  type: list
  elements: dict
  returned: success
subscriptions:
  description: All subscriptions to the destination, with C(database), C(retention_policy) and C(name).
  type: list
  elements: dict
  returned: success
missing:
  description: Expected ones that are not there, which only check mode leaves so.
  type: list
  elements: str
  returned: always
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import Influx, InfluxError, identifier

POLL_SECONDS = 0.5


def subscriptions(influx: Influx, destination: str) -> list[dict[str, str]]:
    """Return the subscriptions that deliver to the destination, without the tokens in their addresses."""
    return [
        {"database": row["__series"], "retention_policy": row["retention_policy"], "name": row["name"]}
        for row in influx.rows("SHOW SUBSCRIPTIONS")
        if any(address(url) == destination for url in row["destinations"])
    ]


def address(url: str) -> str:
    """Return host and port of a subscription's destination.

    >>> address("http://~subscriber:token@kapacitor:9092")
    'kapacitor:9092'
    """
    return urlsplit(url).netloc.rpartition("@")[2]


def missing(there: Sequence[Mapping[str, str]], name: str, expected: Mapping[str, Sequence[str]]) -> list[str]:
    """Return ``database.retention_policy`` of what is expected and not subscribed to under the name."""
    have = {(entry["database"], entry["retention_policy"]) for entry in there if entry["name"] == name}
    return sorted(
        f"{database}.{policy}"
        for database, policies in expected.items()
        for policy in policies
        if (database, policy) not in have
    )


def run(influx: Influx, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Remove stale subscriptions, wait for the expected ones, and return the module's result. Raises InfluxError."""
    name, destination, expected = params["name"], params["destination"], params["expected"]
    before = subscriptions(influx, destination)
    stale = [entry for entry in before if params["state"] == "absent" or entry["name"] != name]
    if not check_mode:
        for entry in stale:
            target = f"{identifier(entry['database'])}.{identifier(entry['retention_policy'])}"
            influx.query(f"DROP SUBSCRIPTION {identifier(entry['name'])} ON {target}")
    end = time.monotonic() + params["wait"]
    there = [entry for entry in before if entry not in stale]
    while (absent := missing(there, name, expected)) and not check_mode and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        there = subscriptions(influx, destination)
    return {
        "changed": bool(stale),
        "removed": stale,
        "subscriptions": there,
        "missing": absent,
        "diff": {"before": _lines(before), "after": _lines(there)},
    }


def _lines(entries: Sequence[Mapping[str, str]]) -> str:
    return "".join(sorted(f"{entry['database']}.{entry['retention_policy']}: {entry['name']}\n" for entry in entries))


def main() -> None:
    """Ansible's entry point."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "state": {"type": "str", "choices": ["clean", "absent"], "default": "clean"},
            "name": {"type": "str"},
            "destination": {"type": "str", "required": True},
            "expected": {"type": "dict", "default": {}},
            "wait": {"type": "int", "default": 90},
        },
        required_if=[("state", "clean", ["name"])],
        supports_check_mode=True,
    )
    try:
        result = run(Influx.from_params(module.params), module.params, module.check_mode)
    except InfluxError as error:
        module.fail_json(msg=str(error), status=error.status)
    if result["missing"] and not module.check_mode:
        module.fail_json(
            msg=f"Kapacitor has not subscribed to {', '.join(result['missing'])} within wait={module.params['wait']} seconds."
            " Is its user in InfluxDB an admin, does the database exist, and what does Kapacitor's log say?",
            missing=result["missing"],
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
