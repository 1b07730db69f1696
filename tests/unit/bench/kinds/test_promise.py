"""How often a severity comes where nothing is wrong, against what it promises."""

from dataclasses import replace

import pytest

from bench.kinds.__main__ import specification, trial
from bench.kinds.promise import TIMES, Rarity, measure, missed
from ingest.times import DAY_MS

CALM = Rarity("ensemble", (), 400.0, {75.0: 12})


def test_a_severity_may_come_three_times_as_often_as_it_promises() -> None:
    # Severity 75 is meant once in 100 days.
    assert CALM.times_promised(75.0) == pytest.approx(3.0)
    assert missed([CALM]) == []
    assert missed([replace(CALM, periods={75.0: 13})]) == ["ensemble has severity 75 3.2 times as often as promised"]


def test_a_model_with_doubts_promises_nothing() -> None:
    assert missed([replace(CALM, doubts=("its level changed",), periods={75.0: 100})]) == []


def test_ten_times_the_history_is_scored() -> None:
    whole = trial("counts", 1).history
    history = replace(whole, end_ms=whole.begin_ms + DAY_MS, devices=2)

    (found,) = measure({**specification("counts"), "training": {"from": "1d"}}, history, ["robust_z"])

    assert found.detector == "robust_z"
    assert found.days == pytest.approx(2 * TIMES)
    assert found.periods.keys() == {75.0}
