# SPDX-License-Identifier: MIT
"""Base of the clients of InfluxDB, Kapacitor and Grafana: a connection, requests, and messages of failed requests.

Only the Python standard library and Ansible's own ``module_utils`` are needed on the managed host.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, ClassVar, TypeVar
from urllib.error import HTTPError, URLError

from ansible.module_utils.urls import open_url

CONNECTION_ARGUMENTS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 120},
}


class ApiError(Exception):
    """A request that failed.

    Attributes:
        status: HTTP status code; None if no answer came, or if a 200 reports a failure.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


Api = TypeVar("Api", bound="HttpApi")


class HttpApi:
    """A client of one server.

    Attributes:
        product: name of the server in messages, set by a subclass.
        error: exception that failed requests raise, set by a subclass.
        refusals: messages by HTTP status.
        silence: explanation of a timeout.
        redirects: which redirects are followed, as `open_url` names them.
    """

    product: ClassVar[str]
    error: ClassVar[type[ApiError]]
    refusals: ClassVar[Mapping[int, str]] = {401: "{product} refuses {who} ({reason})."}
    silence: ClassVar[str] = ""
    redirects: ClassVar[str] = "urllib2"

    def __init__(
        self,
        url: str,
        username: str | None = None,
        password: str | None = None,
        ca_path: str | None = None,
        validate_certs: bool = True,
        timeout: int = 120,
    ) -> None:
        self.url = url.rstrip("/")
        self.username = username
        self.password = password
        self.ca_path = ca_path
        self.validate_certs = validate_certs
        self.timeout = timeout

    @classmethod
    def from_params(cls: type[Api], params: Mapping[str, Any]) -> Api:
        """Return a client with a module's parameters, those of CONNECTION_ARGUMENTS."""
        return cls(**{name: params[name] for name in CONNECTION_ARGUMENTS})

    def as_user(self: Api, username: str, password: str) -> Api:
        """Return a client of this server for another user."""
        return type(self)(self.url, username, password, self.ca_path, self.validate_certs, self.timeout)

    def _send(self, method: str, path: str, data: bytes | None, content_type: str) -> tuple[Mapping[str, str], str]:
        """Send a request, and return the headers and the text of a successful answer.

        Raises:
            ApiError: the request failed, as the subclass's ``error``. Its message does not show the URL's query.
        """
        target = f"{self.url}{path}"
        shown = f"{method} {target.split('?', 1)[0]}"
        try:
            with open_url(
                target,
                method=method,
                data=data,
                headers={**self._headers(), **({"Content-Type": content_type} if data is not None else {})},
                timeout=self.timeout,
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                url_username=self.username,
                url_password=self.password,
                # Kapacitor answers 401 without naming a scheme, so nothing would be sent if it had to be asked for.
                force_basic_auth=bool(self.username),
                # A proxy of the managed host's environment must not see, or break, requests to the host itself.
                use_proxy=False,
                follow_redirects=self.redirects,
            ) as response:
                return response.headers, response.read().decode()
        except HTTPError as error:
            raise self._refused(shown, error) from error
        except (OSError, HTTPException) as error:
            raise self.error(f"{shown}: {self._unreached(error)}") from error
        except ValueError as error:
            raise self.error(f"{shown}: the answer is not HTTP with a text ({error}). Is url right?") from error

    def _headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        return {}

    def _who(self) -> str:
        """Return the words for whom requests come from."""
        return f"user {self.username!r}" if self.username else "a request without username and password"

    def _unreached(self, error: OSError | HTTPException) -> str:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, TimeoutError):
            return f"no answer within timeout={self.timeout} seconds. {self.silence}".rstrip()
        if isinstance(error, URLError):
            return f"no connection to {self.product} ({cause}). Is it running, and is url right?"
        return f"the connection to {self.product} broke ({cause or type(cause).__name__})."

    def _refused(self, shown: str, error: HTTPError) -> ApiError:
        try:
            text = error.read().decode(errors="replace")
        except (OSError, HTTPException, ValueError):
            # The status says enough.
            text = ""
        reason = self._reason(text) or text.strip()[:500] or str(error.reason)
        sentence = self.refusals.get(error.code, "{reason}").format(
            product=self.product, who=self._who(), reason=reason
        )
        return self.error(f"{shown}: {sentence}", status=error.code)

    def _reason(self, text: str) -> str:
        """Return the reason in the text of a refusal; empty if it has not the server's form."""
        try:
            return str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            return ""
