"""The replay feeds the requests of a recorded conversation to a UDF, and compares its answers with the recorded ones.

Keepalives are left out on both sides, since their times depend on the clock alone. Points and batches of ignored
measurements, e.g. of a UDF's own metrics, are left out, too. The rest has one right order.

At full speed, a UDF must not be flooded: it would shed what it cannot handle in time, and the answers would rightly
differ. Kapacitor has no flow control, but a UDF answers Info in its place in the stream, whenever it is asked. So an
Info request of the replay's own follows every thousand messages (never within a batch), and only two may be unanswered.
The last one also tells that everything was handled, so the end of input cuts nothing off.
"""

import difflib
import subprocess
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns, sleep
from typing import IO

from . import _text, _wire
from . import wire_pb2 as wire
from ._errors import ReplayError
from ._framing import LARGEST_MESSAGE, FrameReader, apart
from ._recording import TO_UDF, Message, Recording
from ._varint import frame

_BETWEEN_BARRIERS = 1000
_OPEN_BARRIERS = 2
_BARRIER = frame(wire.Request(info=wire.InfoRequest()).SerializeToString())
_READ = 2**20
# Longer sequences are compared place by place: finding what was left out takes quadratic time.
_LARGEST_DIFF = 3000


@dataclass(slots=True)
class ReplayOutcome:
    """What a replay has shown.

    Attributes:
        requests: the number of requests that were replayed.
        recorded: the number of recorded responses that were compared.
        replayed: the number of new responses that were compared.
        differences: lines for what differs: `-` was recorded, `+` was said now.
        problem: why the recording is not whole, None if it is.
    """

    requests: int = 0
    recorded: int = 0
    replayed: int = 0
    differences: list[str] = field(default_factory=list)
    problem: str | None = None


def replay(
    recording: Recording,
    command: Sequence[str],
    *,
    paced: bool = False,
    ignored: Collection[str] = (),
    patience: float = 60.0,
) -> ReplayOutcome:
    """Replay a recording to a UDF.

    Args:
        recording: what was recorded.
        command: starts the UDF.
        paced: whether requests come as slowly as they were recorded.
        ignored: measurements that are not compared.
        patience: seconds for which the UDF may say nothing.

    Returns:
        The differences, and what was compared.

    Raises:
        ReplayError: The UDF ended early, or said nothing for too long.
        OSError: The UDF cannot be started.
    """
    messages = list(recording.messages())
    requests = [each for each in messages if each.direction == TO_UDF and _wire.kind(each.data) != _wire.KEEPALIVE]
    recorded = _compared((each.data for each in messages if each.direction != TO_UDF), ignored)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # noqa: S603
    assert process.stdin and process.stdout  # noqa: S101 - they are pipes
    listener = _Listener(process.stdout)
    try:
        _feed(requests, process.stdin, listener, paced, patience)
        process.stdin.close()
        listener.wait_for_end(patience)
    finally:
        process.kill()
        process.wait()
        listener.thread.join()
        process.stdout.close()
        process.stdin.close()
    replayed = _compared(_without_barriers(listener.said, requests), ignored)
    return ReplayOutcome(
        len(requests), len(recorded), len(replayed), _differences(recorded, replayed), recording.problem
    )


def _feed(requests: list[Message], sink: IO[bytes], listener: "_Listener", paced: bool, patience: float) -> None:
    start = monotonic_ns() - (requests[0].time if requests else 0)
    since = barriers = 0
    in_batch = False
    try:
        for request in requests:
            if paced:
                sleep(max(0, request.time - (monotonic_ns() - start)) / 1e9)
            _write(sink, frame(request.data))
            kind = _wire.kind(request.data)
            in_batch = kind == _wire.BEGIN or (in_batch and kind != _wire.END)
            since += 1
            if kind == _wire.INFO:
                barriers += 1
            if since >= _BETWEEN_BARRIERS and not in_batch and not paced:
                since = 0
                barriers += 1
                _write(sink, _BARRIER)
                listener.wait_for(barriers - _OPEN_BARRIERS + 1, patience)
        _write(sink, _BARRIER)
        listener.wait_for(barriers + 1, patience)
    except OSError as error:
        raise ReplayError(f"the UDF does not read any more: {error}") from error


