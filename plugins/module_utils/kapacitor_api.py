# SPDX-License-Identifier: MIT
"""The part of Kapacitor's HTTP API that the modules of this project use.

The API is described in Kapacitor's documentation ("HTTP API reference") and, where that is silent, by
``services/task_store/service.go`` of Kapacitor 1.8.6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from .http_api import ApiError, HttpApi

BASE_PATH = "/kapacitor/v1"

# "line 3 char 5", as Kapacitor's lexer, parser and evaluator write it.
_POSITION = re.compile(r"\bline (\d+) char (\d+)")

# Page size of task listings. Kapacitor's own default is 100, after which it silently stops.
_PAGE = 100


class KapacitorError(ApiError):
    """A request that failed, with Kapacitor's own message."""


class Kapacitor(HttpApi):
    """A client for one kapacitord. ``url`` has no path (``http://127.0.0.1:9092``)."""

    product = "Kapacitor"
    error = KapacitorError
    refusals: ClassVar[Mapping[int, str]] = {
        401: "{product} refuses {who} ({reason}). Check username and password.",
        403: "{who} may not do that ({reason}). It needs to be an admin of {product}.",
    }
    silence = "Kapacitor's API waits for a UDF that does not let go of its task; its log says which."

    def task(self, task_id: str) -> dict[str, Any] | None:
        """Return the task with its script as it was sent, or None if there is no such task."""
        return self._described(f"/tasks/{_segment(task_id)}", "status", "script")

    def tasks(self, pattern: str = "", fields: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return all tasks whose id matches the shell-like ``pattern`` (empty: every task), all pages of them."""
        all_tasks: list[dict[str, Any]] = []
        while True:
            query: list[tuple[str, str]] = [
                ("pattern", pattern),
                ("offset", str(len(all_tasks))),
                ("limit", str(_PAGE)),
                ("script-format", "raw"),
            ]
            query.extend(("fields", field) for field in fields)
            page = self._listed("/tasks?" + urlencode(query), "tasks")
            all_tasks.extend(page)
            if len(page) < _PAGE:
                return all_tasks

    def create_task(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Create a task; ``task`` is the request's body (``id``, ``script`` or ``template-id``, ...)."""
        return self._request("POST", "/tasks", task)

    def update_task(self, task_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change the named properties. A new script is only used once the task has been disabled and enabled again."""
        return self._request("PATCH", f"/tasks/{_segment(task_id)}", changes)

    def delete_task(self, task_id: str) -> None:
        """Stop and delete a task. It is not an error if it does not exist."""
        self._request("DELETE", f"/tasks/{_segment(task_id)}")

    def template(self, template_id: str) -> dict[str, Any] | None:
        """Return the template with its script as it was sent, or None if there is no such template."""
        return self._described(f"/templates/{_segment(template_id)}", "script")

    def create_template(self, template_id: str, script: str) -> None:
        """Create a template; Kapacitor finds out whether the script is a stream or a batch."""
        self._request("POST", "/templates", {"id": template_id, "script": script})

    def update_template(self, template_id: str, script: str) -> None:
        """Give a template another script. Kapacitor restarts all of its tasks before it answers."""
        self._request("PATCH", f"/templates/{_segment(template_id)}", {"script": script})

    def delete_template(self, template_id: str) -> None:
        """Delete a template, which must not have a task: a task without its template can no longer be changed."""
        self._request("DELETE", f"/templates/{_segment(template_id)}")

    def topics(self) -> list[dict[str, Any]]:
        """Return all topics of alerts (``id``, ``level``, ...): those with an alert or a handler."""
        return self._listed("/alerts/topics", "topics")

    def handlers(self, topic: str) -> list[dict[str, Any]]:
        """Return the handlers of a topic (``id``, ``kind``, ``options``, ``match``)."""
        return self._listed(f"/alerts/topics/{_segment(topic)}/handlers", "handlers")

    def create_handler(self, topic: str, handler: Mapping[str, Any]) -> None:
        """Add a handler to a topic, which need not be there yet; ``handler`` is the request's body."""
        self._request("POST", f"/alerts/topics/{_segment(topic)}/handlers", handler)

    def replace_handler(self, topic: str, handler: Mapping[str, Any]) -> None:
        """Put another handler into the place of the one with its ``id``."""
        self._request("PUT", f"/alerts/topics/{_segment(topic)}/handlers/{_segment(handler['id'])}", handler)

    def delete_handler(self, topic: str, handler_id: str) -> None:
        """Remove a handler from a topic. It is not an error if it does not exist."""
        self._request("DELETE", f"/alerts/topics/{_segment(topic)}/handlers/{_segment(handler_id)}")

    def _described(self, path: str, *texts: str) -> dict[str, Any] | None:
        """Return what Kapacitor says of one thing, which has these texts; None if there is no such thing."""
        try:
            answer = self._request("GET", f"{path}?script-format=raw")
        except KapacitorError as error:
            if error.status == 404:
                return None
            raise
        for name in texts:
            if not isinstance(answer.get(name), str):
                raise KapacitorError(
                    f"GET {self.url}{BASE_PATH}{path}: the answer has no text {name}, so this is not Kapacitor's API."
                )
        return answer

    def _listed(self, path: str, name: str) -> list[dict[str, Any]]:
        """Return what a listing names, each with an id."""
        entries = self._request("GET", path).get(name) or []
        if isinstance(entries, list) and all(
            isinstance(each, dict) and isinstance(each.get("id"), str) for each in entries
        ):
            return entries
        raise KapacitorError(
            f"GET {self.url}{BASE_PATH}{path.split('?', 1)[0]}: {name} in the answer is not a list of objects with an "
            "id, so this is not Kapacitor's API."
        )

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        _, text = self._send(method, f"{BASE_PATH}{path}", data, "application/json")
        if not text.strip():
            return {}
        shown = f"{method} {self.url}{BASE_PATH}{path.split('?', 1)[0]}"
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise KapacitorError(
                f"{shown}: the answer is not JSON, so {self.url} is not Kapacitor's API: {text[:200]!r}"
            ) from error
        if not isinstance(answer, dict):
            raise KapacitorError(f"{shown}: expected a JSON object, got {type(answer).__name__}.")
        return answer


_DURATION_UNITS_NS = {
    "ns": 1,
    "u": 1_000,
    "µ": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_DURATION = re.compile(r"(?:\d+(?:ns|ms|u|µ|s|m|h|d|w))+")
_DURATION_PART = re.compile(r"(\d+)(ns|ms|u|µ|s|m|h|d|w)")


def comparable_vars(document: Mapping[str, Mapping[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """Return a vars document in the form in which two of them are equal if they mean the same.

    Kapacitor returns a duration in nanoseconds however it was written, and adds an empty description to each var.

    Args:
        document: type and value of each var by its name; None for no vars.
    """
    return {name: _comparable_var(var) for name, var in (document or {}).items()}


def _comparable_var(var: Mapping[str, Any]) -> dict[str, Any]:
    kind, value = var.get("type"), var.get("value")
    if kind == "list":
        value = [_comparable_var(entry) for entry in value or []]
    elif kind == "duration" and isinstance(value, str) and _DURATION.fullmatch(value):
        value = sum(int(number) * _DURATION_UNITS_NS[unit] for number, unit in _DURATION_PART.findall(value))
    return {"type": kind, "value": value}


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


def _segment(name: str) -> str:
    return quote(name, safe="")
