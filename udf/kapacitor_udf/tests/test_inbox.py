import threading

from kapacitor_udf import Counters
from kapacitor_udf._framing import PointRun
from kapacitor_udf._inbox import Inbox
from kapacitor_udf._receiver import RawBatch, Request, Unit, Unusable


def make(points: int = 10, octets: int = 10_000) -> tuple[Inbox, Counters, list[str]]:
    counters = Counters()
    woken: list[str] = []
    return (
        Inbox(counters, points=points, octets=octets, on_half_empty=lambda: woken.append("half empty")),
        counters,
        woken,
    )


def point(name: bytes) -> PointRun:
    return PointRun(name, 1)


def points(count: int) -> list[Unit]:
    return [point(b"point %d" % number) for number in range(count)]


BATCH = RawBatch(b"begin", [PointRun(b"pppp", 4)], b"end", 4, 12)
QUESTION = Request(4, b"snapshot")


def test_units_come_out_in_order_and_in_bounded_portions() -> None:
    inbox, counters, _ = make(points=100)
    units = [*points(5), BATCH, QUESTION, *points(2)]
    inbox.put(units)
    assert counters.queued == 12
    assert inbox.take(6, 0) == units[:6]
    assert inbox.take(100, 0) == units[6:]
    assert counters.queued == 0
    assert inbox.take(100, 0) == []


def test_a_unit_larger_than_the_portion_is_taken_alone() -> None:
    inbox, _, _ = make()
    inbox.put([BATCH, PointRun(b"pppp", 4), BATCH])
    assert inbox.take(1, 0) == [BATCH]
    assert inbox.take(1, 0) == [PointRun(b"pppp", 4)]


def test_full_by_points_or_by_bytes() -> None:
    inbox, _, _ = make(points=10)
    assert inbox.put(points(9)) is False
    assert inbox.put(points(1)) is True
    inbox, _, _ = make(octets=20)
    assert inbox.put([point(b"x" * 19)]) is False
    assert inbox.put([point(b"x")]) is True


def test_the_reader_is_woken_once_when_the_queue_is_half_empty() -> None:
    inbox, counters, woken = make(points=10)
    inbox.put(points(10))
    assert inbox.pause() is True
    inbox.take(4, 0)
    assert woken == []
    inbox.take(1, 0)
    inbox.take(1, 0)
    assert woken == ["half empty"]
    assert inbox.resume() is False
    assert counters.waits == 1


def test_a_queue_that_has_drained_meanwhile_needs_no_pause() -> None:
    inbox, counters, woken = make(points=10)
    inbox.put(points(10))
    inbox.take(5, 0)
    assert inbox.pause() is False
    inbox.take(5, 0)
    assert woken == []
    assert counters.waits == 0


def test_out_of_patience_data_is_shed_whole_and_questions_are_not() -> None:
    inbox, counters, _ = make(points=10)
    inbox.put(points(10))
    inbox.pause()
    assert inbox.resume() is True
    assert inbox.put([point(b"new"), BATCH, QUESTION, PointRun(b"newnew", 2)]) is False
    assert (counters.shed_points, counters.shed_batches) == (3, 1)
    assert inbox.take(100, 0) == [*points(10), QUESTION]


def test_shedding_ends_when_half_is_handled() -> None:
    inbox, counters, _ = make(points=10)
    inbox.put(points(10))
    inbox.pause()
    inbox.resume()
    inbox.take(4, 0)
    inbox.put([point(b"lost")])
    inbox.take(1, 0)
    inbox.put([point(b"kept")])
    assert counters.shed_points == 1
    assert inbox.take(100, 0)[-1] == point(b"kept")


def test_what_arrives_is_counted_in_points_and_batches() -> None:
    inbox, counters, _ = make()
    inbox.put([PointRun(b"pppp", 4), BATCH, QUESTION, Unusable(16, "shed_batches", "too large")])
    assert (counters.points_received, counters.batches_received, counters.received) == (4, 2, 6)


def test_after_the_end_of_input_nothing_is_shed() -> None:
    inbox, counters, _ = make(points=10)
    inbox.put(points(10))
    inbox.pause()
    assert inbox.resume(may_shed=False) is False
    inbox.put(points(10))
    assert counters.shed_points == 0
    assert len(inbox.take(100, 0)) == 20


def test_take_waits_for_units_and_for_the_end() -> None:
    inbox, _, _ = make()
    taken: list[list[Unit]] = []
    first = threading.Event()

    def handle() -> None:
        taken.append(inbox.take(10, None))
        first.set()
        taken.append(inbox.take(10, None))

    thread = threading.Thread(target=handle)
    thread.start()
    inbox.put([point(b"a")])
    assert first.wait(30)
    assert not inbox.exhausted
    inbox.close()
    thread.join(30)
    assert taken == [[point(b"a")], []]
    assert inbox.exhausted


def test_what_is_taken_has_the_times_of_its_arrival() -> None:
    inbox, _, _ = make(points=1000)
    inbox.put([PointRun(b"ppp", 3), QUESTION])
    inbox.put([BATCH, PointRun(b"pp", 2)])
    inbox.put([])
    inbox.take(3, 0)
    ((first, count),) = inbox.arrived
    assert count == 3
    inbox.take(100, 0)
    (batch, points) = inbox.arrived
    assert (batch[1], points[1]) == (1, 2)
    assert batch[0] == points[0] >= first
    inbox.take(100, 0)
    assert inbox.arrived == []


def test_what_is_shed_has_not_arrived() -> None:
    inbox, _, _ = make(points=4)
    inbox.put(points(4))
    inbox.pause()
    inbox.resume()
    inbox.put([point(b"shed"), QUESTION])
    inbox.take(100, 0)
    assert sum(count for _, count in inbox.arrived) == 4
