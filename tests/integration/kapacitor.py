"""Kapacitor's HTTP API as its admin sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from tests.integration.waiting import PATIENCE_S


class Kapacitor:
    """One user's view.

    Args:
        url: such as `http://127.0.0.1:9092`.
        username: None for nobody.
        password: of the user.
        ca_file: the authorities that an https server is verified with; None: the system's.
    """

    def __init__(self, url: str, username: str | None = None, password: str = "", ca_file: Path | None = None) -> None:
        self.url = url
        self._verify = str(ca_file) if ca_file else True
        self._auth = (username, password) if username is not None else None

    def request(self, method: str, path: str, body: Any = None) -> requests.Response:
        """One request below `/kapacitor/v1`, whatever the answer."""
        return requests.request(
            method,
            f"{self.url}/kapacitor/v1{path}",
            json=body,
            auth=self._auth,
            verify=self._verify,
            timeout=PATIENCE_S,
        )

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Task ID to what Kapacitor says of it."""
        response = self.request("GET", "/tasks")
        response.raise_for_status()
        return {task["id"]: task for task in response.json()["tasks"]}

    def define(self, task: str, script: str, database: str, retention_policy: str = "autogen") -> None:
        """Makes a stream task by hand and enables it."""
        self.request(
            "POST",
            "/tasks",
            {
                "id": task,
                "type": "stream",
                "script": script,
                "status": "enabled",
                "dbrps": [{"db": database, "rp": retention_policy}],
            },
        ).raise_for_status()
