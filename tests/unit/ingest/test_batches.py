from ingest.batches import Pacer, batched
from ingest.points import SeriesPoint


def points(*seconds: float) -> list[SeriesPoint]:
    return [SeriesPoint(int(second * 1e9), {}, {"f": 1.0}) for second in seconds]


def test_batches_are_cut_by_size() -> None:
    assert [len(batch) for batch in batched(points(*range(7)), 3)] == [3, 3, 1]
    assert list(batched([], 3)) == []


def test_batches_are_cut_by_the_span_of_their_data() -> None:
    cut = [[p.time_ns // 10**9 for p in batch] for batch in batched(points(0, 1, 2, 10, 11, 30), 100, 10 * 10**9)]
    assert cut == [[0, 1, 2], [10, 11], [30]]


def test_points_are_held_back_until_they_are_due() -> None:
    now, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pacer = Pacer(60, lambda: now[0], sleep)
    for second in (0, 60, 120, 90):
        pacer.wait_for(second * 10**9)
    assert slept == [1.0, 1.0]
    now[0] += 10
    pacer.wait_for(300 * 10**9)
    assert slept == [1.0, 1.0], "what is late is not held back"


def test_a_batch_covers_one_second_of_the_clock() -> None:
    assert Pacer(60).span_ns == 60 * 10**9
    assert Pacer(0.5).span_ns == 5 * 10**8
