"""What a catch-up notes of a period."""

from typing import Any

import pytest

from anomaly.catchup.period_signs import prolonged_until_ns, sign_of
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA
from tests.unit.anomaly.printers import PIPELINE

FIELDS = {"state": "closed", "peak_score": 3.0, "end_ms": 10, "reason": "bed", "_limit": None}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"peak_score": 3}, id="a whole number as InfluxDB answers it"),
        pytest.param(dict(sorted(FIELDS.items())), id="another order"),
    ],
)
def test_the_same_period_has_the_same_sign(fields: dict[str, Any]) -> None:
    assert sign_of(5, {**FIELDS, **fields}) == sign_of(5, FIELDS)


def test_a_field_that_is_not_there_is_like_none() -> None:
    assert sign_of(5, {name: value for name, value in FIELDS.items() if value is not None}) == sign_of(5, FIELDS)


@pytest.mark.parametrize(
    "fields", [{"peak_score": 3.0000000001}, {"state": "open"}, {"end_ms": 11}, {"reason": "nozzle"}, {"_limit": True}]
)
def test_another_period_has_another_sign(fields: dict[str, Any]) -> None:
    assert sign_of(5, {**FIELDS, **fields}) != sign_of(5, FIELDS)
    assert sign_of(6, FIELDS) != sign_of(5, FIELDS)


@pytest.mark.parametrize(("reason", "merge_ns"), [("bed", PIPELINE.periods.merge_ns), (NEW_LEVEL, 0), (NO_DATA, 0)])
def test_a_period_may_be_prolonged_for_merge_unless_it_is_over_at_once(reason: str, merge_ns: int) -> None:
    assert prolonged_until_ns(PIPELINE, 100, reason) == 100 + merge_ns
