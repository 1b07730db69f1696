"""When the certificates of the servers end that the keeper asks, as a client sees it that verifies them.

Whoever deploys renews them, and the keeper tells in time that nobody has.
"""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from anomaly.nanoseconds import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

# How often a server is asked for its certificate, and how often while one ends soon, as it may be renewed at any time.
_ASK_NS = HOUR_NS
_HURRIED_NS = MINUTE_NS
_TIMEOUT_S = 5.0
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A server that is asked by TLS.

    Attributes:
        name: its name for people.
        url: its address.
        ca_file: a CA bundle; None: the system's.
    """

    name: str
    url: str
    ca_file: str | None = None

    def end_ns(self) -> int:
        """Return when the certificate ends that it shows, in nanoseconds since 1970.

        Raises:
            OSError: nobody answers, the CA bundle cannot be read, or the certificate is not valid for the address.
        """
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        context = ssl.create_default_context(cafile=self.ca_file)
        with (
            socket.create_connection((host, parts.port or _HTTPS_PORT), _TIMEOUT_S) as connection,
            context.wrap_socket(connection, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert() or {}
        return int(ssl.cert_time_to_seconds(str(certificate["notAfter"]))) * SECOND_NS


@dataclass(slots=True)
class Certificates:
    """Knows when certificates end, and asks for them now and then.

    Attributes:
        servers: the servers; those without https are left out.
        least_days: how many more days a certificate must be valid.
    """

    servers: Sequence[TlsServer] = ()
    least_days: int = 0
    _ends: dict[str, int] = field(default_factory=dict)
    _due_ns: int = 0

    def ending(self, now_ns: int) -> dict[str, int] | None:
        """Return the names of the servers whose certificates end too soon, with the days that are left.

        A server that does not answer, or whose certificate is refused, has a finding of its own.

        Args:
            now_ns: the time of the host.

        Returns:
            None where no server has a certificate.
        """
        servers = [server for server in self.servers if urlsplit(server.url).scheme == "https"]
        if not servers:
            return None
        # A clock that was set back makes it due, too.
        if not self._due_ns - _ASK_NS <= now_ns < self._due_ns:
            for server in servers:
                try:
                    self._ends[server.name] = server.end_ns()
                except OSError:
                    self._ends.pop(server.name, None)
            self._due_ns = now_ns + (_HURRIED_NS if self._ending(now_ns) else _ASK_NS)
        return self._ending(now_ns)

    def _ending(self, now_ns: int) -> dict[str, int]:
        left = {name: (end_ns - now_ns) // DAY_NS for name, end_ns in self._ends.items()}
        return {name: days for name, days in left.items() if days < self.least_days}
