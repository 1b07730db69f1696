#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: looks at the certificate that a server shows, as a client that verifies it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: served_certificate
short_description: Looks at the certificate that a server shows
description:
  - Connects by TLS, verifies the certificate and its name against the given authorities, and says when it ends.
attributes:
  check_mode:
    support: full
    description: The module changes nothing.
author: influx-anomaly
options:
  address:
    description: Name or IP address of the server, which its certificate must have.
    type: str
    required: true
  port:
    description: Port of the server.
    type: int
    required: true
  ca_path:
    description: File with the certificates of the authorities that may have signed the server's.
    type: path
    required: true
  timeout:
    description: Timeout of the connection, in seconds.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Read when InfluxDB's certificate ends
  influx_anomaly.stack.served_certificate:
    address: 127.0.0.1
    port: 8086
    ca_path: /srv/influx-anomaly/anomaly/config/tls/ca.pem
"""

RETURN = r"""
days_left:
  description: For how many more days the certificate is valid.
  type: int
  returned: success
serial:
  description: Its serial number, in hexadecimal digits.
  type: str
  returned: success
"""

import socket
import ssl
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def look(address: str, port: int, ca_path: str, timeout: float) -> dict[str, Any]:
    """Return C(days_left) and C(serial) of the certificate that a server shows.

    Raises:
        OSError: nobody answers, the CA file cannot be read, or the certificate is not valid for the address.
    """
    context = ssl.create_default_context(cafile=ca_path)
    with (
        socket.create_connection((address, port), timeout) as connection,
        context.wrap_socket(connection, server_hostname=address) as secured,
    ):
        certificate: Any = secured.getpeercert()
    left = ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()
    return {"days_left": int(left // 86400), "serial": certificate["serialNumber"]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "ca_path": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    try:
        certificate = look(**module.params)
    except OSError as error:
        module.fail_json(msg=f"{module.params['address']}:{module.params['port']}: {error}")
    module.exit_json(changed=False, **certificate)


if __name__ == "__main__":
    main()
