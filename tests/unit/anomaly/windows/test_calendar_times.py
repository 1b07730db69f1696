"""When calendars mean something, for many windows at once."""

from datetime import datetime
from typing import Any

import numpy as np

from anomaly.nanoseconds import DAY_NS
from anomaly.pipeline import Pipeline, normalize
from anomaly.windows.calendar_times import CalendarTimes
from anomaly.windows.civil import civil_time

MINUTE = 60_000_000_000


def pipeline(*calendars: dict[str, Any]) -> Pipeline:
    (made,) = normalize(
        [
            {
                "name": "rooms",
                "database": "home",
                "measurement": "climate",
                "fields": ["temperature"],
                "window": "1m",
                "timezone": "Europe/Berlin",
                "seasonality": ["1d", "1w"],
                "calendars": list(calendars),
            }
        ]
    )
    return made


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000_000


BACKUP = {"means": "maintenance", "begin": "2024-01-07T02:00", "lasts": "30m", "rule": "FREQ=DAILY"}


def test_a_window_meets_a_time_that_it_only_touches_and_none_beside_it() -> None:
    times = CalendarTimes(pipeline(BACKUP))
    begins = ns("2024-01-08T00:00Z") + np.arange(24 * 60) * MINUTE
    met = times.meet("maintenance", begins, MINUTE)
    # 2 h in Berlin is 1 h UTC.
    assert np.flatnonzero(met).tolist() == list(range(60, 90))
    assert np.flatnonzero(times.meet("maintenance", begins - 1, MINUTE)).tolist() == list(range(60, 91))
    assert not times.meet("quiet", begins, MINUTE).any()


def test_one_window_and_years_of_windows_meet_alike() -> None:
    calendar = pipeline(BACKUP)
    begins = ns("2024-01-01T00:00Z") + np.arange(0, 800 * 24 * 60, 37) * MINUTE
    together = CalendarTimes(calendar).meet("maintenance", begins, MINUTE)
    alone = CalendarTimes(calendar)
    some = range(0, len(begins), 211)
    assert [bool(alone.meet("maintenance", begins[at : at + 1], MINUTE)[0]) for at in some] == together[some].tolist()
    assert 0.01 < together.mean() < 0.03


def test_a_long_stretch_meets_a_time_far_from_its_begin() -> None:
    once = {"means": "maintenance", "begin": "2024-12-01T00:00", "lasts": "1h"}
    times = CalendarTimes(pipeline(once))
    begin_ns = np.array([ns("2024-01-01T00:00Z")])
    assert not times.meet("maintenance", begin_ns, MINUTE)[0]
    assert times.meet("maintenance", begin_ns, 360 * DAY_NS)[0]


def test_a_holiday_is_a_sunday_at_the_same_hour() -> None:
    clock = civil_time(pipeline({"means": "holiday", "country": "DE"}))
    # 3 October 2024, a Thursday, and the days beside it, at noon in Berlin.
    noons = ns("2024-10-02T10:00Z") + np.arange(3) * DAY_NS
    wall_ns = clock.wall_ns(noons)
    weekday = (wall_ns // DAY_NS + 3) % 7
    assert weekday.tolist() == [2, 6, 4]
    assert (wall_ns % DAY_NS // (60 * MINUTE)).tolist() == [12, 12, 12]
