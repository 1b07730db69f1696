from hypothesis import given
from hypothesis import strategies as st

from kapacitor_udf import Batch, Point
from kapacitor_udf import _peer as peer
from kapacitor_udf import _wire as wire_module
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._framing import PointRun, apart
from kapacitor_udf._receiver import RawBatch, Receiver, Request, Unit, Unusable, size, weight
from kapacitor_udf._varint import frame


def receiver(largest_message: int = 2**20, largest_batch: int = 2**20) -> Receiver:
    return Receiver(largest_message=largest_message, largest_batch=largest_batch)


def point(time: int = 1, **fields: float) -> Point:
    return Point(time, dict(fields) or {"a": 1.0})


def batch(*points: Point, name: str = "m") -> Batch:
    return Batch(name, {"t": "x"}, list(points), 9)


BEGIN = frame(wire.Request(begin=wire.BeginBatch(name="m")).SerializeToString())
END = frame(wire.Request(end=wire.EndBatch(name="m", tmax=9)).SerializeToString())


def contents(unit: Unit) -> object:
    """A unit, without how its points fell into runs."""
    if isinstance(unit, RawBatch):
        return (unit.begin, list(apart(unit.points)), unit.end, unit.count)
    return list(apart([unit])) if isinstance(unit, PointRun) else unit


def test_points_and_batches_become_units_in_order() -> None:
    units = receiver().receive(
        peer.encode_point(point()) + peer.encode_batch(batch(point(), point())) + peer.encode_point(point(3))
    )
    assert [type(unit) for unit in units] == [PointRun, RawBatch, PointRun]
    assert [weight(unit) for unit in units] == [1, 2, 1]
    assert isinstance(units[1], RawBatch)
    assert units[1].count == 2
    assert all(size(unit) > 0 for unit in units)


def test_an_empty_batch_is_a_unit() -> None:
    (unit,) = receiver().receive(peer.encode_batch(batch()))
    assert isinstance(unit, RawBatch)
    assert unit.points == []
    assert weight(unit) == 1


@given(st.lists(st.integers(1, 400), max_size=40))
def test_units_do_not_depend_on_how_the_stream_is_cut(steps: list[int]) -> None:
    data = b"".join(
        [
            peer.encode_info(),
            peer.encode_init([], "t", "n"),
            peer.encode_point(point()),
            peer.encode_batch(batch(point(), point(2))),
            peer.encode_snapshot(),
            END,
            BEGIN,
            peer.encode_restore(b"x"),
            peer.encode_point(point()),
            END,
        ]
    )
    whole = receiver().receive(data)
    cut = receiver()
    found: list[Unit] = []
    position = 0
    for step in steps:
        found += cut.receive(data[position : position + step])
        position += step
    found += cut.receive(data[position:])
    assert list(map(contents, found)) == list(map(contents, whole))


def test_questions_keep_their_place_also_inside_a_batch() -> None:
    units = receiver().receive(BEGIN + peer.encode_snapshot() + peer.encode_point(point()) + END)
    assert [type(unit) for unit in units] == [Request, RawBatch]


def test_keepalives_are_apart_and_the_latest_counts() -> None:
    each = receiver()
    assert each.receive(peer.encode_keepalive(5) + BEGIN + peer.encode_keepalive(7)) == []
    assert each.take_keepalive() == 7
    assert each.take_keepalive() is None


def test_an_end_without_a_begin_is_unusable() -> None:
    (unit,) = receiver().receive(END)
    assert isinstance(unit, Unusable)
    assert (unit.kind, unit.counter) == (wire_module.END, "unexpected")


def test_a_begin_inside_a_batch_gives_up_the_first_one_only() -> None:
    units = receiver().receive(BEGIN + peer.encode_point(point()) + peer.encode_batch(batch(point(5))))
    assert [type(unit) for unit in units] == [Unusable, RawBatch]
    assert isinstance(units[1], RawBatch)
    assert units[1].count == 1


def test_messages_that_are_empty_or_unknown_are_unusable() -> None:
    units = receiver().receive(frame(b"") + frame(b"\xfa\x07\x00") + frame(b"\xff\xff\xff"))
    assert [(type(unit), getattr(unit, "counter", "")) for unit in units] == [(Unusable, "unexpected")] * 3


def test_an_oversized_message_tells_its_kind() -> None:
    big = peer.encode_restore(bytes(2000))
    (unit,) = receiver(largest_message=1000).receive(big)
    assert isinstance(unit, Unusable)
    assert (unit.kind, unit.counter) == (wire_module.RESTORE, "oversized")


def test_a_batch_over_the_limit_is_given_up_and_the_next_one_is_whole() -> None:
    small = receiver(largest_batch=2000)
    units = small.receive(peer.encode_batch(batch(*[point(n) for n in range(100)])) + peer.encode_batch(batch(point())))
    assert [type(unit) for unit in units] == [Unusable, RawBatch]
    assert isinstance(units[0], Unusable)
    assert units[0].counter == "shed_batches"


def test_a_keepalive_that_cannot_be_read_is_still_answered() -> None:
    each = receiver()
    units = each.receive(frame(b"\x1a\x05\x08"))
    assert [getattr(unit, "counter", "") for unit in units] == ["undecodable"]
    assert each.take_keepalive() == 0
