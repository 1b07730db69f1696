"""Counters: whatever happens to data is counted, by what became of it.

Each counter is written by one thread, or under a lock, so that no count is ever lost. Other threads may read at any
time, which is what the metrics and the summary at the end do.

What has arrived is accounted for. An item is a point of a stream outside of batches, or a whole batch:

    items received = items handled + shed + unhandled + discarded (+ queued and in hand, while it runs)
    items handled = items rejected + items that the handler took

At the end, `Counters.settle` makes the first line true. For a handler that emits a point for each one, what the handler
took is `points_out`, if no field is dropped.
"""

import time
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from ._data import STREAM, EdgeType
from ._histogram import Histogram

_MOST_REASONS = 100
_NOT_IN_SUMMARY = {"last_error", "queued", "in_hand", "groups", "group_bytes", "takes", "latency"}


@dataclass(slots=True)
class Counters:
    """Totals since the start; `queued`, `in_hand`, `groups` and `group_bytes` are as they are now.

    Points of batches are counted as points, too, except in `points_received`.

    Attributes:
        points_received: points of a stream that have arrived whole.
        batches_received: batches that have arrived whole.
        points_in: points handed to the handler.
        batches_in: batches handed to the handler.
        points_out: points emitted.
        batches_out: batches emitted.
        rejected: points of a stream, or batches, that were given up, by reason.
        errors: exceptions of the handler that cost no data: in `tick`, `forgotten`, `snapshot`, `restore` and
            `close`.
        undecodable: messages that protobuf could not read.
        unexpected: messages that came in a state where they mean nothing.
        oversized: messages over the size limit.
        shed_points: points that were not handled because the queue was full.
        shed_batches: batches that were not handled because the queue was full or they were too large.
        unhandled: points of a stream and batches that the handler had not finished with when it was ended.
        discarded: points of a stream and batches that never got to the handler, as it could not be given them: those
            are counted under `undecodable` or `unexpected`, too.
        unfinished: messages and batches that the end of input cut off.
        in_hand: points of a stream and batches that the handler has been handed, and has not finished with.
        dropped_fields: fields that were left out because they are not finite.
        dropped_points: points that were left out because no field remained.
        snapshots: snapshots taken.
        restores: snapshots restored.
        restores_refused: snapshots that did not fit.
        ticks: calls of the handler's `tick`.
        waits: times that reading paused for the handler.
        keepalives: life signs given.
        log_lines_dropped: lines for stderr that nobody read in time.
        queued: points that wait now.
        groups: groups whose state is kept now.
        group_bytes: bytes that their keys take now.
        groups_evicted: groups forgotten to make room.
        groups_expired: groups forgotten because they were quiet for too long.
        takes: times that the handling loop took what had arrived; points_in / takes is the usual number at once.
        last_error: the handler's last exception.
        latency: time from the arrival of data to the writing of their answer.
        started: when counting began (monotonic seconds).
    """

    points_received: int = 0
    batches_received: int = 0
    points_in: int = 0
    batches_in: int = 0
    points_out: int = 0
    batches_out: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    undecodable: int = 0
    unexpected: int = 0
    oversized: int = 0
    shed_points: int = 0
    shed_batches: int = 0
    unhandled: int = 0
    discarded: int = 0
    unfinished: int = 0
    in_hand: int = 0
    dropped_fields: int = 0
    dropped_points: int = 0
    snapshots: int = 0
    restores: int = 0
    restores_refused: int = 0
    ticks: int = 0
    waits: int = 0
    keepalives: int = 0
    log_lines_dropped: int = 0
    queued: int = 0
    groups: int = 0
    group_bytes: int = 0
    groups_evicted: int = 0
    groups_expired: int = 0
    takes: int = 0
    last_error: str = ""
    latency: Histogram = field(default_factory=Histogram)
    started: float = field(default_factory=time.monotonic)

    def reject(self, reason: str) -> None:
        """Count one more point or batch that was given up.

        Args:
            reason: what it is counted under; past a hundred different reasons, "other" is.
        """
        if reason not in self.rejected and len(self.rejected) >= _MOST_REASONS:
            reason = "other"
        self.rejected[reason] += 1

    @property
    def received(self) -> int:
        """The number of points of a stream and of batches that have arrived whole."""
        return self.points_received + self.batches_received

    @property
    def lost(self) -> int:
        """The number of points of a stream and of batches that were shed or are unhandled."""
        return self.shed_points + self.shed_batches + self.unhandled

    def settle(self, wants: EdgeType) -> None:
        """Make the account of the end: what is neither handled nor shed nor discarded is unhandled.

        Args:
            wants: the kind of data that the handler takes.
        """
        if wants is STREAM:
            self.points_in -= self.in_hand
        else:
            self.batches_in -= self.in_hand
        self.in_hand = 0
        handled = self.points_in if wants is STREAM else self.batches_in
        self.unhandled = self.received - handled - self.shed_points - self.shed_batches - self.discarded

    def as_dict(self) -> dict[str, Any]:
        """Return all counters by name, `rejected` and `latency` as dicts of their own."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "started"}
        values["rejected"] = dict(self.rejected)
        values["latency"] = self.latency.as_dict()
        return values

    def summary(self) -> str:
        """Return one line with the counters that are not zero."""
        parts = []
        for name, value in self.as_dict().items():
            if not value or name in _NOT_IN_SUMMARY:
                continue
            if name == "rejected":
                parts += [f"rejected[{reason}]={count}" for reason, count in sorted(value.items())]
            else:
                parts.append(f"{name}={value}")
        return " ".join(parts) or "nothing happened"
