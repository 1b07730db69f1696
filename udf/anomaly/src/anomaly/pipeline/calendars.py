"""Calendars: times that mean something, as recurring rules, `.ics` files or the public holidays of a country.

An entry of a pipeline's `calendars` has one source and one meaning:

- `maintenance`: somebody works there. The windows open no period, and training leaves them out.
- `quiet`: periods open as ever, and nobody is told of them.
- `holiday`: the day is judged like a Sunday, where the pipeline has a season of a week or looks at the time of week.

All times are those of the clock of the pipeline's `timezone`, unless an `.ics` file names another one. The libraries
that know calendars are imported by the first pipeline that has one.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import chain
from math import ceil
from threading import Lock
from typing import Any

from anomaly.nanoseconds import DAY_NS, SECOND_NS
from anomaly.pipeline.duration import DurationError, parse_duration
from anomaly.pipeline.timezone import ADVICE, timezone, timezones

MAINTENANCE, QUIET, HOLIDAY = "maintenance", "quiet", "holiday"
# Rules of seconds and minutes, and rules with many times a day, take long to expand.
_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY)", re.IGNORECASE)
_MOST_A_DAY = 24
_TIMES = re.compile(r"BY(HOUR|MINUTE|SECOND)=([^;]*)", re.IGNORECASE)
_EACH_HOURS = re.compile(r"INTERVAL=(\d+)", re.IGNORECASE)
# The libraries never come to an end with an interval of 0.
_ENDLESS = re.compile(r"INTERVAL=(?!0*[1-9])", re.IGNORECASE)
# Lines of a file that hold a rule, once lines that were folded are whole.
_FOLD = re.compile(r"\r?\n[ \t]")
_RULE_LINE = re.compile(r"^(?:RRULE|EXRULE)[:;](.*)$", re.IGNORECASE | re.MULTILINE)
_EXCEPT_LINE = re.compile(r"^EXRULE[:;]", re.IGNORECASE | re.MULTILINE)
# How a rule begins where it is copied out of a file.
_PREFIX = re.compile(r"\s*RRULE:", re.IGNORECASE)
# Programs on Windows begin a file with it.
_BYTE_ORDER_MARK = "\ufeff"
# The library looks for a rule's first time up to the year 9999. What does not occur from this one on never does.
_LATE_LEAP_YEAR = 9960
# The property of an event that keeps its DURATION, which the library replaces by a DTEND.
_LASTS = "X-INFLUX-ANOMALY-LASTS"
# The property of a file that names the time zone of its times.
_CLOCK = "X-WR-TIMEZONE"
_PARSING = Lock()
_SOURCES = ("begin", "ics", "country")
_GIVE = "give the whole content of the file, by lookup('file', 'my.ics')"
# What the libraries raise of a file or a rule that they cannot read.
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, OSError)
# Their messages may have the whole file in them.
_MOST_REASON = 120
# Libraries count with years from 1 to 9999, and fail near both ends.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_MOST_LASTS_NS = 366 * DAY_NS
# Each use of a calendar counts all times of its rules from their begin on. The year is fixed, so what is accepted once
# is accepted for ever.
_MOST_TIMES = 300_000
_COUNTED_TO = 2030
_REPEATED = re.compile(r"(?:^|;)([A-Z]+)=(?=(?:.*;)?\1=)", re.IGNORECASE | re.DOTALL)
_NUMBERED_DAY = re.compile(r"BYDAY=[^;]*\d", re.IGNORECASE)
_OF_MONTHS = re.compile(r"FREQ=(MONTHLY|YEARLY)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Calendar:
    """One entry of a pipeline's `calendars`; a key that is not written is None.

    Attributes:
        means: MAINTENANCE, QUIET or HOLIDAY.
        begin: the first occurrence, as `2026-01-04T02:00`.
        lasts: the duration of an occurrence.
        rule: how it recurs, as an RRULE of RFC 5545; None: once.
        ics: the content of an `.ics` file.
        country: the code of a country whose public holidays are meant.
        subdivision: the code of a part of the country.
    """

    means: str
    begin: str | None = None
    lasts: str | None = None
    rule: str | None = None
    ics: str | None = None
    country: str | None = None
    subdivision: str | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Calendar":
        """Return what an entry of `calendars` says."""
        return cls(**entry)

    def entry(self) -> dict[str, str]:
        """Return the entry that says this."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in pairs if value is not None}

    def __str__(self) -> str:
        """Return what the entry says, for people."""
        if self.country is not None:
            place = self.country if self.subdivision is None else f"{self.country}, {self.subdivision}"
            return f"{self.means}: the public holidays of {place}"
        if self.ics is not None:
            return f"{self.means}: an .ics file"
        again = "once" if self.rule is None else self.rule
        return f"{self.means}: {self.lasts} from {self.begin}, {again}"

    def spans(self, zone: str, begin_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """Return the occurrences that meet a range.

        Args:
            zone: the time zone of times that name none.
            begin_ns: where the range begins, nanoseconds since 1970.
            end_ns: where it ends.

        Returns:
            Begins and ends in nanoseconds, in no particular order; they may overlap.

        Raises:
            ValueError: the entry does not make sense.
        """
        local = timezone(zone)
        first, last = (datetime.fromtimestamp(at_ns / SECOND_NS, UTC).astimezone(local) for at_ns in (begin_ns, end_ns))
        if self.country is not None:
            import holidays

            days = holidays.country_holidays(
                self.country, subdiv=self.subdivision, years=range(first.year, last.year + 1)
            )
            occurrences = [(_ns(day, zone), _ns(day + timedelta(days=1), zone)) for day in days]
        else:
            import recurring_ical_events

            # The library ends an event by the clock, and so may take it for over where it is not.
            events = recurring_ical_events.of(self._calendar(zone)).between(first - timedelta(days=1), last)
            occurrences = [
                (_ns(event["DTSTART"].dt, zone), self._end_ns(event, zone)) for event in events if not _cancelled(event)
            ]
        return [(begin, end) for begin, end in occurrences if begin < end_ns and begin_ns < end]

    def _end_ns(self, event: Any, zone: str) -> int:
        """Return the end of an event; durations count whole days by the clock and hours as they pass, as RFC 5545 does.

        So an occurrence of two hours takes two hours when the clock changes, too.
        """
        begin, end = event["DTSTART"].dt, event.end
        lasts_ns = int(event.get(_LASTS, 0)) if self.lasts is None else parse_duration(self.lasts)
        # A DTEND, or a period of an RDATE, says the end by the clock.
        if self.lasts is None and (end - begin) // timedelta(microseconds=1) * 1000 != lasts_ns:
            return _ns(end, zone)
        days, rest_ns = divmod(lasts_ns, DAY_NS)
        return _ns(begin + timedelta(days=days), zone) + rest_ns

    def _calendar(self, zone: str) -> Any:
        """Return the rule or the file as the library has it."""
        import icalendar

        if self.ics is not None:
            calendar = _parsed(self.ics)
            clock = timezone(str(calendar.get(_CLOCK, zone)))
            for event in calendar.walk("VEVENT"):
                _prepare(event, clock)
            return calendar
        event = icalendar.Event()
        event.add("uid", "rule")
        event.add("dtstart", _local(self.begin or "", zone))
        event.add("duration", timedelta(microseconds=parse_duration(self.lasts or "") // 1000))
        if self.rule is not None:
            event.add("rrule", icalendar.vRecur.from_ical(_to_the_end(self.rule)))
        calendar = icalendar.Calendar()
        calendar.add_component(event)
        return calendar


def problems(calendar: Calendar, zone: str) -> Iterator[tuple[str, object, str]]:
    """Yield the key, the value and the fix of each mistake in an entry whose types the schema has checked.

    Args:
        calendar: the entry.
        zone: the pipeline's time zone, which exists.
    """
    given = [name for name in _SOURCES if getattr(calendar, name) is not None]
    if len(given) != 1:
        value = " and ".join(given) or calendar.means
        yield (
            "",
            value,
            "must have exactly one source: write begin (with lasts, and rule where it recurs), ics or country",
        )
        return
    for name, owner in (("lasts", "begin"), ("rule", "begin"), ("subdivision", "country")):
        if getattr(calendar, name) is not None and given != [owner]:
            yield name, getattr(calendar, name), f"belongs to {owner}, which the entry does not have: remove it"
            return
    yield from {"begin": _rule, "ics": _ics, "country": _country}[given[0]](calendar, zone)


def _rule(calendar: Calendar, zone: str) -> Iterator[tuple[str, object, str]]:
    try:
        begin = _local(calendar.begin or "", zone)
    except ValueError:
        yield "begin", calendar.begin, "is not a local time: write one such as 2026-01-04T02:00"
        return
    if not _FIRST_YEAR <= begin.year <= _LAST_YEAR:
        yield "begin", calendar.begin, f"is not in a year from {_FIRST_YEAR} to {_LAST_YEAR}: write a nearer one"
        return
    if calendar.lasts is None:
        yield "begin", calendar.begin, "has no end: add lasts, such as lasts: 2h"
        return
    try:
        lasts_ns = parse_duration(calendar.lasts)
        if lasts_ns <= 0:
            yield "lasts", calendar.lasts, "must be greater than 0s"
            return
        if not SECOND_NS <= lasts_ns <= _MOST_LASTS_NS:
            yield "lasts", calendar.lasts, "is not from 1s to 366d: write such as 2h"
            return
    except DurationError as error:
        yield "lasts", calendar.lasts, str(error)
        return
    if calendar.rule is None:
        return
    example = "write an RRULE of RFC 5545, such as FREQ=WEEKLY;BYDAY=SU"
    if _PREFIX.match(calendar.rule):
        yield "rule", calendar.rule, f"begins with RRULE:, the name of a line of a file: {example}"
        return
    if (wrong := _wrong(calendar.rule) or _too_many([(calendar.rule, begin.year)])) is not None:
        yield "rule", calendar.rule, wrong
        return
    try:
        # The library of calendars takes what it does not know for nothing.
        if _never_occurs(calendar.rule, begin):
            yield "rule", calendar.rule, f"never occurs from {calendar.begin} on: correct one of both"
            return
        begin_ns = _ns(begin, zone)
        calendar.spans(zone, begin_ns, begin_ns + DAY_NS)
    except _UNREADABLE as error:
        yield "rule", calendar.rule, f"is not a rule ({_reason(error)}): {example}"


def _ics(calendar: Calendar, zone: str) -> Iterator[tuple[str, object, str]]:
    text = _FOLD.sub("", (calendar.ics or "").removeprefix(_BYTE_ORDER_MARK))
    shown = text.strip().partition("\n")[0].strip()[:40]
    for rule in _RULE_LINE.findall(text):
        if (wrong := _wrong(rule.strip())) is not None:
            yield "ics", rule.strip(), wrong
            return
    if _EXCEPT_LINE.search(text):
        yield "ics", "EXRULE", "is a rule of exceptions, which RFC 5545 does not know: write them as EXDATE"
        return
    try:
        parsed = _parsed(text)
    except _UNREADABLE as error:
        yield "ics", shown, f"is not a calendar ({_reason(error)}): {_GIVE}"
        return
    clock = str(parsed.get(_CLOCK, zone))
    if clock not in timezones():
        yield "ics", clock, f"is the time zone ({_CLOCK}) of the file, and is not known: {ADVICE}"
        return
    events = parsed.walk("VEVENT")
    if not events:
        yield "ics", shown, "has no event (BEGIN:VEVENT): write one, or remove the entry"
        return
    mistakes = chain.from_iterable(_event(event, timezone(clock)) for event in events)
    if (mistake := next(mistakes, None)) is not None:
        yield "ics", *mistake
        return
    rules = [(rule, event["DTSTART"].dt.year) for event in events for rule in _rules(event)]
    if (wrong := _too_many(rules)) is not None:
        yield "ics", shown, wrong
        return
    try:
        calendar.spans(zone, 0, DAY_NS)
    except _UNREADABLE as error:
        yield "ics", shown, f"has an event whose times cannot be computed ({_reason(error)}): correct it in the file"
        return
    if not any(not _cancelled(event) and ("RDATE" in event or _lasts(event)) for event in events):
        yield "ics", shown, "has no event that takes place and lasts: give one a DTEND or a DURATION"


def _event(event: Any, clock: tzinfo) -> Iterator[tuple[object, str]]:
    """Yield the value and the fix of each mistake in an event of a file."""
    named = str(event.get("SUMMARY", event.get("UID", "BEGIN:VEVENT")))[:40]
    if "DTSTART" not in event:
        yield named, "is an event without a begin: give it a DTSTART"
        return
    try:
        if not _FIRST_YEAR <= event["DTSTART"].dt.year <= _LAST_YEAR:
            fix = f"is an event that begins in no year from {_FIRST_YEAR} to {_LAST_YEAR}: correct its DTSTART"
            yield named, fix
            return
        _prepare(event, clock)
        if not _is_mixed(event) and event.end < event.start:
            yield named, "is an event that ends before it begins: correct its DTEND or DURATION in the file"
            return
        mistakes = list(_untold(event))
    except _UNREADABLE as error:
        yield named, f"is an event that cannot be read ({_reason(error)}): correct it in the file"
        return
    yield from mistakes


def _prepare(event: Any, clock: tzinfo) -> None:
    """Change an event of a file to what its library takes for what RFC 5545 means.

    Args:
        event: the event.
        clock: the time zone of times that name none.
    """
    import icalendar

    if "RRULE" in event and isinstance(event["DTSTART"].dt, datetime):
        rules = [icalendar.vRecur.from_ical(_to_the_end(rule)) for rule in _rules(event)]
        event["RRULE"] = rules if len(rules) > 1 else rules[0]
    lasts = event["DURATION"].dt if "DURATION" in event else timedelta()
    event[_LASTS] = str(lasts // timedelta(microseconds=1) * 1000)
    # The library would take a time without a zone for one in the zone of another time of the event.
    for _, tzid, value in _times_of(event):
        if tzid is None:
            value.dt = _localized(value.dt, clock)


def _untold(event: Any) -> Iterator[tuple[object, str]]:
    """Yield the value and the fix of each mistake in an event of a file that its library would not tell."""
    for name, tzid, value in _times_of(event):
        at = value.dt[0] if isinstance(value.dt, tuple) else value.dt
        if tzid is not None and isinstance(at, datetime) and at.tzinfo is None:
            fix = f"{ADVICE}, or add the VTIMEZONE of this name"
            yield tzid, f"is the time zone (TZID) of {name} {at}, and is not known: {fix}"
    begin = event["DTSTART"].dt
    for text in _rules(event):
        if not isinstance(begin, datetime):
            begin = datetime.combine(begin, time())
        if _never_occurs(text, begin):
            yield text, f"never occurs from DTSTART, {begin}, on: correct one of both"


def _times_of(event: Any) -> Iterator[tuple[str, str | None, Any]]:
    """Yield each time of an event of a file: the name of its property, the TZID of that, and the library's value."""
    for name, values in event.items():
        for value in values if isinstance(values, list) else [values]:
            for each in getattr(value, "dts", []):
                yield name, value.params.get("TZID"), each


def _localized(value: Any, clock: tzinfo) -> Any:
    """Return a value of the library, or a period of two, with the time zone `clock` where a time has none."""
    if isinstance(value, tuple):
        return tuple(_localized(each, clock) for each in value)
    return value.replace(tzinfo=clock) if isinstance(value, datetime) and value.tzinfo is None else value


def _parsed(ics: str) -> Any:
    """Return a file as the library has it."""
    import icalendar

    with _PARSING:
        # The library keeps the time zones that files describe, and would take one file's for those of the next.
        icalendar.use_zoneinfo()  # type: ignore[no-untyped-call]
        return icalendar.Calendar.from_ical(ics.removeprefix(_BYTE_ORDER_MARK))


def _cancelled(event: Any) -> bool:
    """Return whether an event of a file does not take place."""
    return str(event.get("STATUS", "")).upper() == "CANCELLED"


def _lasts(event: Any) -> bool:
    """Return whether an event of a file has a length."""
    return _is_mixed(event) or bool(event.end != event.start)


def _is_mixed(event: Any) -> bool:
    """Return whether one time of an event is a day and the other one is not, for which the library has no end."""
    return "DTEND" in event and isinstance(event["DTSTART"].dt, datetime) != isinstance(event["DTEND"].dt, datetime)


def _reason(error: Exception) -> str:
    """Return the message of a library's error, as one line of a length that people read."""
    text = " ".join(str(error.strerror if isinstance(error, OSError) else error).split())
    return text if len(text) <= _MOST_REASON else f"{text[:_MOST_REASON]}..."


def _never_occurs(rule: str, begin: datetime) -> bool:
    """Return whether a rule means no time at all; libraries let it occur at its begin all the same.

    Raises:
        ValueError: it is not a rule.
    """
    from dateutil.rrule import rrulestr

    until = re.search(r"UNTIL=([^;]*)", rule, re.IGNORECASE)
    naive = begin.replace(tzinfo=None)
    endless = ";".join(part for part in rule.split(";") if not part.upper().startswith("UNTIL="))
    if next(iter(rrulestr(endless, dtstart=naive.replace(year=_LATE_LEAP_YEAR))), None) is None:
        return True
    # The library wants both times with a time zone, or none.
    if until is None:
        return False
    if until[1].upper().endswith("Z"):
        naive = begin if begin.tzinfo is not None else begin.replace(tzinfo=UTC)
    return next(iter(rrulestr(_to_the_end(rule), dtstart=naive)), None) is None


def _rules(event: Any) -> list[str]:
    """Return the rules of an event of a file."""
    rules = event.get("RRULE", [])
    return [rule.to_ical().decode() for rule in (rules if isinstance(rules, list) else [rules])]


def _to_the_end(rule: str) -> str:
    """Return a rule that goes on until the end of the last day, where its UNTIL is a day."""
    return re.sub(r"(UNTIL=\d{8})(?=;|$)", r"\1T235959", rule, flags=re.IGNORECASE)


def _wrong(rule: str) -> str | None:
    """Return what is wrong with a rule that libraries take for another one, or for ever to expand; None for others."""
    if not rule.isprintable():
        return "has a line break or the like in it: write one rule, such as FREQ=WEEKLY;BYDAY=SU"
    if _OFTEN.search(rule):
        return "counts seconds or minutes, which takes too long: write FREQ=HOURLY, or a longer one"
    if _ENDLESS.search(rule):
        return "never goes on: write an INTERVAL of at least 1"
    if (times := _times_a_day(rule)) > _MOST_A_DAY:
        return f"names {times} times a day: write at most {_MOST_A_DAY} of them, by BYHOUR, BYMINUTE and BYSECOND"
    if (repeated := _REPEATED.search(rule)) is not None:
        return f"has {repeated[1].upper()} more than once: write it once"
    if _NUMBERED_DAY.search(rule) and not _OF_MONTHS.search(rule):
        return (
            "numbers a day of the week, which only a month or a year has: write FREQ=MONTHLY, or leave the number out"
        )
    return None


def _too_many(rules: Iterable[tuple[str, int]]) -> str | None:
    """Return what is wrong with rules, each with the year of its begin, that take long to count; None for others."""
    if sum(_times(rule, year) for rule, year in rules) <= _MOST_TIMES:
        return None
    return (
        f"has more than {_MOST_TIMES:,} times from its begin to {_COUNTED_TO}, which take too long to count: "
        "let it begin later"
    )


def _times(rule: str, year: int) -> float:
    """Return about how many times a rule that begins in a year has until `_COUNTED_TO`."""
    until = re.search(r"UNTIL=(\d{4})", rule, re.IGNORECASE)
    count = re.search(r"COUNT=(\d+)", rule, re.IGNORECASE)
    interval = _EACH_HOURS.search(rule)
    days = 366 * max(0, min(_COUNTED_TO, int(until[1]) + 1 if until else _COUNTED_TO) - year)
    frequency = re.search(r"FREQ=(WEEKLY|MONTHLY|YEARLY)", rule, re.IGNORECASE)
    each = {"WEEKLY": 7, "MONTHLY": 30, "YEARLY": 366}[frequency[1].upper()] if frequency else 1
    names_days = re.search(r"BYDAY=([^;]*)", rule, re.IGNORECASE)
    named = names_days[1].count(",") + 1 if names_days and frequency else 1
    # The hours of an interval are counted already.
    steps = 1 if "FREQ=HOURLY" in rule.upper() or interval is None else max(1, int(interval[1]))
    times = _times_a_day(rule) * days * named / (each * steps)
    return min(times, int(count[1])) if count else times


def _times_a_day(rule: str) -> int:
    """Return how many times of a day a rule of hours or more names at most."""
    counts: dict[str, int] = {name.upper(): values.count(",") + 1 for name, values in _TIMES.findall(rule)}
    interval = _EACH_HOURS.search(rule)
    hours = 1
    if "FREQ=HOURLY" in rule.upper():
        hours = ceil(24 / int(interval[1])) if interval else 24
    return counts.get("HOUR", hours) * counts.get("MINUTE", 1) * counts.get("SECOND", 1)


def _country(calendar: Calendar, zone: str) -> Iterator[tuple[str, object, str]]:
    import holidays

    known = holidays.list_supported_countries()
    code, part = str(calendar.country), calendar.subdivision
    if code not in known:
        yield "country", code, f"is not known: {_near(code, known)}write a code of ISO 3166-1, such as DE"
    elif part is not None and part not in known[code]:
        parts = ", ".join(known[code]) or "none"
        yield "subdivision", part, f"is not a part of {code}: {_near(part, known[code])}there are {parts}"


def _near(word: str, words: Any) -> str:
    close = difflib.get_close_matches(word.upper(), list(words), n=1, cutoff=0.6)
    return f"did you mean {close[0]}? Otherwise " if close else ""


def _local(text: str, zone: str) -> datetime:
    """Return a local time in a time zone. Raises ValueError where it is not one, or names a zone of its own."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is not None:
        raise ValueError(f"{text} names a time zone")
    return at.replace(tzinfo=timezone(zone))


def _ns(at: date | datetime, zone: str) -> int:
    """Return a time of a calendar in nanoseconds since 1970; a day is its first moment."""
    if not isinstance(at, datetime):
        at = datetime.combine(at, time())
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone(zone))
    return round(at.timestamp()) * SECOND_NS
