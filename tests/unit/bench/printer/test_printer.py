"""The benchmark measures what it says it does."""

from itertools import pairwise

import numpy as np

from anomaly.backtest.evaluate import Evaluation, FoundPeriod, LabelOutcome
from anomaly.backtest.labels import Label
from anomaly.scoring.periods import Period
from anomaly.windows.windows import Windows
from bench.printer import seeds
from bench.printer.__main__ import figures
from bench.printer.faults import name, schedule
from bench.windows import runs
from ingest.printer import FIELD_NAMES
from ingest.process import SENSOR_KINDS
from ingest.stream import DeviceStream
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.windows.reference import aggregate

BEGIN_MS = 1_704_067_200_000
HOUR_MS = 3_600_000


def test_every_kind_is_there_on_each_field_and_on_all_short_and_long() -> None:
    faults = schedule(3, 2).place(BEGIN_MS, 2)
    for kind in SENSOR_KINDS:
        mine = [fault for fault in faults if fault.kind == kind]
        lengths = {fault.end_ms - fault.begin_ms for fault in mine}
        assert len(lengths) == 2
        assert {(fault.fields, fault.end_ms - fault.begin_ms) for fault in mine} == {
            (fields, length) for fields in (*((field,) for field in FIELD_NAMES), FIELD_NAMES) for length in lengths
        }


def test_faults_of_a_printer_are_apart_and_another_seed_deals_them_otherwise() -> None:
    for printer in (1, 2):
        mine = [fault for fault in schedule(3, 2).place(BEGIN_MS, 2) if fault.device == printer]
        assert all(after.begin_ms - before.end_ms >= 20 * 60_000 for before, after in pairwise(mine))
    assert schedule(3, 2) == schedule(3, 2)
    assert schedule(3, 2) != schedule(4, 2)


def test_a_fault_is_named_by_its_row() -> None:
    names = {name(fault) for fault in schedule(3, 2).place(BEGIN_MS, 2)}
    assert len(names) == 24
    assert "offset 30s, one field" in names


def test_windows_are_those_of_the_points() -> None:
    faults = [fault for fault in schedule(3, 1).place(BEGIN_MS, 1) if fault.kind == "gap"][:1]
    begin_ms = faults[0].begin_ms // HOUR_MS * HOUR_MS
    stream = DeviceStream(begin_ms, begin_ms + HOUR_MS, 1_000, 2, 5, tuple(faults))
    one, other = runs(PIPELINE, stream)
    assert len(other) == 360
    points: dict[int, list[dict[str, float]]] = {}
    for point in stream.points():
        if point.tags["printer"] == "printer-1":
            points.setdefault(point.time_ns // WINDOW_NS * WINDOW_NS, []).append(dict(point.fields))
    assert one.begin_ns.tolist() == list(points)
    for begin_ns, values, counts in zip(one.begin_ns.tolist(), one.values, one.counts, strict=True):
        for index, field in enumerate(FIELD_NAMES):
            samples = [(at, point[field]) for at, point in enumerate(points[begin_ns]) if field in point]
            assert counts[index] == len(samples)
            expected = [aggregate(samples, "mean"), aggregate(samples, "stddev")]
            # The reference adds the points up in another order.
            np.testing.assert_allclose(
                values[2 * index : 2 * index + 2], np.array(expected, dtype=np.float64), rtol=1e-12, strict=True
            )
    assert Windows.of_series([one, other]).keys == (("printer-1",), ("printer-2",))


def evaluation(found: bool, false: int) -> Evaluation:
    period = FoundPeriod(("printer-1",), Period(0, WINDOW_NS, "closed", 1.0, 90.0, 1, "bed"), WINDOW_NS)
    label = Label(0, WINDOW_NS, {}, "spike 1s, one field")
    outcome = LabelOutcome(label, (period,) if found else (), WINDOW_NS if found else None)
    return Evaluation((outcome,), 2.0, WINDOW_NS, true=(period,) * found, false=(period,) * false)


def test_missed_targets_are_said() -> None:
    clean = Evaluation((), 4.0, WINDOW_NS)
    good = figures(WINDOW_NS, [seeds.SeedResult(evaluation(True, 1), clean, 10.0, 20.0)])
    assert (good.false_per_day, good.certain_recall, good.delay_windows, good.missed_targets) == (1 / 6, 1.0, 1.0, [])
    assert (good.overrun_windows, good.coverage) == (0.0, 1.0)
    bad = figures(WINDOW_NS, [seeds.SeedResult(evaluation(False, 2), clean, 10.0, 20.0)])
    assert bad.missed_targets == [
        "recall of offset, sigma, spike, stuck 0.0000 < 1",
        "0.333 false periods a day > 0.2",
    ]
    assert bad.coverage == 0.0
