"""A server that answers every request alike, or never: what stands in for InfluxDB while it is out of order.

`python -m tests.faults.answers PORT ANSWER`, where ANSWER is a status such as 503, or `never`.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NEVER = "never"
READY = "ready"


def serve(port: int, answer: str) -> None:
    """Serve on all addresses until the process is killed.

    Args:
        port: the port.
        answer: the status of every answer, or `NEVER`.
    """
    never = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if answer == NEVER:
                never.wait()
            body = b'{"error":"out of order"}'
            self.send_response(int(answer))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("", port), Handler) as server:
        server.daemon_threads = True
        print(READY, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
