"""Where a catch-up looks closer: arithmetic on counts."""

import pytest

from anomaly.catchup.gaps import bucket_length, suspect_ranges
from anomaly.influxdb.times import TimeRange
from anomaly.windows.arrays import Key
from anomaly.windows.cut import cut

W = 10
A: Key = ("a",)
B: Key = ("b",)
SPAN = TimeRange(50, 450)
BUCKET = 100
FULL: dict[tuple[Key, int], int] = {(key, begin): 10 for key in (A, B) for begin in range(0, 500, BUCKET)}
# Where the range cuts a bucket off, less is full.
SCORES = {**FULL, (A, 0): 5, (B, 0): 5, (A, 400): 5, (B, 400): 5}
ENDS: dict[Key, int] = {A: 450, B: 450}


def found(points: dict[tuple[Key, int], int], **changed: int) -> dict[Key, list[TimeRange]]:
    scores = {**SCORES, **{(A, int(name[1:])): count for name, count in changed.items()}}
    return suspect_ranges(SPAN, BUCKET, cut(W), points, scores, ENDS)


def test_where_every_window_has_a_score_nothing_is_looked_at() -> None:
    assert found(FULL) == {}


def test_buckets_with_fewer_scores_than_windows_are_looked_at() -> None:
    assert found(FULL, b100=9) == {A: [TimeRange(100, 200)]}
    assert found(FULL, b0=4, b400=4) == {A: [TimeRange(50, 100), TimeRange(400, 450)]}
    assert found(FULL, b100=0, b200=0) == {A: [TimeRange(100, 300)]}
    assert found(FULL, b0=4, b100=0, b400=4) == {A: [TimeRange(50, 200), TimeRange(400, 450)]}


def test_where_there_are_no_points_there_is_nothing_to_score() -> None:
    points = {place: count for place, count in FULL.items() if place != (A, 200)}
    assert found(points, b200=0) == {}
    assert found(points, b100=0, b200=0, b300=0) == {A: [TimeRange(100, 200), TimeRange(300, 400)]}


def test_what_lies_behind_the_newest_window_is_not_looked_at() -> None:
    assert suspect_ranges(SPAN, BUCKET, cut(W), FULL, {}, {A: 120, B: 50}) == {A: [TimeRange(50, 120)]}
    assert suspect_ranges(SPAN, BUCKET, cut(W), FULL, {}, {}) == {}


def test_a_single_window_without_any_score_is_looked_at() -> None:
    assert suspect_ranges(TimeRange(50, 60), BUCKET, cut(W), {(A, 0): 1}, {}, {A: 60}) == {A: [TimeRange(50, 60)]}


@pytest.mark.parametrize(("windows", "bucket"), [(1, 360), (60_480, 360), (604_800, 3024)])
def test_buckets_are_coarse_and_few(windows: int, bucket: int) -> None:
    assert bucket_length(TimeRange(0, windows * W), W) == bucket * W
    assert bucket_length(TimeRange(10**9, 10**9 + windows * W), W) == bucket * W
