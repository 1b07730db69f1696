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


def event(*lines: str) -> str:
    """A file of one event, or of several between whose lines is an END and a BEGIN."""
    begin, end = (
        ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", "BEGIN:VEVENT", "UID:1"),
        ("END:VEVENT", "END:VCALENDAR"),
    )
    return "\r\n".join((*begin, *lines, *end))


SPRING = ("2024-03-29T00:00Z", "2024-04-02T00:00Z")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        # Files fold long lines, and a rule may end by the clock, or in UTC.
        (
            (
                "DTSTART;TZID=Europe/Berlin:20240330T200000", "DURATION:PT1H",
                "RRULE:FREQ=DAILY;UN", " TIL=20240331T200000",
            ),
            ["03-30 19:00 to 03-30 20:00", "03-31 18:00 to 03-31 19:00"],
        ),
        (
            ("DTSTART:20240330T200000", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20240331T175959Z"),
            ["03-30 19:00 to 03-30 20:00"],
        ),
        (
            ("DTSTART:20240330T200000", "DURATION:PT1H", "RDATE;TZID=America/New_York:20240401T080000"),
            ["03-30 19:00 to 03-30 20:00", "04-01 12:00 to 04-01 13:00"],
        ),
        # The clock jumps from 2 to 3. A DURATION passes all the same, and a DTEND is what the clock shows.
        (("DTSTART:20240331T020000", "DURATION:PT1H"), ["03-31 01:00 to 03-31 02:00"]),
        (("DTSTART:20240331T010000", "DURATION:PT2H"), ["03-31 00:00 to 03-31 02:00"]),
        (("DTSTART:20240331T010000", "DTEND:20240331T030000"), ["03-31 00:00 to 03-31 01:00"]),
        (("DTSTART:20240330T120000", "DURATION:P1D"), ["03-30 11:00 to 03-31 10:00"]),
        # An event, or one time of it, may be cancelled.
        (
            (
                "DTSTART:20240329T200000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2", "END:VEVENT", "BEGIN:VEVENT",
                "UID:1", "RECURRENCE-ID:20240330T200000", "DTSTART:20240330T200000", "DURATION:PT1H",
                "STATUS:CANCELLED",
            ),
            ["03-29 19:00 to 03-29 20:00"],
        ),
        (
            ("BEGIN:VALARM", "TRIGGER:-PT15M", "ACTION:DISPLAY", "DURATION:PT5M", "REPEAT:2", "END:VALARM",
             "DTSTART:20240330T200000", "DTEND:20240330T210000"),
            ["03-30 19:00 to 03-30 20:00"],
        ),
    ],
)  # fmt: skip
def test_an_event_of_a_file_takes_place_when_it_says(lines: tuple[str, ...], found: list[str]) -> None:
    assert spans(*SPRING, ics=event(*lines)) == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("DTSTART:20240330T200000", "DTEND;VALUE=DATE:20240331"), "03-30 19:00 to 03-30 23:00"),
        (("DTSTART;VALUE=DATE:20240330", "DTEND:20240330T200000"), "03-29 23:00 to 03-30 19:00"),
    ],
)
def test_an_event_may_last_from_a_time_to_a_day_or_from_a_day_to_a_time(lines: tuple[str, ...], found: str) -> None:
    ics = event(*lines)
    assert normalize([{**PIPELINE, "calendars": [{"means": "quiet", "ics": ics}]}])
    assert spans(*SPRING, ics=ics) == [found]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("FREQ=DAILY;COUNT=4;BYMINUTE=0,30", 4),
        ("FREQ=DAILY;UNTIL=20240107T235959;BYHOUR=2,14;BYMINUTE=0,30", 4),
        ("FREQ=HOURLY;INTERVAL=6;UNTIL=20240107T235959;BYMINUTE=0,30", 8),
    ],
)
def test_a_rule_may_name_up_to_24_times_a_day(rule: str, found: int) -> None:
    entry = {"begin": "2024-01-07T02:00", "lasts": "10m", "rule": rule}
    assert normalize([{**PIPELINE, "calendars": [{"means": "quiet", **entry}]}])
    assert len(spans("2024-01-06T00:00Z", "2024-01-10T00:00Z", **entry)) == found


