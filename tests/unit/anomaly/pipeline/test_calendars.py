"""Calendars: rules, files and public holidays, as times in nanoseconds."""

from datetime import UTC, datetime
from typing import Any

import pytest

from anomaly.pipeline import SpecError, normalize
from anomaly.pipeline.calendars import Calendar

BERLIN = "Europe/Berlin"
PIPELINE = {
    "name": "rooms",
    "database": "home",
    "measurement": "climate",
    "fields": ["temperature"],
    "window": "1m",
    "timezone": BERLIN,
    "seasonality": ["1d", "1w"],
}
ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:test
BEGIN:VEVENT
UID:closed
DTSTART;VALUE=DATE:20240501
RRULE:FREQ=YEARLY
END:VEVENT
BEGIN:VEVENT
UID:shift
DTSTART:20240502T080000
DTEND:20240502T090000
RRULE:FREQ=DAILY;COUNT=3
EXDATE:20240503T080000
END:VEVENT
BEGIN:VEVENT
UID:call
DTSTART;TZID=America/New_York:20240503T080000
DTEND;TZID=America/New_York:20240503T090000
END:VEVENT
END:VCALENDAR
"""


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000_000


def spans(after: str, before: str, **entry: Any) -> list[str]:
    found = Calendar.of({"means": "quiet", **entry}).spans(BERLIN, ns(after), ns(before))
    return sorted(
        " to ".join(f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%m-%d %H:%M}" for at_ns in span) for span in found
    )


def test_a_rule_follows_the_clock_of_the_time_zone_through_its_change() -> None:
    rule = {"begin": "2024-01-07T20:00", "lasts": "2h", "rule": "FREQ=WEEKLY;BYDAY=SU"}
    # In summer 20 h in Berlin is 18 h UTC, in winter 19 h.
    assert spans("2024-10-18T00:00Z", "2024-11-01T00:00Z", **rule) == [
        "10-20 18:00 to 10-20 20:00",
        "10-27 19:00 to 10-27 21:00",
    ]


@pytest.mark.parametrize(
    ("begin", "lasts", "spring", "autumn"),
    [
        # In spring the clock jumps from 2 to 3, which is 1 h UTC; in autumn it shows the hour after 2 twice.
        ("2024-01-07T02:00", "2h", "03-31 01:00 to 03-31 03:00", "10-27 00:00 to 10-27 02:00"),
        ("2024-01-07T02:30", "1h", "03-31 01:30 to 03-31 02:30", "10-27 00:30 to 10-27 01:30"),
        ("2024-01-07T02:45", "30m", "03-31 01:45 to 03-31 02:15", "10-27 00:45 to 10-27 01:15"),
        ("2024-01-07T00:00", "1d", "03-30 23:00 to 03-31 22:00", "10-26 22:00 to 10-27 23:00"),
    ],
)
def test_an_occurrence_lasts_as_long_as_it_says_when_the_clock_changes(
    begin: str, lasts: str, spring: str, autumn: str
) -> None:
    rule = {"begin": begin, "lasts": lasts, "rule": "FREQ=WEEKLY;BYDAY=SU"}
    assert spans("2024-03-31T00:30Z", "2024-04-01T00:00Z", **rule) == [spring]
    assert spans("2024-10-26T23:30Z", "2024-10-28T00:00Z", **rule) == [autumn]


def test_an_occurrence_without_a_rule_is_there_once_and_meets_a_range_that_it_only_reaches_into() -> None:
    once = {"begin": "2024-06-01T10:00", "lasts": "3h"}
    assert spans("2024-06-01T10:30Z", "2024-06-02T00:00Z", **once) == ["06-01 08:00 to 06-01 11:00"]
    assert spans("2024-06-01T11:00Z", "2025-06-02T00:00Z", **once) == []


def test_a_file_has_days_times_of_its_own_zone_and_exceptions() -> None:
    assert spans("2024-04-01T00:00Z", "2024-06-01T00:00Z", ics=ICS) == [
        "04-30 22:00 to 05-01 22:00",
        "05-02 06:00 to 05-02 07:00",
        "05-03 12:00 to 05-03 13:00",
        "05-04 06:00 to 05-04 07:00",
    ]


def test_holidays_are_those_of_the_country_and_its_part_at_local_midnight() -> None:
    year = ("2024-01-01T00:00Z", "2024-12-31T00:00Z")
    assert "01-05 23:00 to 01-06 23:00" in spans(*year, country="DE", subdivision="BY")
    assert "01-05 23:00 to 01-06 23:00" not in spans(*year, country="DE")
    assert "10-02 22:00 to 10-03 22:00" in spans(*year, country="DE")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"means": "quiet"}, 'calendars[0]: "quiet" must have exactly one source: write begin'),
        ({"means": "quiet", "ics": ICS, "country": "DE"}, 'calendars[0]: "ics and country" must have exactly one'),
        ({"means": "quite", "country": "DE"}, 'calendars[0].means: "quite" is none of maintenance, quiet, holiday'),
        (
            {"means": "quiet", "country": "DE", "lasts": "2h"},
            'calendars[0].lasts: "2h" belongs to begin, which the entry does not have: remove it',
        ),
        ({"means": "quiet", "begin": "sunday", "lasts": "2h"}, 'calendars[0].begin: "sunday" is not a local time'),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00+01:00", "lasts": "2h"},
            'calendars[0].begin: "2024-01-07T02:00+01:00" is not a local time: write one such as 2026-01-04T02:00',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00"},
            'calendars[0].begin: "2024-01-07T02:00" has no end: add lasts',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "every sunday"},
            'calendars[0].rule: "every sunday" is not a rule',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "1m", "rule": "FREQ=MINUTELY"},
            'calendars[0].rule: "FREQ=MINUTELY" recurs more often than each hour',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "FREQ=WEEKLY;BYD=SU"},
            'calendars[0].rule: "FREQ=WEEKLY;BYD=SU" is not a rule',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "FREQ=DAILY;INTERVAL=0"},
            'calendars[0].rule: "FREQ=DAILY;INTERVAL=0" never goes on: write an INTERVAL of at least 1',
        ),
        (
            {"means": "quiet", "ics": ICS.replace("FREQ=YEARLY", "FREQ=YEARLY;INTER\n VAL=00")},
            'calendars[0].ics: "FREQ=YEARLY;INTERVAL=00" never goes on',
        ),
        (
            {"means": "quiet", "ics": ICS.replace("FREQ=YEARLY", "FREQ=SECONDLY")},
            'calendars[0].ics: "FREQ=SECONDLY" recurs more often than each hour',
        ),
        ({"means": "quiet", "ics": "closed on sundays"}, 'calendars[0].ics: "closed on sundays"'),
        ({"means": "quiet", "country": "DEU1"}, 'calendars[0].country: "DEU1" is not known: did you mean DE'),
        (
            {"means": "quiet", "country": "DE", "subdivision": "BX"},
            'calendars[0].subdivision: "BX" is not a part of DE: there are BB, BE, BW, BY,',
        ),
    ],
)
def test_a_mistake_is_named_with_its_value_and_its_fix(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as error:
        normalize([{**PIPELINE, "calendars": [entry]}])
    assert message in str(error.value)


def test_a_holiday_without_a_weekly_season_is_refused() -> None:
    with pytest.raises(SpecError, match=r"calendars\[0\].means.*add seasonality: \[1d, 1w\]"):
        normalize([{**PIPELINE, "seasonality": "1d", "calendars": [{"means": "holiday", "country": "DE"}]}])


def test_only_holidays_enter_the_fingerprint() -> None:
    def fingerprint(*entries: dict[str, str]) -> str:
        more = {"calendars": list(entries)} if entries else {}
        return normalize([{**PIPELINE, **more}])[0].fingerprint

    quiet, holiday = {"means": "quiet", "country": "DE"}, {"means": "holiday", "country": "DE"}
    assert fingerprint(quiet) == fingerprint()
    assert fingerprint(quiet, holiday) == fingerprint(holiday) != fingerprint()


def test_a_specification_keeps_its_calendars() -> None:
    (pipeline,) = normalize([{**PIPELINE, "calendars": [{"means": "quiet", "ics": ICS}]}])
    assert normalize([pipeline.as_dict()])[0] == pipeline
