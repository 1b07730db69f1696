"""What has happened, in numbers. Each is written by one thread, or under a lock, so that none is ever lost."""

import time
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from ._histogram import Histogram

_MOST_REASONS = 100


@dataclass(slots=True)
class Counters:
    """Numbers since the start, but for `queued` and `groups`.

    Points of batches are counted as points, too; `rejected` counts points on a stream and batches otherwise.
    """

    points_in: int = 0  # handed to the handler
    batches_in: int = 0
    points_out: int = 0
    batches_out: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by reason: given up by the handler, or by an exception
    undecodable: int = 0  # messages that protobuf could not read
    unexpected: int = 0  # messages that came in a state where they mean nothing
    oversized: int = 0  # messages over the size limit
    shed_points: int = 0  # not handled since the queue was full
    shed_batches: int = 0
    unhandled: int = 0  # points and batches that were still queued when the time to stop ran out
    dropped_fields: int = 0  # not finite
    dropped_points: int = 0  # left without fields
    snapshots: int = 0
    restores: int = 0
    restores_refused: int = 0
    ticks: int = 0
    waits: int = 0  # times that reading paused for the handler
    keepalives: int = 0
    log_lines_dropped: int = 0
    queued: int = 0  # points waiting now
    groups: int = 0  # groups whose state is kept now (in Groups)
    group_bytes: int = 0  # that their keys take
    groups_evicted: int = 0  # forgotten since there were too many
    groups_expired: int = 0  # forgotten since they were quiet for too long
    takes: int = 0  # times that the handler's loop took what had arrived: points_in / takes is the usual batch
    last_error: str = ""
    latency: Histogram = field(default_factory=Histogram)  # from the arrival of data to the writing of its answer
    started: float = field(default_factory=time.monotonic)

    def reject(self, reason: str) -> None:
        """Count one more under `reason`; past a hundred different reasons, under "other"."""
        if reason not in self.rejected and len(self.rejected) >= _MOST_REASONS:
            reason = "other"
        self.rejected[reason] += 1

    def as_dict(self) -> dict[str, Any]:
        """All of them, `rejected` and `latency` as dicts of their own."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "started"}
        values["rejected"] = dict(self.rejected)
        values["latency"] = self.latency.as_dict()
        return values

    def summary(self) -> str:
        """One line with those that are not zero."""
        parts = []
        for name, value in self.as_dict().items():
            if not value or name in ("last_error", "queued", "groups", "group_bytes", "takes", "latency"):
                continue
            if name == "rejected":
                parts += [f"rejected[{reason}]={count}" for reason, count in sorted(value.items())]
            else:
                parts.append(f"{name}={value}")
        return " ".join(parts) or "nothing happened"
