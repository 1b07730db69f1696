"""The clock on the wall: changes of the clock to the second, by the package's rules."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline.timezone import timezone, timezones
from anomaly.windows.civil import PLAIN, CivilTime

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


def shown(clock: CivilTime, *times_ns: int) -> list[str]:
    wall_ns = clock.wall_ns(np.array(times_ns, dtype=np.int64))
    return [f"{datetime.fromtimestamp(each / SECOND, UTC):%a %Y-%m-%d %H:%M:%S}" for each in wall_ns.tolist()]


def test_the_clock_changes_to_the_second() -> None:
    spring, autumn = ns("2024-03-31T01:00:00Z"), ns("2024-10-27T01:00:00Z")
    assert shown(CivilTime("Europe/Berlin"), spring - SECOND, spring, autumn - SECOND, autumn) == [
        "Sun 2024-03-31 01:59:59",
        "Sun 2024-03-31 03:00:00",
        "Sun 2024-10-27 02:59:59",
        "Sun 2024-10-27 02:00:00",
    ]


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_every_hour_of_two_years_is_that_of_the_zone(name: str) -> None:
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    hours = [begin + timedelta(minutes=30 * step) for step in range(2 * 365 * 48)]
    wall_ns = CivilTime(name).wall_ns(np.array([int(each.timestamp()) for each in hours]) * SECOND)
    zone = timezone(name)
    expected = [int(each.astimezone(zone).replace(tzinfo=UTC).timestamp()) * SECOND for each in hours]
    assert wall_ns.tolist() == expected


def test_one_window_and_many_show_the_same() -> None:
    times = ns("2024-03-30T00:00:00Z") + np.arange(200) * 900 * SECOND
    together = CivilTime("Europe/Berlin").wall_ns(times)
    alone = CivilTime("Europe/Berlin")
    assert [int(alone.wall_ns(times[at : at + 1])[0]) for at in range(len(times))] == together.tolist()


def test_utc_shows_the_times_themselves() -> None:
    times = np.arange(3) * DAY_NS
    assert PLAIN.wall_ns(times) is times


def test_an_unknown_time_zone_is_refused_and_the_machines_rules_are_not_asked() -> None:
    with pytest.raises(ValueError, match="'Europe/Berln' is not a time zone: write an IANA name"):
        CivilTime("Europe/Berln")
    with pytest.raises(ValueError, match="is not a time zone"):
        CivilTime("../../etc/passwd")
    assert {"UTC", "Europe/Berlin"} <= timezones()
    assert timezone("Europe/Berlin") is not ZoneInfo("Europe/Berlin")


def test_a_clock_knows_since_when_it_changed() -> None:
    spring = ns("2024-03-31T01:00:00Z")
    times_ns = np.array([spring - SECOND, spring, spring + 5 * HOUR - SECOND, spring + 5 * HOUR])
    assert CivilTime("Europe/Berlin").changed(times_ns, 5 * HOUR).tolist() == [False, True, True, False]
    assert not PLAIN.changed(times_ns, 5 * HOUR).any()
    assert CivilTime("Europe/Berlin").changed(times_ns[:0], 5 * HOUR).shape == (0,)
