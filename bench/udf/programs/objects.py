"""Ours: every point as it came, by way of an object."""

from kapacitor_udf import STREAM, UDF, Point, PointSink, StreamHandler, run


class Echo(StreamHandler[PointSink]):
    """An echo of points."""

    def point(self, point: Point, out: PointSink) -> None:
        """Emit it."""
        out.point(point)


if __name__ == "__main__":
    run(UDF(wants=STREAM, provides=STREAM, handler=Echo, name="objects"))
