"""Echo: every point as it came. `stream|from().measurement('cpu') @echo() |httpOut('echo')`."""

from kapacitor_udf import STREAM, UDF, Point, PointSink, StreamHandler, run


class Echo(StreamHandler[PointSink]):
    """Emits every point that it gets."""

    def point(self, point: Point, out: PointSink) -> None:
        """Emit the same point.

        Args:
            point: what came.
            out: where to emit.
        """
        out.point(point)


udf = UDF(name="echo", wants=STREAM, provides=STREAM, handler=Echo)

if __name__ == "__main__":
    run(udf)
