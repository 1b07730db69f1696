"""What has arrived is accounted for: in = out + refused + shed + unhandled + discarded, whatever happens when."""

import os
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kapacitor_udf import (
    STREAM,
    UDF,
    Context,
    Counters,
    FieldRows,
    FieldsHandler,
    Limits,
    Point,
    PointSink,
    Rejected,
    Rows,
    RowsHandler,
    StreamHandler,
)
from kapacitor_udf import _peer as peer
from kapacitor_udf._conversation import Conversation
from kapacitor_udf._framing import FrameReader, apart
from kapacitor_udf._log import Log
from kapacitor_udf._varint import frame

WAIT = 240
DOES = ["answer", "slow", "reject", "raise", "hang"]
UNDECODABLE = frame(b"\x8a\x01\x02\x12\x05")


@dataclass
class Held:
    """One conversation, which is over."""

    sent: int
    said: int
    account: dict[str, int]
    lines: list[str] = field(default_factory=list)


def act(release: threading.Event, what: str) -> None:
    match what:
        case "slow":
            time.sleep(0.004)
        case "reject":
            raise Rejected("not today")
        case "raise":
            raise KeyError("some key")
        case "hang":
            release.wait(WAIT)


class Doing(StreamHandler[PointSink]):
    """Does to each point what its field `do` says."""

    release = threading.Event()

    def point(self, point: Point, out: PointSink) -> None:
        out.point(point)
        act(self.release, str(point.fields["do"]))


class DoingAtOnce(Doing):
    """Likewise, with all points that have arrived at once."""

    def points(self, points: Any, out: PointSink) -> None:
        for point in points:
            self.point(point, out)


class DoingFields(FieldsHandler):
    """Likewise, by the fast path: the field `code` says what to do. It fails for all rows where it fails for one."""

    release = threading.Event()

    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=["code"], adds={"done": bool})

    def add_fields(self, rows: FieldRows) -> dict[str, bool]:
        for code in rows.values[:, 0].astype(int).tolist():
            act(self.release, DOES[code])
        return {"done": True}


class DoingRows(RowsHandler):
    """Likewise, and emits points of its own."""

    release = threading.Event()

    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=["code"], tags=[])

    def rows(self, rows: Rows, out: PointSink) -> None:
        for code in rows.values[:, 0].astype(int).tolist():
            out.point(Point(1, {"done": True}))
            act(self.release, DOES[code])


def hold(handler: Any, sends: list[tuple[list[str], float]], limits: Limits) -> Held:
    """Hold a conversation in this process.

    Args:
        handler: what handles the points.
        sends: what the points of each write do, and seconds of rest after it.
        limits: bounds of the conversation.
    """
    handler.release = release = threading.Event()
    source, sink = os.pipe()
    answers, output = os.pipe()
    signals, noticed = os.pipe()
    lines: list[str] = []
    over = threading.Event()
    counters = Counters()
    conversation = Conversation(
        UDF(wants=STREAM, provides=STREAM, handler=handler),
        input=source, output=output, signals=signals, limits=limits, counters=counters,
        log=Log(lines.append), on_end=lambda code: over.set(),
    )  # fmt: skip
    said: list[bytes] = []
    listener = threading.Thread(target=_listen, args=(answers, said))
    listener.start()

    def run() -> None:
        conversation.run()
        over.set()

    main = threading.Thread(target=run)
    main.start()
    os.write(sink, peer.encode_init([], "task", "node"))
    sent = 0
    for does, rest in sends:
        data = b"".join(UNDECODABLE if do == "garbage" else peer.encode_point(doing(do)) for do in does)
        sent += len(does)
        try:
            _write(sink, data)
        except OSError:
            break
        time.sleep(rest)
    os.close(sink)
    assert over.wait(WAIT)
    ended = list(lines)
    release.set()
    main.join(WAIT)
    os.close(output)
    listener.join(WAIT)
    for descriptor in (source, answers, signals, noticed):
        os.close(descriptor)
    return Held(sent, _points(b"".join(said)), _account(ended), ended)


def doing(do: str) -> Point:
    return Point(1, {"do": do, "code": DOES.index(do)})


def _write(sink: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(sink, rest) :]


def _listen(answers: int, said: list[bytes]) -> None:
    while data := os.read(answers, 2**16):
        said.append(data)


def _points(data: bytes) -> int:
    messages = apart(FrameReader(2**20).feed(data))
    return sum(1 for message in messages if isinstance(message, bytes) and message[:2] == b"\x8a\x01")


def _account(lines: list[str]) -> dict[str, int]:
    """The numbers of the last line with an account."""
    found = [line for line in lines if line.startswith(("ends: ", "the time to stop is over"))]
    if not found:
        return {}
    account: dict[str, int] = {}
    for name, number in re.findall(r"(\w+)(?:\[[^]]*\])?=(\d+)", found[0]):
        account[name] = account.get(name, 0) + int(number)
    return account


def check(held: Held) -> None:
    account = {"points_in": 0, "points_out": 0, "points_received": 0, **held.account}
    refused = account.get("rejected", 0)
    shed, unhandled = account.get("shed_points", 0), account.get("unhandled", 0)
    assert account["points_received"] == held.sent, held
    assert held.sent == account["points_out"] + refused + shed + unhandled + account.get("discarded", 0), held
    assert account["points_in"] == account["points_out"] + refused, held
    assert min(account.values()) >= 0, held
    lost = [line for line in held.lines if line.startswith("DATA WERE LOST")]
    assert bool(lost) == bool(shed + unhandled), held


WRITES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["answer", "answer", "slow", "reject", "raise", "garbage"]), max_size=60),
        st.sampled_from([0.0, 0.0, 0.005]),
    ),
    max_size=8,
)
LIMITS = st.sampled_from([Limits(drain=0.08, patience=0.01, queue_points=40), Limits(drain=0.08)])


@settings(max_examples=60)
@given(WRITES, st.booleans(), LIMITS, st.sampled_from([Doing, DoingAtOnce, DoingFields, DoingRows]))
def test_sums_add_up_whatever_happens_when(
    sends: list[tuple[list[str], float]], hangs: bool, limits: Limits, handler: Any
) -> None:
    if hangs and sends:
        middle = len(sends) // 2
        sends = [*sends[:middle], (["hang"], 0.0), *sends[middle:]]
    check(hold(handler, sends, limits))


def test_what_is_shed_and_what_is_left_is_told_loudly() -> None:
    # More than the pipe holds twice, so that the input does not end before the first pause.
    held = hold(Doing, [(["slow"] * 500, 0.0)] * 20, Limits(drain=0.08, patience=0.01, queue_points=100))
    check(held)
    assert held.account["shed_points"] > 0
    assert [line for line in held.lines if line.startswith("DATA ARE LOST: the handler is too slow")]
    assert any("A replay that must not lose points needs a larger limit" in line for line in held.lines)


def test_a_patient_udf_sheds_nothing_and_leaves_nothing() -> None:
    """This is how a replay waits."""
    held = hold(Doing, [(["slow"] * 50, 0.0)] * 20, Limits(drain=60.0, patience=60.0, queue_points=100))
    check(held)
    assert held.account["points_out"] == held.said == 1000