def in_plant(offset: str) -> str:
    """A file of one event at 20:00 of a time zone that the file describes."""
    zone = ("TZID:Plant", "BEGIN:STANDARD", "DTSTART:19700101T000000", f"TZOFFSETFROM:{offset}", f"TZOFFSETTO:{offset}")
    described = "\r\n".join(("BEGIN:VTIMEZONE", *zone, "END:STANDARD", "END:VTIMEZONE", "BEGIN:VEVENT"))
    return event("DTSTART;TZID=Plant:20240330T200000", "DURATION:PT1H").replace("BEGIN:VEVENT", described)


def test_a_file_may_describe_its_time_zone_and_begin_with_a_byte_order_mark() -> None:
    ics = f"\ufeff{in_plant('+0500')}"
    assert spans(*SPRING, ics=ics) == ["03-30 15:00 to 03-30 16:00"]
    assert normalize([{**PIPELINE, "calendars": [{"means": "quiet", "ics": ics}]}])


def test_files_do_not_share_the_time_zones_that_they_describe() -> None:
    assert spans(*SPRING, ics=in_plant("+0500")) == ["03-30 15:00 to 03-30 16:00"]
    assert spans(*SPRING, ics=in_plant("+0300")) == ["03-30 17:00 to 03-30 18:00"]


def test_a_file_may_name_the_clock_of_its_times() -> None:
    ics = event("DTSTART:20240330T200000", "DURATION:PT1H").replace("BEGIN:VEVENT", "X-WR-TIMEZONE:UTC\r\nBEGIN:VEVENT")
    assert spans(*SPRING, ics=ics) == ["03-30 20:00 to 03-30 21:00"]


def test_holidays_are_those_of_the_country_and_its_part_at_local_midnight() -> None:
    year = ("2024-01-01T00:00Z", "2024-12-31T00:00Z")
    assert "01-05 23:00 to 01-06 23:00" in spans(*year, country="DE", subdivision="BY")
    assert "01-05 23:00 to 01-06 23:00" not in spans(*year, country="DE")
    assert "10-02 22:00 to 10-03 22:00" in spans(*year, country="DE")


