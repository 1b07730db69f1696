"""The parts of a season."""

import pytest

from anomaly.nanoseconds import DAY_NS, MINUTE_NS
from anomaly.pipeline.season import season_parts


@pytest.mark.parametrize(
    ("season_ns", "parts"),
    [(90 * MINUTE_NS, 24), (DAY_NS, 24), (2 * DAY_NS, 48), (7 * DAY_NS, 168), (70 * DAY_NS, 168)],
)
def test_a_week_has_its_hours_and_a_short_season_24_parts(season_ns: int, parts: int) -> None:
    assert season_parts(season_ns) == parts
