import runpy
from pathlib import Path
from typing import Any

import pytest

from kapacitor_udf import Batch, InitError, Point
from kapacitor_udf.testing import Harness

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name: str) -> Any:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["udf"]


def cpu(time: int, host: str, **fields: Any) -> Point:
    return Point(time, fields, {"host": host}, "cpu", ["host"], group=f"host={host}")


def test_echo_gives_points_back() -> None:
    with Harness(example("echo")) as harness:
        point = cpu(1, "a", usage=1, text="x")
        assert harness.point(point) == [point]


def test_moving_average_by_group_and_over_a_restart() -> None:
    udf = example("moving_average")
    options = {"field": "usage", "size": 2, "as": "average"}
    with Harness(udf, options) as harness:
        out = harness.feed(
            [cpu(1, "a", usage=1.0), cpu(2, "b", usage=10), cpu(3, "a", other=1), cpu(4, "a", usage=3.0)]
        )
        assert [(each.tags["host"], each.fields["average"]) for each in out] == [("a", 1.0), ("b", 10.0), ("a", 2.0)]
        assert harness.counters.rejected == {"missing field": 1}
        assert harness.counters.groups == 2
        saved = harness.snapshot()
    with Harness(udf, options, restore=saved) as harness:
        out = harness.feed([cpu(5, "a", usage=5.0), cpu(6, "b", usage=0)])
        assert [each.fields["average"] for each in out] == [4.0, 5.0]


def test_moving_average_refuses_a_size_of_none() -> None:
    with pytest.raises(InitError, match="option 'size': 0 is too small"):
        Harness(example("moving_average"), {"field": "usage", "size": 0})


def test_deviation_by_group_and_over_a_restart() -> None:
    udf = example("deviation")
    options = {"field": "usage", "size": 3}
    with Harness(udf, options) as harness:
        out = harness.feed([cpu(n, "a", usage=value) for n, value in enumerate([10.0, 12.0, 10])])
        out += harness.feed([cpu(4, "b", usage=5), cpu(5, "b", other=1), cpu(6, "a", usage=11)])
        # Weight 1/2: the mean goes 10, 11, 10.5 and the variance 0, 1, 0.75.
        assert [each.fields.get("deviation") for each in out] == pytest.approx([None, 0, -1, None, 0.5 / 0.75**0.5])
        assert harness.counters.rejected == {"missing field": 1}
        saved = harness.snapshot()
    with Harness(udf, options, restore=saved) as harness:
        (out_b, out_a) = harness.feed([cpu(7, "b", usage=5), cpu(8, "a", usage=10.75)])
        assert (out_b.fields["deviation"], out_a.fields["deviation"]) == (0, 0)


def test_outliers_keeps_the_points_far_from_the_median() -> None:
    points = [Point(n, {"usage": float(n % 5)}) for n in range(20)]
    points[7].fields["usage"] = 100.0
    points += [Point(20, {"other": 1.0}), Point(21, {"usage": float("nan")})]
    with Harness(example("outliers"), {"field": "usage"}) as harness:
        found, none = harness.feed(
            [Batch("cpu", {"host": "a"}, points, 21), Batch("cpu", {"host": "b"}, points[:5], 21)]
        )
        assert [(each.time, each.fields) for each in found.points] == [(7, {"usage": 100.0})]
        assert (found.name, found.tags, found.tmax) == ("cpu", {"host": "a"}, 21)
        assert none.points == []
