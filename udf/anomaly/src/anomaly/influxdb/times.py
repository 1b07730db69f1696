"""From what was asked for ("24h", "2024-01-01T00:00:00Z") to window edges."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from anomaly.pipeline import DurationError, Pipeline, SpecError, parse_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Range:
    """[begin_ns, end_ns), both window edges. asked: the texts it was made from, (from, to)."""

    begin_ns: int
    end_ns: int
    asked: tuple[str, str]


def resolve(pipeline: Pipeline, start: str | None, stop: str | None, now_ns: int) -> Range:
    """The whole windows between two times; defaults are the pipeline's. Raises SpecError."""
    asked = (start or pipeline.training.start, stop or pipeline.training.stop)
    begin_ns = ago_or_moment(asked[0], "--from" if start else "training.from", now_ns)
    end_ns = ago_or_moment(asked[1], "--to" if stop else "training.to", now_ns)
    window_ns = pipeline.window_ns
    begin_ns, end_ns = -(-begin_ns // window_ns) * window_ns, end_ns // window_ns * window_ns
    if begin_ns >= end_ns:
        message = (
            f"pipeline {pipeline.name}: no whole {pipeline.window} window lies from {asked[0]} to {asked[1]} "
            f"({rfc3339(begin_ns)} to {rfc3339(end_ns)}): choose an earlier --from or a later --to"
        )
        raise SpecError([message])
    return Range(begin_ns, end_ns, asked)


def trained_on(manifest: Mapping[str, Any]) -> tuple[int, int]:
    """The range that a manifest's model was made from, [begin, end) in nanoseconds. Raises SpecError."""
    begin, end = (moment(str(manifest["range"][name]), f"range.{name} of the manifest") for name in ("from", "to"))
    return begin, end


def rfc3339(time_ns: int) -> str:
    """`time_ns` since 1970 as an RFC 3339 time, in UTC, to the second."""
    return (_EPOCH + timedelta(seconds=time_ns // 1_000_000_000)).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str, name: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time. Raises SpecError, which names `name`."""
    try:
        parsed = datetime.fromisoformat(text.upper())
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise SpecError([f"{name}: {text!r} is not a time: write an RFC 3339 time, such as 2024-01-01T00:00:00Z"])
    # Integers all the way: a float of seconds since 1970 would lose microseconds.
    return (parsed - _EPOCH) // timedelta(microseconds=1) * 1000


def ago_or_moment(text: str, name: str, now_ns: int) -> int:
    """Nanoseconds since 1970 of a duration before now or an RFC 3339 time; `name` is for messages. Raises SpecError."""
    try:
        return now_ns - parse_duration(text)
    except DurationError:
        pass
    try:
        return moment(text, name)
    except SpecError:
        message = (
            f"{name}: {text!r} is not a time: write a duration before now, such as 24h, or an RFC 3339 time, such as "
            "2024-01-01T00:00:00Z"
        )
        raise SpecError([message]) from None
