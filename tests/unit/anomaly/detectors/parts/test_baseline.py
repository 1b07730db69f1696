"""The baselines' arrays and arguments: how many parts, and of how many windows a part is the mean."""

import pytest

from anomaly.detectors.parts import baseline
from anomaly.detectors.parts.channel import Setting
from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline.duration import parse_duration
from anomaly.windows.civil import PLAIN

MINUTE = 60_000_000_000


def test_a_day_in_utc_is_the_mean_of_a_fortnight_and_needs_no_clock() -> None:
    assert baseline.arguments(Setting(MINUTE), PLAIN) == (14 * 60.0,)


def test_a_week_is_the_mean_of_four_weeks_beside_a_day() -> None:
    setting = Setting(10 * MINUTE, longer_ns=(7 * DAY_NS,))

    most, _, longer = baseline.arguments(setting, PLAIN)

    assert most == 14 * 6.0
    assert longer == [(168, 4 * 6.0)]


@pytest.mark.parametrize(("window", "most"), [("1h", 14.0), ("6h", 14.0), ("12h", 14.0), ("1d", 14.0), ("30d", 4.0)])
def test_a_part_that_has_one_window_a_day_or_less_is_the_mean_of_a_fortnight_or_of_four(
    window: str, most: float
) -> None:
    assert baseline.arguments(Setting(parse_duration(window)), PLAIN) == (most,)


def test_windows_of_a_day_are_compared_with_four_such_days_of_a_week() -> None:
    _, _, longer = baseline.arguments(Setting(DAY_NS, longer_ns=(7 * DAY_NS,)), PLAIN)

    assert longer == [(168, 4.0)]


@pytest.mark.parametrize(("longer_ns", "parts"), [((), 24), ((7 * DAY_NS,), 24 + 168)])
def test_each_part_of_each_season_is_remembered(longer_ns: tuple[int, ...], parts: int) -> None:
    widths = {field.name: field.width for field in baseline.fields(Setting(MINUTE, longer_ns=longer_ns))}

    assert (widths["means"], widths["numbers"], widths["first"]) == (parts,) * 3
    assert widths["last_parts"] == 1 + len(longer_ns)
