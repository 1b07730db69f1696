#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: collects what a host can tell of a stack: outputs of commands, ends of files, answers of services."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: diagnose_host
short_description: Collect what a host can tell of a stack
description:
  - Runs commands, reads ends of files and asks services, and returns the texts. What cannot be had is named with the reason,
    and fails nothing.
  - The texts are as they are found, so they may have secrets in them.
options:
  commands:
    description: Name to the words of a command, whose output is collected.
    type: dict
    default: {}
  files:
    description: Name to the path of a file or folder. Of a folder the files below it are collected, by their paths.
    type: dict
    default: {}
  requests:
    description: Name to C(url), and C(username) and C(password) where the service asks for them.
    type: dict
    default: {}
  limit:
    description: The most bytes of each text, counted from its end.
    type: int
    default: 1000000
  timeout:
    description: Longest time for a command or an answer, in seconds.
    type: int
    default: 30
notes:
  - The module changes nothing, so check mode does the same.
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
- name: Collect what the host tells
  influx_anomaly.stack.diagnose_host:
    commands: {engine: [docker, version]}
    files: {config: /srv/influx-anomaly/anomaly/config}
    requests: {influxdb: {url: "http://127.0.0.1:8086/ping"}}
"""

RETURN = r"""
texts:
  description: Name to what was collected.
  type: dict
  returned: always
missing:
  description: Name to the reason why it could not be had.
  type: dict
  returned: always
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

# More files than a stack's configuration has by far; one who points at another folder must not fill the memory.
MOST_FILES = 2000


def run(words: Sequence[str], limit: int, timeout: int) -> str:
    """Return the end of a command's output, with its exit code if it failed.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it takes too long.
    """
    done = subprocess.run(  # noqa: S603 - the role names the programs
        [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=timeout, check=False,
    )  # fmt: skip
    note = f"(exit code {done.returncode})\n" if done.returncode else ""
    return note + done.stdout[-limit:].decode(errors="replace")


def tail(path: Path, limit: int) -> str:
    """Return the end of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(0, size - limit))
        return stream.read(limit).decode(errors="replace")


def members(name: str, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and the path of a file, or of each file below a folder. Links are not followed."""
    if not path.is_dir():
        yield name, path
        return
    for number, file in enumerate(sorted(path.rglob("*"))):
        if number >= MOST_FILES:
            return
        if file.is_file() and not file.is_symlink():
            yield f"{name}/{file.relative_to(path)}", file


def ask(request: Mapping[str, Any], limit: int, timeout: int) -> str:
    """Return the end of a service's answer.

    Raises:
        OSError: there is none, or it is a refusal.
    """
    user = request.get("username")
    with open_url(
        request["url"], url_username=user, url_password=request.get("password"), force_basic_auth=bool(user),
        ca_path=request.get("ca_path") or None, timeout=timeout, use_proxy=False,
    ) as answer:  # fmt: skip
        text: str = answer.read()[-limit:].decode(errors="replace")
        headers = "".join(f"{key}: {value}\n" for key, value in answer.headers.items() if "-Version" in key.title())
        return f"HTTP {answer.status}\n{headers}\n{text}"


def collect(params: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the module's `texts` and `missing`."""
    texts: dict[str, str] = {}
    missing: dict[str, str] = {}
    limit, timeout = params["limit"], params["timeout"]
    for name, words in params["commands"].items():
        try:
            texts[name] = run(words, limit, timeout)
        except subprocess.TimeoutExpired:
            missing[name] = f"no end within {timeout} s"
        except OSError as error:
            missing[name] = str(error)
    for folder, path in params["files"].items():
        for name, file in members(folder, Path(path)):
            try:
                texts[name] = tail(file, limit)
            except OSError as error:
                missing[name] = str(error)
    for name, request in params["requests"].items():
        try:
            texts[name] = ask(request, limit, timeout)
        except (OSError, ValueError) as error:
            missing[name] = str(error)
    return {"texts": texts, "missing": missing}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "commands": {"type": "dict", "default": {}},
            "files": {"type": "dict", "default": {}},
            "requests": {"type": "dict", "default": {}, "no_log": False},
            "limit": {"type": "int", "default": 1_000_000},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **collect(module.params))


if __name__ == "__main__":
    main()
