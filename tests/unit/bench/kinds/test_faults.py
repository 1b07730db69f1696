"""The benchmark of kinds: each kind is a pipeline, and its faults are apart."""

from itertools import pairwise

import pytest

from anomaly.pipeline import normalize
from bench.kinds.__main__ import BEGIN_MS, DEVICES, specification, trial
from bench.kinds.faults import RHYTHMIC, schedule
from ingest.kinds import FIELDS, SOURCES


@pytest.mark.parametrize("field", FIELDS)
def test_each_source_has_every_fault_that_its_kind_can_have(field: str) -> None:
    plan = schedule(field, 3, DEVICES)
    placed = plan.place(BEGIN_MS, DEVICES)
    for device in range(1, DEVICES + 1):
        mine = [fault for fault in placed if fault.device == device]
        kinds = ["drift", "offset", "offset", *(["replay"] if field in RHYTHMIC else []), "stuck"]
        assert sorted(fault.kind for fault in mine) == kinds
        assert {fault.fields for fault in mine} == {(field,)}
        assert all(after.begin_ms - before.end_ms >= 6 * 3_600_000 for before, after in pairwise(mine))
    assert plan == schedule(field, 3, DEVICES)
    assert plan != schedule(field, 4, DEVICES)


@pytest.mark.parametrize("field", FIELDS)
def test_each_kind_is_a_pipeline_with_history_faults_and_clean_days(field: str) -> None:
    (pipeline,) = normalize([specification(field)])
    assert (pipeline.detector, pipeline.fields, pipeline.group_by) == ("ensemble", (field,), (SOURCES.name,))
    each = trial(field, 1)
    broken, clean = each.scored
    assert each.history.end_ms - each.history.begin_ms == SOURCES.history_ms
    assert (each.history.faults, clean.faults) == ((), ())
    assert each.history.end_ms == broken.begin_ms
    assert broken.end_ms == clean.begin_ms
    assert max(fault.end_ms for fault in broken.faults) <= broken.end_ms
