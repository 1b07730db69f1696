"""Creates Kapacitor's first admin, inside a container without a network.

Kapacitor accepts the first user only while its HTTP API asks nobody for a name. So kapacitord is started here on this
container's loopback, where nobody else can reach it, is given the user, and is stopped again. The user stays in its
data directory. Run again, it sets the password of the user that is there.

Usage: create_admin.py NAME PASSWORD_FILE MARKER_FILE
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PORT = 9092
CONFIG = Path(__file__).with_name("bootstrap.conf")
START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.1


def request(method: str, path: str, body: Mapping[str, str] | None = None) -> int:
    """Send one request and return the HTTP status; raises OSError when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    try:
        connection.request(method, f"/kapacitor/v1{path}", None if body is None else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    finally:
        connection.close()
    if answer.status >= 400 and answer.status != 404:
        sys.exit(f"Kapacitor refuses {method} {path}: HTTP {answer.status}: {text}")
    return answer.status


def wait_until_ready(kapacitord: subprocess.Popen[bytes]) -> None:
    """Wait until Kapacitor answers a ping."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if kapacitord.poll() is not None:
            sys.exit(f"kapacitord ended with exit code {kapacitord.returncode} before it was ready.")
        try:
            request("GET", "/ping")
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return
    sys.exit(f"kapacitord was not ready after {START_SECONDS:g} s. Is another one using the same data directory?")


def ensure_admin(name: str, password: str) -> str:
    """Create the user, or give it the password if it is there. Returns what was done."""
    if request("GET", f"/users/{name}") == 404:
        request("POST", "/users", {"name": name, "password": password, "type": "admin"})
        return "created"
    request("PATCH", f"/users/{name}", {"password": password, "type": "admin"})
    return "updated"


def main(name: str, password_file: str, marker_file: str) -> None:
    """Start Kapacitor, keep the admin, stop Kapacitor, leave the marker."""
    password = Path(password_file).read_text(encoding="utf-8").rstrip("\n")
    kapacitord = subprocess.Popen(["kapacitord", "-config", str(CONFIG)])  # noqa: S603, S607 (of the image)
    try:
        wait_until_ready(kapacitord)
        done = ensure_admin(name, password)
    finally:
        kapacitord.terminate()
        try:
            kapacitord.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kapacitord.kill()
            kapacitord.wait()
    Path(marker_file).touch(mode=0o640)
    print(f"Kapacitor's admin {name} was {done}.")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
