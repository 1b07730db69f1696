"""From samples to build/bench.json: the schema, medians, ratios turn by turn, targets."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from bench.udf.measure import Samples
from bench.udf.report import print_report, ratios, report, targets
from bench.udf.rows import NAMES

FOREST = {
    key: {"1": 150.0, "256": 2.0, "4096": 4.0} for key in ("score", "paper", "score_samples")
} | {"difference": 1e-12}  # fmt: skip


def samples(rates: list[float], udf: bool = True, **more: Any) -> Samples:
    return Samples(
        points_per_s={1: rates, 100: rates, 10_000: [rate / 2 for rate in rates]},
        kapacitor_us=[12.0, 11.0, 90.0],
        udf_us=[2.0, 3.0, 30.0] if udf else [0.0],
        rss_mb={1: 30.0, 100: 30.0, 10_000: 49.8} if udf else {},
        p50_ms=[1.0, 2.0, 9.0],
        p99_ms=[3.0, 4.0, 90.0],
        first_score_s=[0.5],
        info_s=[0.1] if udf else [],
        alone_points_per_s=[2 * rate for rate in rates] if udf else [],
        alone_us=[3.0, 5.0, 4.0] if udf else [],
        **more,
    )


ALL = {name: samples([100.0, 300.0, 200.0], udf=name != "none") for name in NAMES}


def test_the_schema_is_the_published_one() -> None:
    found = json.loads(json.dumps(report(ALL, FOREST, {"machine": {}})))
    assert list(found["rows"]) == [
        "none", "go_echo", "stock_echo", "stock_forest", "objects", "echo", "forest", "arrays",
    ]  # fmt: skip
    for row in found["rows"].values():
        assert set(row) == {"points_per_s", "p50_ms", "p99_ms", "rss_mb", "info_s", "first_score_s"}
        assert list(row["points_per_s"]) == ["1", "100", "10000"]
    assert set(found["forest_us_per_point"]) == {"1", "256", "4096"}


def test_numbers_are_medians() -> None:
    row = report({"echo": ALL["echo"]}, FOREST, {})["rows"]["echo"]
    assert row["points_per_s"] == {"1": 200.0, "100": 200.0, "10000": 100.0}
    assert (row["p50_ms"], row["p99_ms"]) == (2.0, 4.0)
    assert row["rss_mb"] == 49.8
    assert report(ALL, FOREST, {})["processor_us"]["echo"] == {"kapacitord": 12.0, "udf": 3.0}


def test_without_a_udf_there_is_no_process_to_look_at() -> None:
    found = report(ALL, FOREST, {})
    assert found["rows"]["none"]["rss_mb"] is None
    assert found["rows"]["none"]["info_s"] is None
    assert "none" not in found["kb_per_group"]
    assert found["kb_per_group"]["echo"] == pytest.approx(2.0)


def test_a_ratio_is_taken_within_each_turn() -> None:
    """The machine was slow in the first turn, for both; by medians the ratio would be 1.5."""
    found = ratios({"go_echo": samples([10.0, 100.0, 120.0]), "echo": samples([20.0, 200.0, 150.0])})
    assert found["echo"]["100"] == 2.0
    assert found["go_echo"] == {"1": 1.0, "100": 1.0, "10000": 1.0}


def test_without_the_reference_there_are_no_ratios() -> None:
    assert ratios({"echo": ALL["echo"]}) == {}


def test_targets_are_judged() -> None:
    rows = {"go_echo": samples([100.0]), "echo": samples([110.0]), "forest": samples([99.0])}
    judged = {target.what: target.reached for target in targets(rows, FOREST)}
    assert judged["echo: points/s by the Go agent's echo"]
    assert not judged["forest: points/s by the Go agent's echo"]
    assert not judged["echo: points/s with 10,000 groups by those with 100"]
    assert judged["forest: KB for each group"]
    assert judged["the forest alone, 256 at once: us a point"]
    assert not judged["the forest alone, 4096 at once: us a point"]
    assert judged["the forest alone: difference to scikit-learn"]


def test_what_a_udf_does_alone_is_compared_with_the_python_agent() -> None:
    rows = {"stock_echo": samples([10.0, 100.0, 120.0]), "objects": samples([20.0, 90.0, 240.0])}
    assert report(rows, FOREST, {})["alone"]["objects"] == {"points_per_s": 180.0, "by_stock": 2.0, "udf_us": 4.0}
    (target,) = (target for target in targets(rows, FOREST) if "alone" in target.what and "forest" not in target.what)
    assert (target.value, target.reached) == (2.0, True)


def test_the_tables_name_every_row_and_say_what_was_missed() -> None:
    console = Console(file=io.StringIO(), width=120)
    rows = {name: samples([200.0], udf=name != "none") for name in NAMES}
    rows["stock_forest"] = samples([0.5], behind=True)
    print_report(console, report(rows, FOREST, {}), dict.fromkeys(NAMES, "title"))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(name in text for name in NAMES)
    assert "0.0025" in text
    assert ">2.0" in text
    assert "missed" in text
    assert "reached" in text
    assert "…" not in text
