"""A UDF in the place of `anomaly` that counts windows, keeps the count in its snapshot, and logs what it restores.

It gets points, each in a window of its own, and a window ends with the next point. With the argument `windows` it is
the UDF of releases whose scripts cut the windows.
"""

import sys

from kapacitor_udf import (
    BATCH,
    STREAM,
    STRING,
    UDF,
    Batch,
    BatchHandler,
    Context,
    Option,
    Point,
    PointSink,
    StreamHandler,
    run,
)


class Remembering(StreamHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._windows = 0
        self._open = False
        context.log("made cold")

    def point(self, point: Point, out: PointSink) -> None:
        if self._open:
            self._count()
        self._open = True

    def _count(self) -> None:
        self._windows += 1
        self.context.log(f"has {self._windows} windows")

    def snapshot(self) -> bytes:
        self.context.log(f"keeps {self._windows} windows")
        return str(self._windows).encode()

    def restore(self, data: bytes) -> None:
        self._windows = int(data)
        self.context.log(f"restored {self._windows} windows")


class Earlier(BatchHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        context.log("made cold")

    def batch(self, batch: Batch, out: PointSink) -> None:
        pass


if __name__ == "__main__":
    options = [Option("spec", STRING)]
    wants, handler = (BATCH, "Earlier") if "windows" in sys.argv else (STREAM, "Remembering")
    run(UDF(wants=wants, provides=STREAM, handler=f"remembering:{handler}", options=options, name="anomaly"))
