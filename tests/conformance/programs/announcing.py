"""The product's handler, which says in the log when it was asked for a snapshot: a test cannot know otherwise."""

from anomaly.serving.handler import AnomalyHandler
from kapacitor_udf import STREAM, STRING, UDF, Option, run


class Announcing(AnomalyHandler):
    def snapshot(self) -> bytes:
        counters = self.context.counters
        self.context.log(f"snapshot after {counters.points_in} points, {counters.points_out} results")
        return super().snapshot()


if __name__ == "__main__":
    run(
        UDF(
            wants=STREAM,
            provides=STREAM,
            handler="announcing:Announcing",
            options=[Option("spec", STRING)],
            name="anomaly",
        )
    )
