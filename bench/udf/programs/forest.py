"""Ours: every point scored with the forest of `forest.py MODEL FIELD...`, which adds the field `score`."""

import sys
from collections.abc import Sequence

from kapacitor_udf import STREAM, UDF, Context, Point, PointSink, StreamHandler, run

_MODEL, *_FIELDS = sys.argv[1:]


class Score(StreamHandler[PointSink]):
    """Scores what has arrived at once."""

    def __init__(self, context: Context) -> None:
        import numpy as np

        from anomaly.detectors.isolation_forest import IsolationForest

        with np.load(_MODEL) as arrays:
            self._forest = IsolationForest.from_arrays(arrays)

    def point(self, point: Point, out: PointSink) -> None:
        """One point."""
        self.points([point], out)

    def points(self, points: Sequence[Point], out: PointSink) -> None:
        """All that have arrived."""
        import numpy as np

        values = np.array([[point.number(name) for name in _FIELDS] for point in points])
        for point, score in zip(points, self._forest.score(values).tolist(), strict=True):
            point.fields["score"] = score
            out.point(point)


if __name__ == "__main__":
    run(UDF(wants=STREAM, provides=STREAM, handler=Score, name="forest"))
