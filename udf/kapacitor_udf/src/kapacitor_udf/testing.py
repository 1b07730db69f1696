"""Test a UDF without Kapacitor: what goes in is encoded as Kapacitor would, what comes out is decoded as it would.

The same decoding, validation and handler loop run as in the process, one step at a time, without threads.
"""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from . import _peer
from ._counters import Counters
from ._data import Batch, Point
from ._declaration import UDF
from ._errors import InitError
from ._limits import Limits
from ._log import Log
from ._receiver import Receiver
from ._worker import Worker

__all__ = ["Harness"]


class Harness:
    """A UDF that has been initialized with `options`, and fed with what `restore` (an earlier snapshot) holds.

    `options`: values by name, as the handler will see them: a list for a repeated option, a tuple for one with several
    arguments. With `strict`, an exception of the handler is raised here; otherwise it costs what it costs in Kapacitor.

    Raises InitError with the message that Kapacitor would get.
    """

    def __init__(
        self,
        udf: UDF,
        options: Mapping[str, Any] | None = None,
        *,
        restore: bytes | None = None,
        strict: bool = True,
        task: str = "task",
        node: str = "udf2",
    ) -> None:
        limits = Limits()
        self.counters = Counters()
        self.log: list[str] = []
        self._errors: list[BaseException] = []
        self._strict = strict
        self._receiver = Receiver(largest_message=limits.largest_message, largest_batch=limits.largest_batch)
        self._worker = Worker(udf, self.counters, Log(self.log.append), self._errors.append)
        answer = self._ask(_peer.encode_init(_peer.calls(udf, options or {}), task, node)).init
        if not answer.success:
            raise InitError(answer.error)
        if restore is not None:
            self._ask(_peer.encode_restore(restore))

    @property
    def handler(self) -> Any:
        """The handler itself."""
        return self._worker.handler

    def point(self, point: Point) -> list[Any]:
        """Feed a point. What this made the handler emit: points or batches."""
        return self.feed([point])

    def batch(self, batch: Batch) -> list[Any]:
        """Feed a batch. What this made the handler emit: points or batches."""
        return self.feed([batch])

    def feed(self, data: Iterable[Point | Batch]) -> list[Any]:
        """Feed several points or batches that have arrived at once. What this made the handler emit."""
        frames = b"".join(
            _peer.encode_point(each) if isinstance(each, Point) else _peer.encode_batch(each) for each in data
        )
        return _peer.data(self._talk(frames))

    def tick(self) -> list[Any]:
        """Let time pass for the handler's tick. What this made it emit."""
        self._worker.tick()
        return _peer.data(self._said())

    def metrics(self) -> list[Any]:
        """The metrics that would be emitted now: a point or a batch; nothing if none are declared."""
        return _peer.data(_peer.responses(self._worker.metrics()))

    def snapshot(self) -> bytes:
        """The snapshot that Kapacitor would keep."""
        return bytes(self._ask(_peer.encode_snapshot()).snapshot.snapshot)

    def close(self) -> None:
        """The end of input."""
        self._worker.close()
        self._said()

    def _talk(self, frames: bytes) -> list[Any]:
        for _ in self._worker.steps(self._receiver.receive(frames)):
            pass
        return self._said()

    def _said(self) -> list[Any]:
        responses = _peer.responses(self._worker.sink.take())
        if self._errors and self._strict:
            error = self._errors[0]
            self._errors.clear()
            raise error
        return responses

    def _ask(self, frame: bytes) -> Any:
        (response,) = self._talk(frame)
        return response

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
