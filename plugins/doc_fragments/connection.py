# SPDX-License-Identifier: MIT
"""The options of module_utils/http_api.py, for the documentation of the modules that take them; and what check mode is
to those that keep a state."""

from __future__ import annotations


class ModuleDocFragment:
    """``extends_documentation_fragment: connection``; ansible-doc looks for a class of this name."""

    DOCUMENTATION = r"""
options:
  url:
    description: Address of the server's HTTP API, for example V(http://127.0.0.1:8086).
    type: str
    required: true
  username:
    description: User for basic authentication; none is sent without it.
    type: str
  password:
    description: Password of O(username).
    type: str
  ca_path:
    description: File with the certificates of the authorities that the server's certificate is checked against.
    type: path
  validate_certs:
    description: Whether the server's certificate is checked.
    type: bool
    default: true
  timeout:
    description: Longest time that one request may take, in seconds.
    type: int
    default: 30
"""

    STATE = r"""
attributes:
  check_mode:
    support: full
    description: Says what would change without changing it.
"""
