"""A UDF for test_replay: adds 1 to `a`, or what the environment says, and tells its own count now and then."""

import os

from kapacitor_udf import STREAM, UDF, Context, Point, PointSink, StreamHandler, run


class Unsteady(StreamHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tick_seconds = 0.01 if os.environ.get("TICKS") else None

    def point(self, point: Point, out: PointSink) -> None:
        point.fields["a"] = point.number("a") + float(os.environ.get("ADD", "1"))
        if os.environ.get("CRASH") and point.time == 500:
            os._exit(3)
        if not (os.environ.get("SKIP") and point.time == 500):
            out.point(point)

    def tick(self, out: PointSink) -> None:
        out.point(Point(0, {"tick": True}, name="own"))


run(UDF(wants=STREAM, provides=STREAM, handler=Unsteady, name="unsteady"))
