"""One UDF twice, once for each path: both must give the same answer to any bytes."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from kapacitor_udf import (
    STREAM,
    UDF,
    Context,
    Counters,
    FieldRows,
    FieldsHandler,
    Point,
    PointSink,
    Rejected,
    StreamHandler,
    _compiled,
    _data_steps,
    _handlers,
    _peer,
    _row_codec,
    _row_decoder,
    _uncompiled,
)
from kapacitor_udf._framing import FrameReader, PointRun
from kapacitor_udf._group_numbers import TagNumbers
from kapacitor_udf._log import Log
from kapacitor_udf._receiver import Receiver
from kapacitor_udf._worker import Worker

WANTED = ("a", "b", "é")
LOOPS = (_compiled, _uncompiled)
USES: dict[ModuleType, tuple[str, ...]] = {
    _data_steps: ("PointDecoder",),
    _handlers: ("PointEncoder",),
    _row_codec: ("Scanner", "Appender"),
    _row_decoder: ("TagScanner",),
}
"""The modules that use loops over bytes, and which they use."""


def answers(numbers: Sequence[float], time: int) -> dict[str, Any]:
    """What is added to a point with these numbers: something of each type, and now and then nothing."""
    a, b, _ = numbers
    return {
        "sum": sum(numbers),
        "odd": time % 2 == 1,
        "lower": int(max(-(2.0**60), min(2.0**60, math.floor(a)))),
        "ä": f"{b:.3g}" if b > 0 else None,
    }


class ByObjects(StreamHandler[PointSink]):
    """The general path."""

    def point(self, point: Point, out: PointSink) -> None:
        numbers = []
        for name in WANTED:
            numbers.append(point.number(name))
            if not math.isfinite(numbers[-1]):
                raise Rejected("not finite", name)
        added = answers(numbers, point.time)
        point.fields.update({name: value for name, value in added.items() if value is not None})
        out.point(point)


class Echo(StreamHandler[PointSink]):
    """The general path, with any point."""

    def point(self, point: Point, out: PointSink) -> None:
        out.point(point)


class ByRows(FieldsHandler):
    """The fast path."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=WANTED, adds={"sum": float, "odd": bool, "lower": int, "ä": str})

    def add_fields(self, rows: FieldRows) -> dict[str, Any]:
        added = [answers(row, time) for row, time in zip(rows.values.tolist(), rows.times.tolist(), strict=True)]
        return {name: [each[name] for each in added] for name in added[0]}


def talk(handler: type, frames: bytes) -> tuple[list[Any], dict[str, Any]]:
    """What a UDF answers to these bytes, as Kapacitor decodes it, and what it has counted of points."""
    counters = Counters()
    worker = Worker(UDF(wants=STREAM, provides=STREAM, handler=handler), counters, Log(lambda line: None))
    receiver = Receiver(largest_message=2**20, largest_batch=2**20)
    for data in (_peer.encode_init([], "task", "node"), frames):
        for _ in worker.steps(receiver.receive(data)):
            pass
    out = _peer.data(_peer.responses(worker.emitted.take())[1:])
    differ = ("last_error", "groups", "group_bytes")
    counts = {name: count for name, count in counters.as_dict().items() if name not in differ}
    return [comparable(point) for point in out], counts


def comparable(point: Any) -> Any:
    """A point so that 1, 1.0 and True differ, and -0.0 and 0.0."""
    fields = sorted((name, type(value).__name__, repr(value)) for name, value in point.fields.items())
    rest = (point.time, point.tags, point.name, point.dimensions, point.by_name, point.group)
    return (fields, *rest, point.database, point.retention_policy)


def assert_same(frames: bytes) -> None:
    """Both paths make the same of these bytes, with and without the compiled part."""
    with using(_uncompiled):
        expected = talk(ByObjects, frames)
        echoed = talk(Echo, frames)
    for loops in LOOPS:
        with using(loops):
            assert talk(ByRows, frames) == expected, f"{loops.__name__}: {frames.hex()}"
    with using(_compiled):
        assert talk(ByObjects, frames) == expected, frames.hex()
        assert talk(Echo, frames) == echoed, frames.hex()


@contextmanager
def using(loops: ModuleType) -> Iterator[None]:
    """Let everything that is made meanwhile use these loops over bytes."""
    with pytest.MonkeyPatch.context() as patch:
        for module, names in USES.items():
            for name in names:
                patch.setattr(module, name, getattr(loops, name))
        yield


def assert_same_rows(frames: bytes) -> None:
    """Rows are the same, with and without the compiled part."""
    for measurements in ((), ("cpu", "", "é")):
        compiled, uncompiled = (rows_of(frames, loops, measurements) for loops in LOOPS)
        assert compiled == uncompiled, frames.hex()


def rows_of(frames: bytes, loops: ModuleType, measurements: Sequence[str] = ()) -> list[Any]:
    """What a `RowsHandler` sees of the runs of points in these bytes, and how many points cannot be decoded."""
    with using(loops):
        groups = TagNumbers(most=1000)
        decoder = _row_decoder.RowDecoder(WANTED, ("host", "", "é"), groups, measurements)
        seen: list[Any] = []
        for run in FrameReader(2**20).feed(frames):
            if isinstance(run, PointRun):
                rows, refused = decoder.decode(run.frames, run.count)
                arrays: tuple[Any, ...] = (rows.times, rows.values, rows.groups, rows.identities, rows.unusable)
                named: list[Any] = list(groups)
                if measurements:
                    # Points that are not plain get their numbers last, and here they may be of any group.
                    arrays = (rows.times, rows.values, rows.identities, rows.unusable)
                    named = [groups.key(number) for number in rows.groups]
                seen.append(([array.tobytes() for array in arrays], named, list(map(str, refused))))
        return seen
