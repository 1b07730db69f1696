"""A UDF in the place of `anomaly` that counts windows, keeps the count in its snapshot, and logs what it restores."""

from kapacitor_udf import BATCH, STREAM, STRING, UDF, Batch, BatchHandler, Context, Option, PointSink, run


class Remembering(BatchHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._windows = 0
        context.log("made cold")

    def batch(self, batch: Batch, out: PointSink) -> None:
        self._windows += 1
        self.context.log(f"has {self._windows} windows")

    def snapshot(self) -> bytes:
        self.context.log(f"keeps {self._windows} windows")
        return str(self._windows).encode()

    def restore(self, data: bytes) -> None:
        self._windows = int(data)
        self.context.log(f"restored {self._windows} windows")


if __name__ == "__main__":
    options = [Option("spec", STRING)]
    run(UDF(wants=BATCH, provides=STREAM, handler="remembering:Remembering", options=options, name="anomaly"))
