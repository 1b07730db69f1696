"""The product's handler, which says in the log when it was asked for a snapshot: a test cannot know otherwise."""

from anomaly.serving.handler import AnomalyHandler
from kapacitor_udf import BATCH, STREAM, STRING, UDF, Option, run


class Announcing(AnomalyHandler):
    def snapshot(self) -> bytes:
        self.context.log(f"snapshot after {self.events.counts.get('scored windows', 0)} windows")
        return super().snapshot()


if __name__ == "__main__":
    run(
        UDF(
            wants=BATCH,
            provides=STREAM,
            handler="announcing:Announcing",
            options=[Option("spec", STRING)],
            name="anomaly",
        )
    )
