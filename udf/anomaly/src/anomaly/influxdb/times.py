"""From what was asked for ("24h", "2024-01-01T00:00:00Z") to window edges."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anomaly.models.manifest import Manifest
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import DurationError, Pipeline, SpecError, parse_duration
from anomaly.windows.cut import cut_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open stretch of time.

    Attributes:
        begin_ns: its begin, a window edge.
        end_ns: its end, a window edge.
    """

    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class RequestedRange(TimeRange):
    """A range, and the words in which it was asked for.

    Attributes:
        asked: the texts of begin and end, as they were written.
    """

    asked: tuple[str, str]


def resolve_range(pipeline: Pipeline, begin: str | None, end: str | None, now_ns: int) -> RequestedRange:
    """Return the whole windows between two times.

    Args:
        pipeline: the pipeline, whose `training` has the defaults.
        begin: a duration before now or an RFC 3339 time; None: the default.
        end: likewise.
        now_ns: the time that durations count from.

    Raises:
        SpecError: a time is not a time, or no whole window lies between the two.
    """
    asked = (begin or pipeline.training.begin, end or pipeline.training.end)
    begin_ns = parse_time_or_age(asked[0], "--from" if begin else "training.from", now_ns)
    end_ns = parse_time_or_age(asked[1], "--to" if end else "training.to", now_ns)
    cut = cut_of(pipeline)
    begin_ns, end_ns = cut.first(begin_ns), cut.begin(end_ns)
    if begin_ns >= end_ns:
        message = (
            f"pipeline {pipeline.name}: no whole {pipeline.window} window lies from {asked[0]} to {asked[1]} "
            f"({rfc3339(begin_ns)} to {rfc3339(end_ns)}): choose an earlier --from or a later --to"
        )
        raise SpecError([message])
    return RequestedRange(begin_ns, end_ns, asked)


def trained_on(manifest: Manifest) -> tuple[int, int]:
    """Return the range that a manifest's model was trained on, as begin and end in nanoseconds.

    Raises:
        SpecError: the manifest's times are not times.
    """
    begin_ns = parse_time(str(manifest.range.begin), "range.from of the manifest")
    return begin_ns, parse_time(str(manifest.range.end), "range.to of the manifest")


def parse_time(text: str, name: str) -> int:
    """Return the nanoseconds since 1970 of an RFC 3339 time.

    Args:
        text: the time.
        name: what the time is called, for the message.

    Raises:
        SpecError: it is not a time, or has no time zone.
    """
    try:
        parsed = datetime.fromisoformat(text.upper())
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise SpecError([f"{name}: {text!r} is not a time: write an RFC 3339 time, such as 2024-01-01T00:00:00Z"])
    # Integers all the way: a float of seconds since 1970 would lose microseconds.
    return (parsed - _EPOCH) // timedelta(microseconds=1) * 1000


def parse_time_or_age(text: str, name: str, now_ns: int) -> int:
    """Return the nanoseconds since 1970 of a duration before now, or of an RFC 3339 time.

    Args:
        text: the duration or time.
        name: what it is called, for the message.
        now_ns: the time that a duration counts from.

    Raises:
        SpecError: it is neither.
    """
    try:
        return now_ns - parse_duration(text)
    except DurationError:
        pass
    try:
        return parse_time(text, name)
    except SpecError:
        message = (
            f"{name}: {text!r} is not a time: write a duration before now, such as 24h, or an RFC 3339 time, such as "
            "2024-01-01T00:00:00Z"
        )
        raise SpecError([message]) from None
