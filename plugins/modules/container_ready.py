#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: waits in one call until a container is ready.

A task that asks the engine again and again starts Python each time, which keeps a core busy while a container starts.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: container_ready
short_description: Wait until a container is ready
description:
  - Waits until the engine calls a container healthy, or until waiting does not help any more. A container without a health
    check is ready when it runs.
  - The engine runs a health check for the first time after the check's interval. Until then the module runs the same check
    itself, so a container is ready as soon as it works.
  - A container that is not ready fails nothing; I(verdict) tells it.
options:
  name:
    description: Name of the container.
    type: str
    required: true
  seconds:
    description: Longest time to wait.
    type: int
    default: 120
notes:
  - The module changes nothing, so check mode does the same. It needs the engine's command line client, C(docker).
attributes:
  check_mode:
    support: full
    description: The module changes nothing.
  diff_mode:
    support: none
    description: The module changes nothing.
author:
  - influx-anomaly
"""

EXAMPLES = r"""
- name: Wait for InfluxDB
  influx_anomaly.stack.container_ready:
    name: anomaly-influxdb
    seconds: 300
  register: influxdb
  failed_when: influxdb.verdict != 'ready'
"""

RETURN = r"""
exists:
  description: Whether the engine has the container.
  type: bool
  returned: success
container:
  description: What C(docker inspect) says of it at the end; null if there is none.
  type: dict
  returned: success
verdict:
  description: >-
    V(ready); V(waiting) if the time is over; or why waiting does not help: V(missing), V(unhealthy), V(crashing), V(exited),
    V(dead), V(removing) or V(paused).
  type: str
  returned: success
"""

import json
import re
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.container_state import (
    READY,
    WAITING,
    container_verdict,
    health_check,
)

PAUSE_S = 0.5
# How long a health check may take that names no time of its own: the engine's default.
CHECK_S = 30.0


class EngineError(Exception):
    """The engine did not answer."""


class Engine:
    """The engine by its command line client.

    Args:
        program: path of `docker`.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    def inspect(self, name: str) -> dict[str, Any] | None:
        """Return what the engine says of a container; None if there is none.

        Raises:
            EngineError: it said something else.
        """
        done = self._run(["inspect", "--type", "container", name], None)
        if done.returncode and re.search("no such container", done.stderr, re.IGNORECASE):
            return None
        if done.returncode:
            raise EngineError(done.stderr.strip())
        inspected: dict[str, Any] = json.loads(done.stdout)[0]
        return inspected

    def passes(self, name: str, check: Sequence[str], seconds: float) -> bool:
        """Return whether a check passes that runs in a container."""
        try:
            return self._run(["exec", name, *check], seconds).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def _run(self, words: Sequence[str], seconds: float | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the words are the role's
            [self._program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def wait(engine: Engine, name: str, seconds: float) -> tuple[dict[str, Any] | None, str]:
    """Return what the engine says of a container at the end, and the verdict.

    Raises:
        EngineError: it does not answer.
    """
    end = time.monotonic() + seconds
    while True:
        inspected = engine.inspect(name)
        verdict = container_verdict(inspected)
        if inspected is not None and verdict == WAITING and (check := health_check(inspected)):
            asked_s = inspected["Config"]["Healthcheck"].get("Timeout", 0) / 1e9 or CHECK_S
            if engine.passes(name, check, asked_s):
                verdict = READY
        if verdict != WAITING or time.monotonic() >= end:
            return inspected, verdict
        time.sleep(PAUSE_S)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {"name": {"type": "str", "required": True}, "seconds": {"type": "int", "default": 120}},
        supports_check_mode=True,
    )
    try:
        engine = Engine(module.get_bin_path("docker", required=True))
        inspected, verdict = wait(engine, module.params["name"], module.params["seconds"])
    except EngineError as error:
        module.fail_json(msg=f"The engine does not answer: {error}")
    module.exit_json(changed=False, exists=inspected is not None, container=inspected, verdict=verdict)


if __name__ == "__main__":
    main()
