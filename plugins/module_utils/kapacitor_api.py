# SPDX-License-Identifier: MIT
"""The part of Kapacitor's HTTP API that the modules of this project use.

Only the Python standard library and Ansible's own ``module_utils`` are needed on the managed host. The API is described
in Kapacitor's documentation ("HTTP API reference") and, where that is silent, by ``services/task_store/service.go`` of
Kapacitor 1.8.6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode

from ansible.module_utils.urls import open_url

BASE_PATH = "/kapacitor/v1"

# "line 3 char 5", as Kapacitor's lexer, parser and evaluator write it.
_POSITION = re.compile(r"\bline (\d+) char (\d+)")

# Page size of task listings. Kapacitor's own default is 100, after which it silently stops.
_PAGE = 100

CONNECTION_ARGUMENTS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 30},
}


class KapacitorError(Exception):
    """A request that failed.

    ``status`` is the HTTP status code, or None when no answer came.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Kapacitor:
    """A client for one kapacitord.

    ``url`` has no path (``http://127.0.0.1:9092``); ``timeout`` is in seconds and holds for each request.
    Every method raises KapacitorError, with Kapacitor's own message, when the answer is not a success.
    """

    def __init__(
        self,
        url: str,
        username: str | None = None,
        password: str | None = None,
        ca_path: str | None = None,
        validate_certs: bool = True,
        timeout: int = 30,
    ) -> None:
        self.url = url.rstrip("/")
        self.username = username
        self.password = password
        self.ca_path = ca_path
        self.validate_certs = validate_certs
        self.timeout = timeout

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Kapacitor:
        """Make a client of a module's parameters (those of CONNECTION_ARGUMENTS)."""
        return cls(**{name: params[name] for name in CONNECTION_ARGUMENTS})

    def task(self, task_id: str) -> dict[str, Any] | None:
        """Return the task with its script as it was sent, or None if there is no such task."""
        try:
            answer = self._request("GET", f"/tasks/{_segment(task_id)}?script-format=raw")
        except KapacitorError as error:
            if error.status == 404:
                return None
            raise
        return answer

    def tasks(self, pattern: str = "", fields: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return all tasks whose id matches the shell-like ``pattern`` (empty: every task), all pages of them."""
        found: list[dict[str, Any]] = []
        while True:
            query: list[tuple[str, str]] = [
                ("pattern", pattern),
                ("offset", str(len(found))),
                ("limit", str(_PAGE)),
                ("script-format", "raw"),
            ]
            query.extend(("fields", field) for field in fields)
            page = self._request("GET", "/tasks?" + urlencode(query)).get("tasks") or []
            found.extend(page)
            if len(page) < _PAGE:
                return found

    def create_task(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Create a task; ``task`` is the request's body (``id``, ``script``, ``dbrps``, ``status``)."""
        return self._request("POST", "/tasks", task)

    def update_task(self, task_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change the named properties. A new script is only used once the task has been disabled and enabled again."""
        return self._request("PATCH", f"/tasks/{_segment(task_id)}", changes)

    def delete_task(self, task_id: str) -> None:
        """Stop and delete a task. It is no error if there is none."""
        self._request("DELETE", f"/tasks/{_segment(task_id)}")

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        target = f"{self.url}{BASE_PATH}{path}"
        shown = target.split("?", 1)[0]
        try:
            with open_url(
                target,
                method=method,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
                timeout=self.timeout,
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                url_username=self.username,
                url_password=self.password,
                # Kapacitor answers 401 without naming a scheme, so nothing would be sent if it had to be asked for.
                force_basic_auth=bool(self.username),
                # A proxy of the managed host's environment must not see, or break, requests to the host itself.
                use_proxy=False,
            ) as response:
                text = response.read().decode()
        except HTTPError as error:
            raise self._refused(method, shown, error) from error
        except TimeoutError as error:
            raise KapacitorError(self._no_answer(method, shown)) from error
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise KapacitorError(self._no_answer(method, shown)) from error
            raise KapacitorError(
                f"{method} {shown}: no connection to Kapacitor ({error.reason}). Is it running, and is url right?"
            ) from error
        except OSError as error:
            raise KapacitorError(f"{method} {shown}: the connection to Kapacitor broke ({error}).") from error
        if not text.strip():
            return {}
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise KapacitorError(
                f"{method} {shown}: the answer is not JSON, so {self.url} is not Kapacitor's API: {text[:200]!r}"
            ) from error
        if not isinstance(answer, dict):
            raise KapacitorError(f"{method} {shown}: expected a JSON object, got {type(answer).__name__}.")
        return answer

    def _no_answer(self, method: str, shown: str) -> str:
        return (
            f"{method} {shown}: no answer within timeout={self.timeout} seconds. Kapacitor's API waits for a UDF that"
            " does not let go of its task; its log says which."
        )

    def _refused(self, method: str, shown: str, error: HTTPError) -> KapacitorError:
        text = error.read().decode(errors="replace")
        try:
            reason = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            reason = text.strip()[:500] or str(error.reason)
        if error.code == 401:
            who = f"user {self.username!r}" if self.username else "a request without username and password"
            reason = f"Kapacitor refuses {who} ({reason}). Check username and password."
        elif error.code == 403:
            reason = f"user {self.username!r} may not do that ({reason}). It needs to be an admin of Kapacitor."
        return KapacitorError(f"{method} {shown}: {reason}", status=error.code)


def script_position(message: str) -> tuple[int, int] | None:
    """Return (line, column), both counted from 1, that an error message of Kapacitor's names, or None."""
    match = _POSITION.search(message)
    return (int(match.group(1)), int(match.group(2))) if match else None


def script_excerpt(script: str, line: int, column: int) -> str:
    """Return the script's line with a mark below the column; empty if the script has no such line."""
    lines = script.splitlines()
    if not 1 <= line <= len(lines):
        return ""
    prefix = f"{line}: "
    # Tabs stay tabs, so that the mark stands below the right character however wide a tab is shown.
    before = re.sub(r"[^\t]", " ", lines[line - 1][: max(column - 1, 0)])
    return f"{prefix}{lines[line - 1]}\n{' ' * len(prefix)}{before}^"


def _segment(task_id: str) -> str:
    return quote(task_id, safe="")
