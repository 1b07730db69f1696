from pathlib import Path

import numpy as np
import pytest

from anomaly.pipeline import normalize
from bench.pipelines import shipped
from demo.database import Totals
from demo.history import expected_totals, matches
from demo.plan import TAIL_WINDOWS, DemoPlan
from demo.windows import complete_windows
from ingest.faults import Fault, Schedule, load_schedule
from ingest.heatpump import HEAT_PUMPS
from ingest.stream import DeviceStream

BEGIN_MS = 1_767_225_600_000
HOUR_MS = 3_600_000


def plan(length_ms: int = 2 * HOUR_MS, window_ms: int = 10_000) -> DemoPlan:
    schedule = load_schedule(Path("day.yml")).clipped(length_ms, 2)
    return DemoPlan(BEGIN_MS, length_ms, HOUR_MS, 2, 1, schedule, window_ms)


def test_history_day_and_tail_follow_each_other() -> None:
    it = plan()
    assert (it.history.begin_ms, it.history.end_ms) == (BEGIN_MS - HOUR_MS, BEGIN_MS)
    assert (it.day.begin_ms, it.day.end_ms) == (BEGIN_MS, BEGIN_MS + 2 * HOUR_MS + TAIL_WINDOWS * 10_000)
    assert not it.history.faults
    assert it.day.faults == it.faults
    assert {fault.end_ms <= it.end_ms for fault in it.faults} == {True}


@pytest.mark.parametrize("window_ms", [1_000, 10_000, 60_000])
def test_the_last_window_is_one_that_a_later_point_completes(window_ms: int) -> None:
    it = plan(window_ms=window_ms)
    last_point_ms = it.day.grid.time_ms(it.day.grid.at_or_after(it.day.end_ms) - 1)
    last_ms = it.last_window_ms()
    assert last_ms % window_ms == 0
    assert last_ms + window_ms <= last_point_ms < last_ms + 2 * window_ms
    assert last_ms >= it.end_ms


def test_the_heat_pumps_last_window_need_not_wait_for_the_clock() -> None:
    (pipeline,) = normalize([shipped("heatpump")])
    window_ms = pipeline.window_ns // 1_000_000
    it = DemoPlan(BEGIN_MS, 2 * HOUR_MS, HOUR_MS, 2, 1, Schedule("none", (), HEAT_PUMPS), window_ms)
    last_point_ms = it.day.grid.time_ms(it.day.grid.at_or_after(it.day.end_ms) - 1)
    assert it.last_window_ms() + window_ms + pipeline.lateness_ns // 1_000_000 <= last_point_ms


def test_totals_tell_a_clean_history_from_any_other() -> None:
    def totals(**changes: object) -> Totals:
        stream = DeviceStream(**({"begin_ms": BEGIN_MS, "end_ms": BEGIN_MS + 2 * HOUR_MS, "step_ms": 1_000} | changes))  # type: ignore[arg-type]
        return expected_totals(stream)["printer-1"]

    clean = totals(devices=2, seed=1)
    assert clean.counts == (7_200, 7_200, 7_200)
    assert matches(clean, Totals(clean.counts, tuple(np.nextafter(clean.sums, np.inf).tolist())))
    assert not matches(clean, totals(devices=2, seed=2))
    assert not matches(clean, totals(devices=2, seed=1, faults=plan(3 * HOUR_MS).faults))
    assert not matches(clean, totals(devices=2, seed=1, end_ms=BEGIN_MS + HOUR_MS))


def test_windows_that_a_gap_touches_need_no_score() -> None:
    def gap(begin_s: int, end_s: int, *fields: str) -> Fault:
        return Fault("F01", "gap", 1, fields, BEGIN_MS + begin_s * 1_000, BEGIN_MS + end_s * 1_000, 0.0)

    faults = (gap(65, 95, "hotend", "bed", "air"), gap(200, 201, "bed"))
    stream = DeviceStream(BEGIN_MS, BEGIN_MS + 320_000, 1_000, 2, 1, faults)
    # The gaps touch five of 30 windows, those that begin at 60, 70, 80, 90 and 200 s; what comes later does not count.
    assert complete_windows(stream, 10_000, BEGIN_MS + 300_000) == {"printer-1": 25, "printer-2": 30}
