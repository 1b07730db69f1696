"""Handlers for every pair of edges, and data for them."""

import sys
from typing import Any

from kapacitor_udf import (
    STREAM,
    UDF,
    Batch,
    BatchHandler,
    BatchSink,
    Context,
    Point,
    PointSink,
    Rejected,
    StreamHandler,
)


def point(time: int = 1, **fields: Any) -> Point:
    return Point(time, fields or {"a": 1.0}, {"host": "x"}, "cpu", ["host"])


class Picky(StreamHandler[PointSink]):
    """Echoes, and does to a point what its field `do` says, after it has emitted it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.seen = 0

    def point(self, point: Point, out: PointSink) -> None:
        self.seen += 1
        out.point(point)
        match point.fields.get("do"):
            case "raise":
                raise KeyError("some key")
            case "exit":
                sys.exit(3)
            case "reject":
                raise Rejected("not today", "it is late")
            case "emit nonsense":
                out.point(Point(1, {"a": object()}))  # type: ignore[dict-item]

    def snapshot(self) -> bytes:
        if self.seen == 13:
            raise RuntimeError("no luck")
        return b"%d" % self.seen

    def restore(self, data: bytes) -> None:
        self.seen = 10**9  # half way through
        self.seen = int(data)


def picky(**more: Any) -> UDF[Any]:
    return UDF(wants=STREAM, provides=STREAM, handler=Picky, name="picky", **more)


class Halves(BatchHandler[BatchSink]):
    """Emits two batches for each; raises after the first one if it must."""

    def batch(self, batch: Batch, out: BatchSink) -> None:
        half = len(batch.points) // 2
        out.batch(Batch("first", batch.tags, batch.points[:half], batch.tmax))
        if batch.name == "bad":
            raise ValueError("bad batch")
        out.batch(Batch("second", batch.tags, batch.points[half:], batch.tmax, by_name=True))


class Last(BatchHandler[PointSink]):
    def batch(self, batch: Batch, out: PointSink) -> None:
        out.point(Point(batch.tmax, dict(batch.points[-1].fields), batch.tags, batch.name, batch.dimensions))


class Pairs(StreamHandler[BatchSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.waiting: list[Point] = []

    def point(self, point: Point, out: BatchSink) -> None:
        self.waiting.append(point)
        if len(self.waiting) == 2:
            out.batch(Batch(point.name, point.tags, self.waiting, point.time))
            self.waiting = []


def batch(*points: Point, name: str = "cpu") -> Batch:
    return Batch(name, {"zone": "1", "host": "x"}, list(points), 99, "host=x,zone=1")
