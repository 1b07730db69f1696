"""The UDF in the harness, with a clock that goes on with the data: what it would say of live data."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from anomaly.pipeline import Pipeline, canonical_json, normalize
from anomaly.serving.handler import AnomalyHandler
from anomaly.serving.udf import declaration
from kapacitor_udf import Batch, Point
from kapacitor_udf.testing import Harness
from tests.unit.anomaly.printers import PIPELINE

SECOND_NS = 1_000_000_000
# The clock that paces looks at files; None: the clock of the data.
pace_clock: Callable[[], float] | None = None


def punctual(pipeline: Pipeline) -> Pipeline:
    """A pipeline whose windows wait for nothing, so that a window is scored as soon as it ends."""
    return normalize([{**pipeline.as_dict(), "lateness": "0s"}])[0]


class Served(Harness[Any]):
    """The UDF of a pipeline.

    Args:
        pipeline: the pipeline.
        now_ns: the host's clock when it begins.
        waits: whether its windows wait for the pipeline's lateness.
        more: what the library's harness takes.

    Attributes:
        now_ns: the host's clock.
    """

    def __init__(self, pipeline: Pipeline = PIPELINE, now_ns: int = 0, *, waits: bool = False, **more: Any) -> None:
        self.now_ns = now_ns
        self._window_ns = pipeline.window_ns
        served = declaration()
        served.handler = lambda context: AnomalyHandler(
            context, pace_clock or (lambda: self.now_ns / 1e9), lambda: self.now_ns
        )
        super().__init__(served, options={"spec": canonical_json(pipeline if waits else punctual(pipeline))}, **more)

    def windows(self, batches: Iterable[Batch]) -> list[Any]:
        """What comes of whole windows: those that end together arrive together, each point at its own time."""
        points: list[Any] = []
        for end_ns, together in groupby(batches, key=lambda each: each.tmax):
            arriving = sorted(
                (
                    Point(time=point.time, fields=point.fields, tags=dict(point.tags or each.tags), name=each.name)
                    for each in together
                    for point in each.points
                ),
                key=lambda point: point.time,
            )
            points += self.points(arriving)
            points += self.at(end_ns)
        return points

    def points(self, arriving: list[Point]) -> list[Any]:
        """What comes of points, each of which arrives at its own time."""
        points: list[Any] = []
        for time_ns, together in groupby(arriving, key=lambda point: point.time):
            points += self.at(time_ns)
            points += super().feed(list(together))
        return points

    def feed_points(self, arriving: list[Point]) -> list[Any]:
        """What comes of points that arrive at once, whatever their times are."""
        return super().feed(arriving)

    def at(self, now_ns: int) -> list[Any]:
        """What comes while the clock goes on to this time, with a tick each second."""
        points: list[Any] = []
        while self.now_ns < now_ns:
            self.now_ns = min(self.now_ns + SECOND_NS, now_ns)
            points += self.tick()
        return points

    def feed(self, data: Iterable[Point | Batch]) -> list[Any]:
        """Feed windows."""
        return self.windows(each for each in data if isinstance(each, Batch))

    def batch(self, batch: Batch) -> list[Any]:
        """Feed one window."""
        return self.windows([batch])
