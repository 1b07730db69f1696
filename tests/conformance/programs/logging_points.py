"""A UDF in the place of `anomaly` that logs each point that it gets."""

from kapacitor_udf import STREAM, STRING, UDF, Option, Point, PointSink, StreamHandler, run


class Logging(StreamHandler[PointSink]):
    def point(self, point: Point, out: PointSink) -> None:
        fields = {name: value for name, value in point.fields.items() if value != "" and name != "_readable"}
        tags = {name: value for name, value in point.tags.items() if value}
        items = [*sorted(tags.items()), *sorted(fields.items())]
        texts = [f"point {point.time // 1_000_000_000}:", *(f"{name}={value}" for name, value in items)]
        self.context.log(" ".join(texts))
        self.context.log(f"has {len(fields)} fields of {len(tags)} tags")


if __name__ == "__main__":
    options = [Option("spec", STRING)]
    run(UDF(wants=STREAM, provides=STREAM, handler="logging_points:Logging", options=options, name="anomaly"))
