"""Where scores may be missing: pure arithmetic on counts and times."""

from collections.abc import Iterable, Iterator, Mapping

from anomaly.influxdb.times import TimeRange
from anomaly.windows.arrays import Key
from anomaly.windows.cut import Cut

# The most buckets that are counted for each series, and the fewest windows in a bucket.
_MOST_BUCKETS = 200
_LEAST_WINDOWS = 360

# How many points or scores there are, by series and begin of the bucket.
BucketCounts = Mapping[tuple[Key, int], int]


def bucket_length(span: TimeRange, window_ns: int) -> int:
    """Return the length of the buckets to count in, a multiple of the window, in nanoseconds."""
    windows = -(-(span.end_ns - span.begin_ns) // window_ns)
    return max(_LEAST_WINDOWS, -(-windows // _MOST_BUCKETS)) * window_ns


def suspect_ranges(
    span: TimeRange,
    bucket_ns: int,
    cut: Cut,
    points: BucketCounts,
    scores: BucketCounts,
    ends: Mapping[Key, int],
) -> dict[Key, list[TimeRange]]:
    """Find the stretches of each series that have points, and fewer scores than windows.

    Args:
        span: the stretch of time that is looked at.
        bucket_ns: the length of a bucket.
        cut: how time is cut into windows.
        points: how many points there are.
        scores: how many scores there are.
        ends: where the windows of each series that may be scored end.

    Returns:
        The stretches of each series that has any, in the order of time; neighbours are one stretch.
    """
    suspects: dict[Key, list[TimeRange]] = {}
    for key, bucket in sorted(points):
        # The windows that begin in the bucket.
        begun = TimeRange(cut.first(bucket), cut.first(bucket + bucket_ns))
        part = _clip(begun, span.begin_ns, min(span.end_ns, ends.get(key, span.begin_ns)))
        if part is not None and scores.get((key, bucket), 0) < cut.windows(part.begin_ns, part.end_ns):
            suspects.setdefault(key, []).append(part)
    return {key: list(_joined(parts)) for key, parts in suspects.items()}


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
