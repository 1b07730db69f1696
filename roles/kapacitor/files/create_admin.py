"""Creates Kapacitor's first admin, inside a container without a network.

Kapacitor accepts the first user only while its HTTP API asks nobody who he is. So kapacitord is started here on this
container's loopback, where nobody else can reach it, is given the user, and is stopped again. The user stays in its data
directory. Run again, it sets the password of the user that is there.

Usage: create_admin.py NAME PASSWORD_FILE MARKER_FILE
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

API = "http://127.0.0.1:9092/kapacitor/v1"
CONFIG = Path(__file__).with_name("bootstrap.conf")
START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.1


def request(method: str, path: str, body: Mapping[str, str] | None = None) -> int:
    """Send one request and return the HTTP status; raises URLError when nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(  # noqa: S310 (the address is the constant above)
            urllib.request.Request(API + path, data=data, method=method),
            timeout=10,  # noqa: S310
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            reason = error.read().decode(errors="replace")
            sys.exit(f"Kapacitor refuses {method} {path}: HTTP {error.code}: {reason}")
        return error.code


def wait_until_ready(kapacitord: subprocess.Popen[bytes]) -> None:
    """Wait until Kapacitor answers a ping."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if kapacitord.poll() is not None:
            sys.exit(f"kapacitord ended with exit code {kapacitord.returncode} before it was ready.")
        try:
            request("GET", "/ping")
        except urllib.error.URLError:
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
    kapacitord = subprocess.Popen(["kapacitord", "-config", str(CONFIG)])  # noqa: S607
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