def _write(sink: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[sink.write(rest) :]


class _Listener:
    """Keeps what a UDF says, and counts its answers to Info, in a thread of its own."""

    def __init__(self, source: IO[bytes]) -> None:
        self.said: list[bytes] = []
        self._source = source
        self._infos = 0
        self._heard = 0
        self._ended = False
        self._changed = threading.Condition()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        frames = FrameReader(LARGEST_MESSAGE)
        while data := self._source.read(_READ):
            messages = [bytes(message) for message in apart(frames.feed(data)) if isinstance(message, bytes)]
            with self._changed:
                self.said += messages
                self._heard += sum(1 for message in messages if _wire.kind(message) != _wire.KEEPALIVE)
                self._infos += sum(1 for message in messages if _wire.kind(message) == _wire.INFO)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, infos: int, patience: float) -> None:
        """Wait for this many answers to Info. Raises ReplayError if they cannot come any more."""
        with self._changed:
            while self._infos < infos and not self._ended:
                heard = self._heard
                if not self._changed.wait_for(lambda: self._heard > heard or self._ended, patience):  # noqa: B023
                    raise ReplayError(f"the UDF has said nothing for {patience:g} s")
            if self._infos < infos:
                raise ReplayError("the UDF ended before all requests were handled")

    def wait_for_end(self, patience: float) -> None:
        """Wait until the UDF closes its output. Raises ReplayError if it does not."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended, patience):
                raise ReplayError(f"the UDF has not ended {patience:g} s after the end of its input")


def _without_barriers(said: list[bytes], requests: list[Message]) -> Iterator[bytes]:
    """The responses without the answers to the replay's own Info requests, which are the last ones."""
    infos = sum(1 for request in requests if _wire.kind(request.data) == _wire.INFO)
    for message in said:
        if _wire.kind(message) == _wire.INFO:
            infos -= 1
            if infos < 0:
                continue
        yield message


def _compared(responses: Iterator[bytes], ignored: Collection[str]) -> list[bytes]:
    """The responses that are compared, each in one form, since protobuf may write a map in any order."""
    compared = []
    passing = False  # through a batch that is ignored
    for message in responses:
        kind = _wire.kind(message)
        if kind == _wire.KEEPALIVE:
            continue
        response = wire.Response.FromString(message)
        if kind == _wire.BEGIN:
            passing = response.begin.name in ignored
        skipped = passing or (kind == _wire.POINT and response.point.name in ignored)
        if kind == _wire.END:
            passing = False
        if not skipped:
            compared.append(response.SerializeToString(deterministic=True))
    return compared


def _differences(recorded: list[bytes], replayed: list[bytes]) -> list[str]:
    """Lines for what differs, with the place of each in its conversation."""
    begin = 0
    while begin < min(len(recorded), len(replayed)) and recorded[begin] == replayed[begin]:
        begin += 1
    end = 0
    while end < min(len(recorded), len(replayed)) - begin and recorded[-1 - end] == replayed[-1 - end]:
        end += 1
    old, new = recorded[begin : len(recorded) - end], replayed[begin : len(replayed) - end]
    lines: list[str] = []
    for first, last, new_first, new_last in _changed(old, new):
        lines += [f"- {begin + index}: {_text.response(old[index])}" for index in range(first, last)]
        lines += [f"+ {begin + index}: {_text.response(new[index])}" for index in range(new_first, new_last)]
    return lines


def _changed(old: list[bytes], new: list[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """Where two sequences differ: begin and end in the old one, begin and end in the new one."""
    if len(old) + len(new) <= _LARGEST_DIFF:
        for what, first, last, new_first, new_last in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
            if what != "equal":
                yield first, last, new_first, new_last
        return
    for index in range(max(len(old), len(new))):
        if old[index : index + 1] != new[index : index + 1]:
            yield index, min(index + 1, len(old)), index, min(index + 1, len(new))
