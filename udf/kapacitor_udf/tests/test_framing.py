from itertools import pairwise

import pytest
from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]
from hypothesis import given
from hypothesis import strategies as st

from kapacitor_udf import _compiled, _uncompiled
from kapacitor_udf._framing import LONGEST_RUN, FrameReader, Oversized, PointRun, apart
from kapacitor_udf._uncompiled import POINT_TAG
from kapacitor_udf._varint import frame

points = st.binary(max_size=200).map(POINT_TAG.__add__)
messages = st.lists(st.one_of(st.binary(max_size=300), st.integers(120, 140).map(bytes), points), max_size=20)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(messages, st.lists(st.integers(0, 10_000), max_size=30))
def test_messages_survive_any_way_of_cutting_the_stream(messages: list[bytes], cuts: list[int]) -> None:
    reader = FrameReader(10_000)
    found = []
    for chunk in chunks(b"".join(map(frame, messages)), cuts):
        found += reader.feed(chunk)
    assert list(apart(found)) == messages
    assert reader.unfinished == 0
    assert [part for part in found if isinstance(part, bytes) and part.startswith(POINT_TAG)] == []


@pytest.mark.parametrize("others", [[b"other"], [b"\x8a"], [b""]])
def test_points_that_follow_each_other_are_one_run(others: list[bytes]) -> None:
    one, two = frame(POINT_TAG + b"one"), frame(POINT_TAG + bytes(300))
    found = FrameReader(1000).feed(one + two + b"".join(map(frame, others)) + two)
    assert found == [PointRun(one + two, 2), *others, PointRun(two, 1)]


@given(messages, st.binary(max_size=5), st.integers(0, 20), st.integers(0, 250), st.integers(0, 12))
def test_the_compiled_part_finds_the_same_runs(
    messages: list[bytes], noise: bytes, position: int, limit: int, most: int
) -> None:
    data = b"".join(map(frame, messages)) + noise
    position = min(position, len(data))
    for begin in (0, position):
        found = _compiled.pass_points(data, begin, limit, most)
        assert found == _uncompiled.pass_points(data, begin, limit, most)
        run = data[begin : found[0]]
        assert _compiled.split(run) == _uncompiled.split(run)
        assert len(_compiled.split(run)) == found[1]


@pytest.mark.parametrize("torn", [b"\x05abc", b"\x80", b"\xff" * 11, b"\x01a\x02"])
def test_the_compiled_part_refuses_what_is_no_run(torn: bytes) -> None:
    with pytest.raises(ValueError, match="ends within a frame"):
        _compiled.split(torn)


def test_a_run_has_an_end() -> None:
    point = frame(POINT_TAG + b"point")
    found = FrameReader(1000).feed(point * (2 * LONGEST_RUN + 3))
    assert found == [PointRun(point * count, count) for count in (LONGEST_RUN, LONGEST_RUN, 3)]


@given(st.integers(0, 300_000))
def test_the_length_is_the_varint_of_protobuf(size: int) -> None:
    message = bytes(size)
    assert frame(message) == _VarintBytes(size) + message


@given(messages, st.lists(st.integers(0, 10_000), max_size=30), st.integers(2, 200))
def test_an_oversized_message_costs_only_itself(messages: list[bytes], cuts: list[int], limit: int) -> None:
    reader = FrameReader(limit)
    found: list[PointRun | bytes | Oversized] = []
    for chunk in chunks(b"".join(map(frame, messages)), cuts):
        found += reader.feed(chunk)
    assert list(apart(found)) == [each if len(each) <= limit else Oversized(len(each), each[:2]) for each in messages]


def test_nothing_of_an_oversized_message_is_kept() -> None:
    reader = FrameReader(1000)
    (first,) = reader.feed(_VarintBytes(2**31 - 1) + b"\x8a\x01" + bytes(1000))
    assert first == Oversized(2**31 - 1, b"\x8a\x01")
    assert reader.feed(bytes(2**20)) == []
    assert len(reader._waiting) == 0


@pytest.mark.parametrize("head", [b"\xff\xff\xff\xff\xff\x01", b"\x80\x80\x80\x80\x80", b"\xff\xff\xff\xff\x0f"])
def test_an_impossible_length_is_the_end_but_what_came_before_counts(head: bytes) -> None:
    reader = FrameReader(1000)
    assert reader.feed(frame(b"good") + head + bytes(20)) == [b"good"]
    assert "out of step" in str(reader.broken)
    assert reader.feed(frame(b"more")) == []


def test_a_length_that_arrives_byte_by_byte_is_refused_too() -> None:
    reader = FrameReader(1000)
    for _ in range(10):
        assert reader.feed(b"\xff") == []
    assert "out of step" in str(reader.broken)


def test_a_large_message_in_many_reads_is_copied_only_when_it_is_complete() -> None:
    message = bytes(range(256)) * 4000
    reader = FrameReader(2**21)
    data = frame(message)
    found = []
    for start in range(0, len(data), 1000):
        found += reader.feed(data[start : start + 1000])
        assert reader._wanted in (0, len(data))
    assert found == [message]
