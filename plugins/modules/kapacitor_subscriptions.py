#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module that keeps the subscriptions of one Kapacitor in InfluxDB 1.x."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kapacitor_subscriptions
short_description: Keep one Kapacitor's subscriptions in InfluxDB free of duplicates
description:
  - Kapacitor creates its subscriptions itself, under a name that belongs to its data directory. When that directory is lost,
    the old subscriptions still deliver to the same address, where points are refused or arrive twice. The module removes
    the old subscriptions.
  - The module waits until the expected subscriptions exist.
extends_documentation_fragment: [influx_anomaly.stack.connection]
options:
  state:
    description:
      - With V(clean) the module removes subscriptions to the host and port of O(destination) whose name is not O(name),
        and waits for the expected ones.
      - With V(absent) the module removes all subscriptions to this host and port, for a Kapacitor that is gone for good.
    type: str
    choices: [clean, absent]
    default: clean
  name:
    description: Name of the subscriptions of this Kapacitor, C(kapacitor-) and its cluster id. O(state=clean) needs
      O(name) or O(identity_file).
    type: str
  identity_file:
    description: File with the cluster id of this Kapacitor, on the host that the module runs on. It is C(cluster.id)
      in Kapacitor's data directory. The module then derives O(name).
    type: path
  destination:
    description:
      - Scheme, host and port that the subscriptions deliver to, for example V(http://kapacitor:9092).
      - An expected subscription by another scheme does not count, because no point gets through by it. Kapacitor
        replaces it at its start, and whenever it looks for new databases.
    type: str
    required: true
  expected:
    description: The expected subscriptions, as a mapping of each database to its list of retention policies.
    type: dict
    default: {}
  wait:
    description: How long to wait for the expected subscriptions, in seconds.
    type: int
    default: 90
notes:
  - In check mode the module removes nothing and does not wait.
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
- name: Keep only the subscriptions of the running Kapacitor
  influx_anomaly.stack.kapacitor_subscriptions:
    url: http://127.0.0.1:8086
    username: kapacitor
    password: "{{ influxdb_kapacitor_password }}"
    name: kapacitor-0f3c5c1e-8f60-4f0a-9d57-0c9d3b9d1c0b
    destination: http://kapacitor:9092
    expected:
      telegraf: [autogen]
"""

RETURN = r"""
removed:
  description: The subscriptions that were removed, or would be removed in check mode.
  type: list
  elements: dict
  returned: success
  contains: &subscription
    database:
      description: Database whose points the subscription delivers.
      type: str
    retention_policy:
      description: Retention policy whose points the subscription delivers.
      type: str
    name:
      description: Name of the subscription.
      type: str
    destination:
      description: Scheme, host and port that the subscription delivers to.
      type: str
subscriptions:
  description: The subscriptions to the host and port of O(destination) that remain.
  type: list
  elements: dict
  returned: success
  contains: *subscription
missing:
  description: Expected subscriptions that do not exist, as C(database.retention_policy). Without check mode the module fails if there are any.
  type: list
  elements: str
  returned: success, and when the module waited in vain
  sample: [telegraf.autogen]
status:
  description: HTTP status of the answer that the module failed on; null if no answer came.
  type: int
  returned: when a request failed
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import (
    InfluxApi,
    InfluxApiError,
    identifier,
)

POLL_SECONDS = 0.5


def subscriptions(influx: InfluxApi, destination: str) -> list[dict[str, str]]:
    """Return the subscriptions to the destination's host and port, without the tokens in their addresses."""
    return [
        {
            "database": row["__series"],
            "retention_policy": row["retention_policy"],
            "name": row["name"],
            "destination": place(url),
        }
        for row in influx.rows("SHOW SUBSCRIPTIONS")
        for url in [url for url in row["destinations"] if address(url) == address(destination)][:1]
    ]


def address(url: str) -> str:
    """Return host and port of a subscription's destination.

    >>> address("http://~subscriber:token@kapacitor:9092")
    'kapacitor:9092'
    """
    return urlsplit(url).netloc.rpartition("@")[2]


def place(url: str) -> str:
    """Return a subscription's destination without its token.

    >>> place("https://~subscriber:token@kapacitor:9092")
    'https://kapacitor:9092'
    """
    return f"{urlsplit(url).scheme}://{address(url)}"


def missing(
    there: Sequence[Mapping[str, str]], name: str, destination: str, expected: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the expected subscriptions that do not exist, as ``database.retention_policy``.

    Args:
        there: the existing subscriptions.
        name: name of the Kapacitor's subscriptions.
        destination: scheme, host and port that they deliver to.
        expected: retention policies by database.
    """
    have = {
        (entry["database"], entry["retention_policy"])
        for entry in there
        if (entry["name"], entry["destination"]) == (name, destination)
    }
    return sorted(
        f"{database}.{policy}"
        for database, policies in expected.items()
        for policy in policies
        if (database, policy) not in have
    )


def kapacitor_name(identity: str) -> str:
    """Return the name that a Kapacitor gives its subscriptions, from the content of its cluster.id."""
    return f"kapacitor-{identity.strip()}"


def run(influx: InfluxApi, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Remove stale subscriptions, wait for the expected ones, and return the module's result.

    Args:
        influx: client of the server.
        params: the module's parameters.
        check_mode: whether to change nothing and not to wait.

    Raises:
        InfluxApiError: a request failed.
    """
    name, destination, expected = params["name"], params["destination"], params["expected"]
    before = subscriptions(influx, destination)
    stale = [entry for entry in before if params["state"] == "absent" or entry["name"] != name]
    if not check_mode:
        for entry in stale:
            target = f"{identifier(entry['database'])}.{identifier(entry['retention_policy'])}"
            influx.query(f"DROP SUBSCRIPTION {identifier(entry['name'])} ON {target}")
    end = time.monotonic() + params["wait"]
    there = [entry for entry in before if entry not in stale]
    while (absent := missing(there, name, destination, expected)) and not check_mode and time.monotonic() < end:
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
    return "".join(
        sorted(
            f"{entry['database']}.{entry['retention_policy']}: {entry['name']} {entry['destination']}\n"
            for entry in entries
        )
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "state": {"type": "str", "choices": ["clean", "absent"], "default": "clean"},
            "name": {"type": "str"},
            "identity_file": {"type": "path"},
            "destination": {"type": "str", "required": True},
            "expected": {"type": "dict", "default": {}},
            "wait": {"type": "int", "default": 90},
        },
        mutually_exclusive=[("name", "identity_file")],
        required_if=[("state", "clean", ["name", "identity_file"], True)],
        supports_check_mode=True,
    )
    given = module.params["destination"]
    if not (urlsplit(given).scheme and address(given) and place(given) == given):
        module.fail_json(
            msg=f"destination={given} is not a scheme, a host and a port. Fix: write it like http://kapacitor:9092"
        )
    if module.params["identity_file"]:
        try:
            module.params["name"] = kapacitor_name(Path(module.params["identity_file"]).read_text(encoding="utf-8"))
        except OSError as error:
            module.fail_json(
                msg=f"identity_file={module.params['identity_file']} cannot be read: {error.strerror}. "
                "Fix: start this Kapacitor once, which creates the file, or name the cluster.id of its data directory"
            )
    try:
        result = run(InfluxApi.from_params(module.params), module.params, module.check_mode)
    except InfluxApiError as error:
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
