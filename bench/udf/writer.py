"""Writes line protocol to kapacitord's HTTP API over one connection, as a subscription does."""

import http.client
from urllib.parse import urlsplit

from bench.udf.errors import BenchError

_TIMEOUT_S = 60.0


class HttpWriter:
    """`url`: of Kapacitor's API, as in http://127.0.0.1:9092/kapacitor/v1."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_S)
        self._path = f"{parts.path}/write?db=db&rp=autogen&precision=ns"

    def write(self, body: bytes) -> None:
        """Write lines, and wait until Kapacitor has put their points into its stream."""
        self._connection.request("POST", self._path, body)
        response = self._connection.getresponse()
        said = response.read()
        if response.status != 204:
            raise BenchError(f"Kapacitor answered a write with {response.status}: {said.decode('utf-8', 'replace')}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
