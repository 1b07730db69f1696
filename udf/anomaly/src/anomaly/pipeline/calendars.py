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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from anomaly.nanoseconds import DAY_NS, SECOND_NS
from anomaly.pipeline.duration import DurationError, parse_duration
from anomaly.pipeline.timezone import timezone

MAINTENANCE, QUIET, HOLIDAY = "maintenance", "quiet", "holiday"
# Rules that recur more often than each hour take long to expand.
_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY)", re.IGNORECASE)
# The libraries never come to an end with an interval of 0.
_ENDLESS = re.compile(r"INTERVAL=(?!0*[1-9])", re.IGNORECASE)
# Lines of a file that hold a rule, once lines that were folded are whole.
_FOLD = re.compile(r"\r?\n[ \t]")
_RULE_LINE = re.compile(r"^(?:RRULE|EXRULE)[:;](.*)$", re.IGNORECASE | re.MULTILINE)
_SOURCES = ("begin", "ics", "country")


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
            events = recurring_ical_events.of(self._events(zone)).between(first - timedelta(days=1), last)
            occurrences = [(_ns(event["DTSTART"].dt, zone), self._end_ns(event, zone)) for event in events]
        return [(begin, end) for begin, end in occurrences if begin < end_ns and begin_ns < end]

    def _end_ns(self, event: Any, zone: str) -> int:
        """Return the end of an event; `lasts` counts whole days by the clock and hours as they pass, as RFC 5545 does.

        So an occurrence of two hours takes two hours when the clock changes, too.
        """
        if self.lasts is None:
            return _ns(event.end, zone)
        days, rest_ns = divmod(parse_duration(self.lasts), DAY_NS)
        return _ns(event["DTSTART"].dt + timedelta(days=days), zone) + rest_ns

    def _events(self, zone: str) -> Any:
        """Return the events of the rule or the file."""
        import icalendar

        if self.ics is not None:
            return icalendar.Calendar.from_ical(self.ics)
        event = icalendar.Event()
        event.add("uid", "rule")
        event.add("dtstart", _local(self.begin or "", zone))
        event.add("duration", timedelta(microseconds=parse_duration(self.lasts or "") // 1000))
        if self.rule is not None:
            event.add("rrule", icalendar.vRecur.from_ical(self.rule))
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
        _local(calendar.begin or "", zone)
    except ValueError:
        yield "begin", calendar.begin, "is not a local time: write one such as 2026-01-04T02:00"
        return
    if calendar.lasts is None:
        yield "begin", calendar.begin, "has no end: add lasts, such as lasts: 2h"
        return
    try:
        if parse_duration(calendar.lasts) <= 0:
            yield "lasts", calendar.lasts, "must be greater than 0s"
            return
    except DurationError as error:
        yield "lasts", calendar.lasts, str(error)
        return
    if calendar.rule is None:
        return
    example = "write an RRULE of RFC 5545, such as FREQ=WEEKLY;BYDAY=SU"
    if (wrong := _too_often(calendar.rule)) is not None:
        yield "rule", calendar.rule, wrong
        return
    from dateutil.rrule import rrulestr

    try:
        # The library of calendars takes what it does not know for nothing.
        rrulestr(calendar.rule)
        begin_ns = _ns(_local(calendar.begin or "", zone), zone)
        calendar.spans(zone, begin_ns, begin_ns + DAY_NS)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield "rule", calendar.rule, f"is not a rule ({error}): {example}"


def _ics(calendar: Calendar, zone: str) -> Iterator[tuple[str, object, str]]:
    text = calendar.ics or ""
    shown = text.strip().partition("\n")[0][:40]
    for rule in _RULE_LINE.findall(_FOLD.sub("", text)):
        if (wrong := _too_often(rule)) is not None:
            yield "ics", rule.strip(), wrong
            return
    try:
        calendar.spans(zone, 0, DAY_NS)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        yield "ics", shown, f"is not a calendar ({error}): give the content of the file, by lookup('file', 'my.ics')"
        return
    if "BEGIN:VEVENT" not in text.upper():
        yield "ics", shown, "has no event (BEGIN:VEVENT): give the content of the file, by lookup('file', 'my.ics')"


def _too_often(rule: str) -> str | None:
    """Return what is wrong with a rule that takes long, or forever, to expand; None for another one."""
    if _OFTEN.search(rule):
        return "recurs more often than each hour: write FREQ=HOURLY, or a longer one"
    return "never goes on: write an INTERVAL of at least 1" if _ENDLESS.search(rule) else None


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
