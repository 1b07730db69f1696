"""A UDF's own numbers: what is in them, and that they come whatever the handler does (test_process, conformance)."""

from typing import Any

import pytest

from kapacitor_udf import (
    BATCH,
    STREAM,
    UDF,
    Batch,
    BatchHandler,
    BatchSink,
    Context,
    DeclarationError,
    Metrics,
    Point,
    PointSink,
    Rejected,
    StreamHandler,
)  # fmt: skip
from kapacitor_udf._histogram import BOUNDS_MS, Histogram
from kapacitor_udf.testing import Harness


class Picky(StreamHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        context.metrics["model"] = "v1"

    def point(self, point: Point, out: PointSink) -> None:
        if point.time == 1:
            raise Rejected("missing field", "no 'a'")
        if point.time == 2:
            raise KeyError("a")
        if point.time == 3:
            self.context.metrics["odd"] = object()  # type: ignore[assignment]
        out.point(point)


class Batches(BatchHandler[BatchSink]):
    def batch(self, batch: Batch, out: BatchSink) -> None:
        out.batch(batch)


def picky(**more: Any) -> UDF[Any]:
    return UDF(wants=STREAM, provides=STREAM, handler=Picky, name="picky", metrics=Metrics(**more))


def test_metrics_are_a_point_without_a_group() -> None:
    with Harness(picky(), task="t", node="picky2", strict=False) as harness:
        harness.feed([Point(time, {"a": 1.0}) for time in (0, 1, 1, 2, 5)])
        (point,) = harness.metrics()
    assert (point.name, point.tags, point.dimensions) == ("udf", {"udf": "picky", "task": "t", "node": "picky2"}, [])
    fields = point.fields
    assert {name: fields[name] for name in ("points_in", "points_out", "queued", "groups", "shed_points")} == {
        "points_in": 5, "points_out": 2, "queued": 0, "groups": 0, "shed_points": 0,
    }  # fmt: skip
    assert (fields["rejected"], fields["rejected_missing_field"], fields["rejected_KeyError_in_point"]) == (3, 2, 1)
    assert fields["last_error"] == "KeyError in point(): 'a'"
    assert fields["model"] == "v1"
    assert fields["latency_count"] == 0
    assert fields["uptime_s"] > 0


def test_batches_carry_them_for_a_udf_that_provides_batches() -> None:
    udf = UDF(wants=BATCH, provides=BATCH, handler=Batches, metrics=Metrics("own"))
    with Harness(udf) as harness:
        (batch,) = harness.metrics()
    assert (batch.name, batch.tags["task"], batch.tmax) == ("own", "task", batch.points[0].time)
    assert batch.points[0].fields["batches_in"] == 0


def test_without_a_declaration_there_are_none() -> None:
    with Harness(UDF(wants=STREAM, provides=STREAM, handler=Picky)) as harness:
        assert harness.metrics() == []


def test_what_cannot_be_sent_is_explained() -> None:
    with Harness(picky()) as harness:
        harness.point(Point(3, {"a": 1.0}))
        assert harness.metrics() == []
        assert any("the metrics cannot be sent: field 'odd' is" in line for line in harness.log)


@pytest.mark.parametrize("bad", [{"measurement": ""}, {"every": 0.0}, {"every": float("nan")}])
def test_a_declaration_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=r"expected|need"):
        Metrics(**bad)


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram()
    histogram.add(0.001, 2)
    histogram.add(0.003, 3)
    histogram.add(100.0, 1)
    values = histogram.as_dict()
    assert [values[f"le_{bound}ms"] for bound in BOUNDS_MS] == [2, 2] + [5] * (len(BOUNDS_MS) - 2)
    assert values["count"] == 6
    assert values["sum_s"] == pytest.approx(100.011)
    assert (histogram.take_highest(), histogram.take_highest()) == (100.0, 0.0)
