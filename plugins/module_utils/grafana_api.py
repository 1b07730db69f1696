# SPDX-License-Identifier: MIT
"""The part of Grafana's HTTP API that the module grafana_objects uses, as Grafana 11 and 12 document it.

The kind of each answer is checked, because a proxy or another server may answer 200 with something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from .http_api import CONNECTION_ARGUMENTS, ApiError, HttpApi

# The first version whose alert rules name their receivers.
OLDEST = 11

_ELSEWHERE = "{product} answers with a redirect to another address. Use the address that it leads to ({reason})."


class GrafanaError(ApiError):
    """A request that failed, with Grafana's own message."""


class Grafana(HttpApi):
    """A client of one Grafana, whose ``url`` may have a path, as a token or as a user with a password."""

    product = "Grafana"
    error = GrafanaError
    refusals: ClassVar[Mapping[int, str]] = {
        **dict.fromkeys((301, 302, 303, 307, 308), _ELSEWHERE),
        401: "{product} refuses {who} ({reason}).",
        403: "{who} may not do that ({reason}).",
    }
    # A redirected POST would become a GET.
    redirects = "none"
    token: str | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Grafana:
        """Return a client with a module's parameters, those of CONNECTION_ARGUMENTS and ``token``."""
        grafana = cls(**{name: params[name] for name in CONNECTION_ARGUMENTS})
        grafana.token = params.get("token")
        return grafana

    def version(self) -> str:
        """Return Grafana's version; empty if it does not tell.

        Raises:
            GrafanaError: no Grafana answers.
        """
        answer = self.find("/api/health")
        if answer is None or "database" not in answer:
            raise GrafanaError(f"{self.url}/api/health: the answer is not Grafana's, so this is another server.")
        return str(answer.get("version", ""))

    def permissions(self) -> set[str]:
        """Return the actions that the client may take, on all or some objects."""
        return set(self.read("/api/access-control/user/permissions"))

    def find(self, path: str, kind: type = dict) -> Any:
        """Return the JSON of an object, or None if Grafana does not have it.

        Raises:
            GrafanaError: the request failed, or the answer is not of the kind.
        """
        try:
            return self.read(path, kind)
        except GrafanaError as error:
            if error.status == 404:
                return None
            raise

    def read(self, path: str, kind: type = dict) -> Any:
        """Return the JSON of an answer.

        Raises:
            GrafanaError: the request failed, or the answer is not of the kind.
        """
        answer = self.send("GET", path)
        if not isinstance(answer, kind):
            raise GrafanaError(
                f"GET {self.url}{path.split('?', 1)[0]}: the answer is not Grafana's: {str(answer)[:200]}"
            )
        return answer

    def health(self, uid: str) -> str:
        """Return what is wrong with a data source; empty if it works."""
        try:
            answer = self.read(f"/api/datasources/uid/{segment(uid)}/health")
        except GrafanaError as error:
            # Grafana answers 400 with the reason of InfluxDB, and other codes where it does not get that far.
            return str(error)
        return "" if answer.get("status") == "OK" else str(answer.get("message", answer))

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request, and return the JSON of the answer; None for an empty one."""
        data = None if body is None else json.dumps(body).encode()
        _, text = self._send(method, path, data, "application/json")
        if not text.strip():
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise GrafanaError(
                f"{method} {self.url}{path.split('?', 1)[0]}: the answer is not JSON, so this is another server, or "
                f"a proxy answers for it: {text[:200]!r}"
            ) from error

    def _headers(self) -> dict[str, str]:
        # Without provenance, people may still change or remove rules and contact points by hand.
        own = {"Accept": "application/json", "X-Disable-Provenance": "true"}
        return {**own, "Authorization": f"Bearer {self.token}"} if self.token else own

    def _who(self) -> str:
        return "the token" if self.token else super()._who()

    def _reason(self, text: str) -> str:
        try:
            return str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            return ""


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def is_too_old(version: str) -> bool:
    """Return whether a version is known, and lacks what the module needs."""
    number = re.match(r"v?(\d+)\.", version)
    return number is not None and int(number.group(1)) < OLDEST
