"""A steady stream: a hundred printers with twenty points a second each, 2,000 points a second together."""

import threading
import time

import numpy as np
import requests

from tests.unit.anomaly.printers import FIELDS, LEVEL, MEMORY, SIGMA

SERIES = tuple(f"p{number:03}" for number in range(100))
TICK_NS = 50_000_000
POINTS_A_SECOND = len(SERIES) * 1_000_000_000 // TICK_NS
# Ticks in one write.
_TICKS = 4
# One printer is broken at a time: another one every 15 s, for 9 s.
_TURN_TICKS, _BROKEN_TICKS = 300, 180
_STRENGTH = 9.0
# What waits is sent in parts, so that one request stays small.
_MOST_LINES = 10_000


class Stream:
    """Writes all the time, to InfluxDB alone: whatever else gets the points gets them from InfluxDB.

    Args:
        url: the address of InfluxDB.
        auth: user and password of the writer.
        database: where the points go.

    Attributes:
        begin_ns: the time of the first point.
        points: how many points are stored.
        refusals: how many writes were refused or got no answer.
    """

    def __init__(self, url: str, auth: tuple[str, str], database: str) -> None:
        self._url = f"{url}/write"
        self._parameters = {"db": database, "precision": "ns"}
        self._session = requests.Session()
        self._session.auth = auth
        self._session.trust_env = False
        self._waiting: list[str] = []
        self._rng = np.random.default_rng(1)
        self._noise = self._rng.standard_normal((len(SERIES), len(FIELDS)))
        self._tick = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream")
        self.points = 0
        self.refusals = 0
        # A whole window, so that the first one is not a part.
        self.begin_ns = (time.time_ns() // 10_000_000_000 + 1) * 10_000_000_000
        self._stored_ns = self.begin_ns
        self._thread.start()

    @property
    def stored_ns(self) -> int:
        """The time before which every point is stored."""
        return self._stored_ns

    def end(self) -> None:
        """Stop writing."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            due = (time.time_ns() - self.begin_ns) // TICK_NS
            if due - self._tick < _TICKS:
                self._ended.wait(((self._tick + _TICKS) * TICK_NS + self.begin_ns - time.time_ns()) / 1e9)
                continue
            for _ in range(_TICKS):
                self._waiting += self._lines()
            self._send()

    def _lines(self) -> list[str]:
        time_ns = self.begin_ns + self._tick * TICK_NS
        innovation = self._rng.standard_normal(self._noise.shape)
        self._noise = MEMORY * self._noise + np.sqrt(1 - MEMORY**2) * innovation
        values = LEVEL + SIGMA * self._noise
        turn, at = divmod(self._tick, _TURN_TICKS)
        # The next one is far from this one, so that periods of one series do not touch.
        if at < _BROKEN_TICKS:
            values[turn * 37 % len(SERIES), 1] += _STRENGTH * SIGMA[1]
        self._tick += 1
        return [
            f"temperature,printer={name} {FIELDS[0]}={row[0]:.3f},{FIELDS[1]}={row[1]:.3f},{FIELDS[2]}={row[2]:.3f} "
            f"{time_ns}"
            for name, row in zip(SERIES, values.tolist(), strict=True)
        ]

    def _send(self) -> None:
        while self._waiting and not self._ended.is_set():
            part = self._waiting[:_MOST_LINES]
            try:
                answer = self._session.post(
                    self._url, params=self._parameters, data="\n".join(part).encode(), timeout=5
                )
            except requests.exceptions.RequestException:
                self.refusals += 1
                return
            if answer.status_code != 204:
                self.refusals += 1
                return
            del self._waiting[: len(part)]
            self.points += len(part)
        self._stored_ns = self.begin_ns + self._tick * TICK_NS
