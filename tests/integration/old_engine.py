"""An engine that is too old: nothing but its answers to the questions of which version it is."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class OldEngine:
    """Listens on a Unix socket while in its `with` statement.

    Args:
        socket: path of the socket.
        version: of the engine.
        api: newest version of the API that it speaks.

    Attributes:
        refused: requests that it didn't understand, as `METHOD path`: whatever would have changed something.
    """

    def __init__(self, socket: Path, version: str, api: str) -> None:
        self.refused: list[str] = []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.partition("?")[0].rsplit("/", 1)[-1]
                answers: dict[str, Any] = {
                    "_ping": "OK",
                    "version": {
                        "Version": version,
                        "ApiVersion": api,
                        "MinAPIVersion": "1.12",
                        "Os": "linux",
                        "Arch": "amd64",
                        "Components": [{"Name": "Engine", "Version": version, "Details": {"ApiVersion": api}}],
                    },
                    "info": {"ServerVersion": version, "NCPU": 2, "MemTotal": 8 << 30, "OSType": "linux"},
                    "json": [],  # containers/json, images/json
                    "networks": [],
                }
                if name not in answers:
                    self._refuse()
                    return
                answer = answers[name]
                body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(200)
                self.send_header("Api-Version", api)
                self.send_header("Docker-Experimental", "false")
                self.send_header("OSType", "linux")
                self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def _refuse(self) -> None:
                engine.refused.append(f"{self.command} {self.path}")
                body = b'{"message": "page not found"}'
                self.send_response(404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_DELETE = _refuse

            def address_string(self) -> str:
                return "unix"

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self._server = Server(str(socket), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="old-engine")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
