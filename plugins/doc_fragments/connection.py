# SPDX-License-Identifier: MIT
"""Documentation fragments: the options of module_utils/http_api.py, and the check mode of modules that keep a state."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments `influx_anomaly.stack.connection` and `.connection.state`; ansible-doc looks for this class name."""

    DOCUMENTATION = r"""
options:
  url:
    description: Address of the server's HTTP API, for example V(http://127.0.0.1:8086).
    type: str
    required: true
  username:
    description: User for basic authentication. The module sends no credentials if this is omitted.
    type: str
  password:
    description: Password of O(username).
    type: str
  ca_path:
    description: File with the certificates of the authorities that may have signed the server's certificate.
    type: path
  validate_certs:
    description: Whether to check the server's certificate.
    type: bool
    default: true
  timeout:
    description:
      - Timeout of one request, in seconds.
      - A busy host takes long, as Kapacitor ends the UDF of a task before it answers a request that stops the task.
    type: int
    default: 120
"""

    STATE = r"""
attributes:
  check_mode:
    support: full
    description: The module says what would change and changes nothing.
"""
