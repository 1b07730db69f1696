"""Defines a pipeline's task anew, and reads its state, over Kapacitor's HTTP API."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import requests

from anomaly.login import basic_login
from demo.errors import DemoError
from demo.stack import DeployedStack

TIMEOUT_S = 60
_POLL_S = 0.1
_DEFINITION = ("template-id", "type", "dbrps", "script", "vars")


class PipelineTask:
    """The task of a pipeline, on whichever Kapacitor of the stack it runs."""

    def __init__(self, stack: DeployedStack) -> None:
        self._id = stack.pipeline.name
        self._auth = basic_login(stack.kapacitor.username, stack.kapacitor.password)
        self._verify: str | bool = stack.ca_file or True
        self._url = self._find(stack)

    def restart(self, while_removed: Callable[[], None]) -> None:
        """Remove the task, do something, and define the task as it was.

        With the task goes its snapshot. Otherwise the UDF would know the windows of an earlier demonstration of the
        same day, and take all points of this one for late.

        Args:
            while_removed: what to do while there is no task.

        Raises:
            DemoError: Kapacitor cannot be asked, refused, or the task does not execute in time.
        """
        task = self._answer(requests.get, self._url, params=[("fields", field) for field in _DEFINITION])
        definition = {name: task[name] for name in _DEFINITION if task.get(name)}
        if "template-id" in definition:
            # The script is the template's.
            definition.pop("script", None)
        self._answer(requests.delete, self._url)
        try:
            while_removed()
        finally:
            tasks_url = self._url.rpartition("/")[0]
            self._answer(requests.post, tasks_url, json={**definition, "id": self._id, "status": "enabled"})
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            task = self._get(self._url)
            if task.get("error"):
                raise DemoError(f"{self}: failed to start: {task['error']}. Fix: see Kapacitor's log; deploy again")
            if task.get("executing"):
                return
            if time.monotonic() > deadline:
                raise DemoError(f"{self}: does not execute {TIMEOUT_S} s after its start. Fix: see Kapacitor's log")
            time.sleep(_POLL_S)

    def trouble(self) -> str:
        """Return the task's state as Kapacitor reports it, for an error message."""
        task = self._get(self._url)
        state = f"status {task.get('status')}, executing {task.get('executing')}"
        return f"{self}: {state}, error {task.get('error') or 'none'}"

    def __str__(self) -> str:
        return f"Kapacitor's task '{self._id}' at {self._url.split('/kapacitor/')[0]}"

    def _find(self, stack: DeployedStack) -> str:
        """Return the address of the task at the first Kapacitor that has it."""
        for address in stack.kapacitor_urls:
            url = f"{address.rstrip('/')}/kapacitor/v1/tasks/{quote(self._id, safe='')}"
            if self._get(url, missing_ok=True):
                return url
        raise DemoError(
            f"No Kapacitor has a task '{self._id}' (asked {', '.join(stack.kapacitor_urls)}). "
            "Fix: ansible-playbook playbooks/site.yml --tags pipelines"
        )

    def _get(self, url: str, missing_ok: bool = False) -> dict[str, Any]:
        # Without a choice of fields, the answer holds the whole script and the task's graph.
        params = [("fields", field) for field in ("id", "status", "executing", "error")]
        return self._answer(requests.get, url, missing_ok, params=params)

    def _answer(
        self, method: Callable[..., requests.Response], url: str, missing_ok: bool = False, **arguments: Any
    ) -> dict[str, Any]:
        try:
            answer = method(url, auth=self._auth, timeout=TIMEOUT_S, verify=self._verify, **arguments)
        except requests.exceptions.RequestException as error:
            raise DemoError(f"{url}: {error}. Fix: see docker ps whether Kapacitor runs; deploy again") from error
        if answer.status_code == requests.codes.not_found and missing_ok:
            return {}
        if not answer.ok:
            raise DemoError(f"{url}: {answer.status_code}: {answer.text.strip()[:300]}. Fix: deploy again")
        document: dict[str, Any] = answer.json() if answer.content.strip() else {}
        return document
