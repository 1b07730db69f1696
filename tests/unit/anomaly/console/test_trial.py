"""What a trial changes of a pipeline."""

import pytest

from anomaly.console.trial import changed_pipeline, highest_of_steps, short_specification
from anomaly.pipeline import SpecError, normalize
from anomaly.windows.cut import cut_of
from tests.unit.anomaly.clocks import autumn, daily
from tests.unit.anomaly.printers import PIPELINE


def test_a_short_specification_is_the_same_pipeline() -> None:
    (changed,) = normalize([{**PIPELINE.as_dict(), "detector": "gap", "parameters": {}, "periods": {"open": 80}}])

    short = short_specification(changed)

    assert normalize([short]) == [changed]
    assert "parameters" not in short
    assert short["periods"] == {"open": 80.0}


def test_a_change_goes_into_a_part_and_none_brings_the_default_back() -> None:
    (before,) = normalize([{**PIPELINE.as_dict(), "missing": "usual", "periods": {"open": 80, "merge": "1h"}}])

    after = changed_pipeline(before, {"periods": {"open": 90}, "missing": None, "detector": "gap"})

    assert (after.periods.open, after.periods.merge, after.detector) == (90, "1h", "gap")
    assert (before.missing, after.missing) == ("usual", "skip")
    with pytest.raises(SpecError, match="another pipeline"):
        changed_pipeline(before, {"name": "other"})


def test_steps_of_severities_are_whole_windows_by_the_clock_that_cuts_them() -> None:
    windows = [(autumn(day), (1.0, 10.0 * (day + 3), 0.0, (), None)) for day in range(-2, 4)]

    steps = highest_of_steps(windows, cut_of(daily()), autumn(-2), 2)

    assert steps == [(autumn(-2), 20.0), (autumn(0), 40.0), (autumn(2), 60.0)]
