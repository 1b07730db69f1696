#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module that reads which fields and tags measurements of InfluxDB 1.x have, over its HTTP API."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: influxdb_source_info
short_description: Read the fields and tags of measurements in InfluxDB 1.x
description:
  - Reads the names of the fields and tags that measurements have, and the types of the fields. The module changes
    nothing.
  - The module needs only Python's standard library and supports InfluxDB 1.8 to 1.12.
extends_documentation_fragment: [influx_anomaly.stack.connection]
options:
  sources:
    description: The measurements.
    type: list
    elements: dict
    required: true
    suboptions:
      database:
        description: The measurement's database.
        type: str
        required: true
      retention_policy:
        description: The measurement's retention policy.
        type: str
        required: true
      measurement:
        description: The measurement's name. Without it, all measurements of the retention policy are read.
        type: str
author:
  - influx-anomaly
attributes:
  check_mode:
    support: full
    description: The module changes nothing in either mode.
"""

EXAMPLES = r"""
- name: Read what a measurement has
  influx_anomaly.stack.influxdb_source_info:
    url: http://127.0.0.1:8086
    username: reader
    password: "{{ reader_password }}"
    sources:
      - {database: telegraf, retention_policy: autogen, measurement: cpu}
  register: cpu
"""

RETURN = r"""
sources:
  description: The measurements, in the order in which they were asked for.
  type: list
  elements: dict
  returned: success
  contains:
    database:
      description: The measurement's database.
      type: str
    retention_policy:
      description: The measurement's retention policy.
      type: str
    measurement:
      description: The measurement's name; null for all measurements.
      type: str
    fields:
      description:
        - The types of each field, by the field's name; empty if the measurement does not exist, and for all measurements.
      type: dict
      sample: {usage_idle: [float]}
    tags:
      description: The names of the tags; empty for all measurements.
      type: list
      elements: str
    measurements:
      description: Where all measurements are read, the fields and tags of each, by the measurement's name.
      type: dict
      sample: {cpu: {fields: {usage_idle: [float]}, tags: [host]}}
status:
  description: HTTP status of the answer that the module failed on; null if no answer came.
  type: int
  returned: when a request failed
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import (
    InfluxApi,
    InfluxApiError,
    identifier,
)


def read_source(influx: InfluxApi, source: Mapping[str, str | None]) -> dict[str, Any]:
    """Return a measurement with its fields and tags, or all measurements of a retention policy with theirs.

    Args:
        influx: client of the server.
        source: the measurement, with `database`, `retention_policy` and, unless all are meant, `measurement`.

    Raises:
        InfluxApiError: a request or a statement failed.
    """
    measurement = source.get("measurement")
    names = "/.*/" if measurement is None else identifier(measurement)
    place = f"ON {identifier(str(source['database']))} FROM {identifier(str(source['retention_policy']))}.{names}"
    fields: dict[str, dict[str, set[str]]] = {}
    for row in influx.rows(f"SHOW FIELD KEYS {place}"):
        fields.setdefault(row["__series"], {}).setdefault(str(row["fieldKey"]), set()).add(str(row["fieldType"]))
    tags: dict[str, set[str]] = {}
    for row in influx.rows(f"SHOW TAG KEYS {place}"):
        tags.setdefault(row["__series"], set()).add(str(row["tagKey"]))
    found = {
        name: {"fields": {field: sorted(types[field]) for field in sorted(types)}, "tags": sorted(tags.get(name, ()))}
        for name, types in fields.items()
    }
    nothing: dict[str, Any] = {"fields": {}, "tags": []}
    if measurement is None:
        return {**source, **nothing, "measurements": found}
    return {**source, **found.get(measurement, nothing)}


def main() -> None:
    """Run the module."""
    name = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "sources": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"database": name, "retention_policy": name, "measurement": {"type": "str"}},
            },
        },
        supports_check_mode=True,
    )
    influx = InfluxApi.from_params(module.params)
    try:
        sources = [read_source(influx, source) for source in module.params["sources"]]
    except InfluxApiError as error:
        module.fail_json(msg=str(error), status=error.status)
    module.exit_json(changed=False, sources=sources)


if __name__ == "__main__":
    main()
