"""The faults of the benchmark on heat pumps."""

from itertools import pairwise

from bench.heatpump.__main__ import BEGIN_MS, DEVICES, trial
from bench.heatpump.faults import schedule
from bench.pipelines import shipped
from ingest.heatpump import FIELDS, HEAT_PUMPS
from ingest.times import DAY_MS


def test_every_kind_but_silence_is_there_twice_and_faults_are_apart() -> None:
    placed = schedule(3, DEVICES).place(BEGIN_MS, DEVICES)
    numbers = {kind: sum(fault.kind == kind for fault in placed) for kind in HEAT_PUMPS.kinds}
    assert numbers == {kind: 0 if kind == "gap" else 2 for kind in HEAT_PUMPS.kinds}
    for device in (1, 2):
        mine = [fault for fault in placed if fault.device == device]
        assert all(after.begin_ms - before.end_ms >= 2 * 3_600_000 for before, after in pairwise(mine))
    assert schedule(3, DEVICES) == schedule(3, DEVICES)
    assert schedule(3, DEVICES) != schedule(4, DEVICES)


def test_a_trial_has_clean_history_days_with_all_faults_and_clean_days() -> None:
    each = trial(2)
    broken, clean = each.scored
    assert (each.history.faults, clean.faults) == ((), ())
    assert each.history.end_ms == broken.begin_ms == BEGIN_MS + 14 * DAY_MS
    assert clean.begin_ms == broken.end_ms
    assert len(broken.faults) == 18
    assert all(broken.begin_ms <= fault.begin_ms < fault.end_ms <= broken.end_ms for fault in broken.faults)


def test_the_pipeline_of_the_inventory_watches_all_fields() -> None:
    pipeline = shipped("heatpump")
    assert tuple(pipeline["fields"]) == FIELDS
    assert (pipeline["measurement"], pipeline["group_by"]) == (HEAT_PUMPS.measurement, [HEAT_PUMPS.name])
