"""The part of Kapacitor's HTTP API that the keeper uses: tasks, the alerts of a topic, and points for a task.

Source: Kapacitor's documentation, "HTTP API reference", and `services/task_store/service.go` of Kapacitor 1.8.6.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from anomaly.login import basic_login

_TIMEOUT_S = (3.05, 15.0)
# Kapacitor answers a change of a task only after its UDF has ended, or was killed.
_CHANGE_TIMEOUT_S = (3.05, 60.0)
# Kapacitor's own limit is 100, after which it silently stops.
_PAGE = 100


class KapacitorClientError(Exception):
    """Kapacitor cannot be asked, or refused."""


class KapacitorLoginError(KapacitorClientError):
    """Kapacitor does not let the user in."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """What Kapacitor says of a task.

    Attributes:
        enabled: whether it is meant to run.
        executing: whether it runs.
        error: why it does not; empty if it does.
        lost_writes: how many of its writes to InfluxDB have failed since it was started; their points are lost.
    """

    enabled: bool
    executing: bool
    error: str
    lost_writes: int = 0

    @property
    def is_starting(self) -> bool:
        """Whether Kapacitor waits for the task's UDF; it gives a reason for a task that has ended."""
        return self.enabled and not self.executing and not self.error


def _task_state(task: Mapping[str, Any]) -> TaskState:
    """Return what Kapacitor says of a task."""
    # A task that does not run has no statistics.
    nodes = (task.get("stats") or {}).get("node-stats") or {}
    lost_writes = sum(int(node.get("write_errors") or 0) for node in nodes.values())
    return TaskState(task["status"] == "enabled", bool(task["executing"]), str(task["error"]), lost_writes)


class KapacitorClient:
    """Sends requests to one Kapacitor.

    Args:
        url: its address, such as `http://127.0.0.1:9092`.
        username: a user who may change tasks; None asks without credentials.
        password: the user's password.
        ca_file: a CA bundle for https; None: the system's.
    """

    def __init__(
        self, url: str, username: str | None = None, password: str | None = None, ca_file: str | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        # Credentials come from the arguments only, never from a .netrc; proxies are not for the stack's own services.
        self._session.trust_env = False
        if username is not None:
            self._session.auth = basic_login(username, password or "")
        if ca_file is not None:
            self._session.verify = ca_file

    def tasks(self) -> dict[str, TaskState]:
        """Return the states of all tasks by their ids.

        Raises:
            KapacitorClientError: Kapacitor cannot be asked, or refused.
        """
        states: dict[str, TaskState] = {}
        while True:
            fields = [("fields", name) for name in ("status", "executing", "error", "stats")]
            answer = self._request("GET", "/tasks", params=[("offset", len(states)), ("limit", _PAGE), *fields])
            with self._reading():
                page = {str(task["id"]): _task_state(task) for task in answer.get("tasks") or []}
            states |= page
            if len(page) < _PAGE:
                return states

    def start_again(self, task: str) -> None:
        """End a task that may be running, and start it.

        Raises:
            KapacitorClientError: Kapacitor cannot be asked, or refused, or the task is not a pipeline's, as it does not
                use the UDF.
        """
        path = f"/tasks/{quote(task, safe='')}"
        if "@anomaly(" not in str(self._request("GET", path).get("script")):
            raise KapacitorClientError(
                f"Kapacitor at {self._url} has a task {task} that is none of a pipeline's: rename one of them"
            )
        self._request("PATCH", path, json={"status": "disabled"})
        self._request("PATCH", path, json={"status": "enabled"})

    def levels(self, topic: str) -> dict[str, str]:
        """Return the levels of the alerts of a topic that are not OK, by the alerts' ids.

        Raises:
            KapacitorClientError: Kapacitor cannot be asked, or refused.
        """
        path = f"/alerts/topics/{quote(topic, safe='')}/events"
        try:
            answer = self._request("GET", path, params=[("min-level", "INFO")])
        except KapacitorClientError as error:
            # A topic is there from its first alert, or from its first handler on.
            if "unknown topic" in str(error):
                return {}
            raise
        with self._reading():
            return {str(event["id"]): str(event["state"]["level"]) for event in answer.get("events") or []}

    def write(self, lines: Sequence[str], database: str, retention_policy: str) -> None:
        """Hand points to the tasks that read a database and a retention policy; InfluxDB does not get them.

        Args:
            lines: the points in line protocol, with times in nanoseconds.
            database: the database that the tasks name.
            retention_policy: the retention policy that they name.

        Raises:
            KapacitorClientError: Kapacitor cannot be asked, or refused.
        """
        parameters = {"db": database, "rp": retention_policy, "precision": "ns"}
        self._request("POST", "/write", params=parameters, data="\n".join(lines).encode())

    def _request(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            timeout = _TIMEOUT_S if method == "GET" else _CHANGE_TIMEOUT_S
            response = self._session.request(method, f"{self._url}/kapacitor/v1{path}", timeout=timeout, **arguments)
            answer = response.json() if response.content else {}
        except requests.exceptions.JSONDecodeError as error:
            raise self._stranger() from error
        except requests.exceptions.SSLError as error:
            raise KapacitorClientError(
                f"Kapacitor at {self._url}: TLS failed ({getattr(error.args[0], 'reason', error)}): give its CA with "
                "--kapacitor-ca-file"
            ) from error
        except OSError as error:
            # Among them a CA file that cannot be read.
            raise KapacitorClientError(
                f"Kapacitor at {self._url} is not reachable ({type(error).__name__}): check that it is running"
            ) from error
        if response.status_code == requests.codes.unauthorized:
            raise KapacitorLoginError(
                f"Kapacitor at {self._url} does not let the keeper in (401): run site.yml, which makes its admin anew "
                "if its database is lost, and names the password if that is another one"
            )
        if not isinstance(answer, dict):
            raise self._stranger()
        if response.status_code >= 400:
            reason = answer.get("error") or response.reason
            raise KapacitorClientError(
                f"Kapacitor at {self._url} refused {method} {path} ({response.status_code} {reason})"
            )
        return answer

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what an answer of another form raises into the one error."""
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._stranger() from error

    def _stranger(self) -> KapacitorClientError:
        return KapacitorClientError(
            f"Kapacitor at {self._url} answered something else than its JSON: check --kapacitor-url"
        )
