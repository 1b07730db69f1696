"""Ports that no two processes of the tests get."""

import socket
import subprocess
import sys

from tests.integration import ports


def test_a_port_is_given_once_and_nothing_listens_on_it() -> None:
    given = [ports.free_port() for _ in range(5)]
    assert len(set(given)) == 5
    for port in given:
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_another_process_does_not_get_it() -> None:
    program = f"from tests.integration import ports; print(ports._lock({ports.free_port()}))"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert told.stdout == b"False\n"
