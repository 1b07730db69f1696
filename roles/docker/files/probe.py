"""Says by its exit code what a managed host lacks: 1 an engine that answers, 2 Python's `requests`, 3 both, 0 nothing.

Usage: probe.py SOCKET
"""

import importlib.util
import socket
import sys

SECONDS = 5


def engine_answers(path: str) -> bool:
    """Tell whether a container engine answers on the socket `path`."""
    request = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        try:
            connection.connect(path)
            connection.sendall(request)
            return connection.makefile("rb").readline().split()[1:2] == [b"200"]
        except OSError:
            return False


if __name__ == "__main__":
    sys.exit((not engine_answers(sys.argv[1])) + 2 * (importlib.util.find_spec("requests") is None))