@pytest.mark.parametrize("until", ["20240107", "20240107T020000", "20240107T010000Z"])
def test_a_rule_may_end_with_its_first_time(until: str) -> None:
    rule = {"begin": "2024-01-07T02:00", "lasts": "2h", "rule": f"FREQ=DAILY;UNTIL={until}"}
    assert normalize([{**PIPELINE, "calendars": [{"means": "quiet", **rule}]}])
    assert spans("2024-01-01T00:00Z", "2025-01-01T00:00Z", **rule) == ["01-07 01:00 to 01-07 03:00"]


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
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "FREQ=DAILY\nRRULE:FREQ=HOURLY"},
            'calendars[0].rule: "FREQ=DAILY\\nRRULE:FREQ=HOURLY" has a line break or the like in it',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "FREQ=DAILY;FREQ=WEEKLY"},
            'calendars[0].rule: "FREQ=DAILY;FREQ=WEEKLY" has FREQ more than once: write it once',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "FREQ=WEEKLY;BYDAY=1MO"},
            '"FREQ=WEEKLY;BYDAY=1MO" numbers a day of the week, which only a month or a year has: write FREQ=MO',
        ),
        (
            {"means": "quiet", "begin": "1970-01-01T00:00", "lasts": "2h", "rule": "FREQ=HOURLY"},
            'calendars[0].rule: "FREQ=HOURLY" has more than 300,000 times from its begin to 2030, which take too l',
        ),
        (
            {"means": "quiet", "begin": "9999-12-31T23:59", "lasts": "2h", "rule": "FREQ=DAILY"},
            'calendars[0].begin: "9999-12-31T23:59" is not in a year from 1900 to 2200: write a nearer one',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "15000w"},
            'calendars[0].lasts: "15000w" is not from 1s to 366d: write such as 2h',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART:99991231T235959", "DURATION:PT1H")},
            'calendars[0].ics: "1" is an event that begins in no year from 1900 to 2200: correct its DTSTART',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART:20240107T020000", "DURATION:P9999999D")},
            'calendars[0].ics: "1" is an event that cannot be read (date value out of range): correct it in the file',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART:20240107T020000", "DTEND:20240107T010000")},
            'calendars[0].ics: "1" is an event that ends before it begins: correct its DTEND or DURATION in the f',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART:19000101T000000", "DURATION:PT1H", "RRULE:FREQ=HOURLY")},
            'calendars[0].ics: "BEGIN:VCALENDAR" has more than 300,000 times from its begin to 2030',
        ),
        (
            {"means": "quiet", "ics": event(f"DTSTART;TZID={2000 * 'x'}:20240107T020000", "DURATION:PT1H")},
            'calendars[0].ics: "BEGIN:VCALENDAR" is not a calendar (File name too long',
        ),
        ({"means": "quiet", "ics": 65_000 * "x"}, "xxx...): give the whole content of the file, by lookup"),
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
            'calendars[0].rule: "FREQ=MINUTELY" counts seconds or minutes, which takes too long: write FREQ=HOURLY',
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
            'calendars[0].ics: "FREQ=SECONDLY" counts seconds or minutes, which takes too long: write FREQ=HOURLY',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "RRULE:FREQ=DAILY"},
            'calendars[0].rule: "RRULE:FREQ=DAILY" begins with RRULE:, the name of a line of a file: write an RRULE',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "FREQ=HOURLY;BYMINUTE=0,30"},
            'calendars[0].rule: "FREQ=HOURLY;BYMINUTE=0,30" names 48 times a day: write at most 24 of them, by BYHOUR',
        ),
        (
            {"means": "quiet", "ics": event("DURATION:PT1H")},
            'calendars[0].ics: "1" is an event without a begin: give it a DTSTART',
        ),
        (
            {
                "means": "quiet",
                "ics": event("SUMMARY:Oven", "DTSTART:20240107T020000", "DTEND:20240107T030000", "DURATION:PT1H"),
            },
            'calendars[0].ics: "Oven" is an event that cannot be read (Only one of DTEND and DURATION may be in a VEVE',
        ),
        (
            {"means": "quiet", "ics": event("SUMMARY:Oven", "DTSTART:20240107T020000", "DTEND:soon")},
            'calendars[0].ics: "Oven" is an event that cannot be read',
        ),
        (
            {
                "means": "quiet",
                "ics": event("DTSTART:20240107T020000").replace("BEGIN:VEVENT", "X-WR-TIMEZONE:Plant\r\nBEGIN:VEVENT"),
            },
            'calendars[0].ics: "Plant" is the time zone (X-WR-TIMEZONE) of the file, and is not known: write an IANA',
        ),
        (
            {"means": "quiet", "ics": "BEGIN:VCALENDAR\nEND:VCALENDAR"},
            'calendars[0].ics: "BEGIN:VCALENDAR" has no event (BEGIN:VEVENT): write one, or remove the entry',
        ),
        (
            {
                "means": "quiet",
                "begin": "2024-01-07T02:00",
                "lasts": "2h",
                "rule": "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
            },
            'calendars[0].rule: "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30" never occurs from 2024-01-07T02:00 on',
        ),
        (
            {"means": "quiet", "begin": "2024-01-07T02:00", "lasts": "2h", "rule": "FREQ=DAILY;UNTIL=20240107T005959Z"},
            'calendars[0].rule: "FREQ=DAILY;UNTIL=20240107T005959Z" never occurs from 2024-01-07T02:00 on',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART:20240107T020000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=0")},
            'calendars[0].ics: "FREQ=DAILY;COUNT=0" never occurs from DTSTART, 2024-01-07 02:00:00+01:00, on',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART;TZID=Europe/Berln:20240107T020000", "DURATION:PT1H")},
            'calendars[0].ics: "Europe/Berln" is the time zone (TZID) of DTSTART 2024-01-07 02:00:00, and is not known',
        ),
        (
            {
                "means": "quiet",
                "ics": event("DTSTART:20240107T020000", "DURATION:PT1H", "RDATE;TZID=Plant:20240108T020000"),
            },
            'calendars[0].ics: "Plant" is the time zone (TZID) of RDATE 2024-01-08 02:00:00, and is not known',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART:20240107T020000", "DURATION:PT1H", "EXRULE:FREQ=DAILY")},
            'calendars[0].ics: "EXRULE" is a rule of exceptions, which RFC 5545 does not know: write them as EXDATE',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART:20240107T020000")},
            'calendars[0].ics: "BEGIN:VCALENDAR" has no event that takes place and lasts: give one a DTEND or a DURA',
        ),
        (
            {"means": "quiet", "ics": event("DTSTART:20240107T020000", "DURATION:PT1H", "STATUS:CANCELLED")},
            'calendars[0].ics: "BEGIN:VCALENDAR" has no event that takes place and lasts',
        ),
        (
            {"means": "quiet", "ics": "/etc/plant.ics"},
            (
                "is not a calendar (Content line could not be parsed into parts: '/etc/plant.ics': /etc/plant.ics): "
                "give the whole content of the file, by lookup('file', 'my.ics')"
            ),
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
