"""Where scores may be missing: pure arithmetic on counts and times."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from anomaly.windows.arrays import Key

# So many buckets at most are counted for each series, none shorter than so many windows.
_MOST_BUCKETS = 200
_LEAST_WINDOWS = 360

Counts = Mapping[tuple[Key, int], int]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[begin_ns, end_ns), both window edges."""

    begin_ns: int
    end_ns: int


def bucket_length(span: TimeRange, window_ns: int) -> int:
    """The length of the buckets to count in, in nanoseconds: a multiple of the window."""
    windows = -(-(span.end_ns - span.begin_ns) // window_ns)
    return max(_LEAST_WINDOWS, -(-windows // _MOST_BUCKETS)) * window_ns


def suspects(
    span: TimeRange, bucket_ns: int, window_ns: int, points: Counts, scores: Counts, ends: Mapping[Key, int]
) -> dict[Key, list[TimeRange]]:
    """The stretches of each series that have points, and fewer scores than windows.

    points, scores: by series and begin of the bucket. ends: where each series' windows that may be scored end.
    """
    found: dict[Key, list[TimeRange]] = {}
    for key, bucket in sorted(points):
        part = _clip(
            TimeRange(bucket, bucket + bucket_ns), span.begin_ns, min(span.end_ns, ends.get(key, span.begin_ns))
        )
        if part is not None and scores.get((key, bucket), 0) < (part.end_ns - part.begin_ns) // window_ns:
            found.setdefault(key, []).append(part)
    return {key: list(_joined(parts)) for key, parts in found.items()}


def _clip(span: TimeRange, begin_ns: int, end_ns: int) -> TimeRange | None:
    begin_ns, end_ns = max(span.begin_ns, begin_ns), min(span.end_ns, end_ns)
    return TimeRange(begin_ns, end_ns) if begin_ns < end_ns else None


def _joined(spans: Iterable[TimeRange]) -> Iterator[TimeRange]:
    last: TimeRange | None = None
    for span in spans:
        if last is not None and last.end_ns == span.begin_ns:
            last = TimeRange(last.begin_ns, span.end_ns)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
