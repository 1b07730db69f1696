"""A harness to test a UDF without Kapacitor.

What goes in is encoded as Kapacitor does it, and what comes out is decoded as Kapacitor does it. The decoding, the
checks and the worker are those of the process; they run one step at a time, without threads.
"""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Generic, Self, cast

from . import _peer
from ._counters import Counters
from ._data import Batch, Point
from ._declaration import UDF, D
from ._errors import InitError
from ._limits import Limits
from ._log import Log
from ._receiver import Receiver
from ._worker import Worker

__all__ = ["Harness"]


class Harness(Generic[D]):
    """A UDF that emits D, points or batches, and that has been initialized.

    As a context manager it closes the handler at the end.

    Attributes:
        counters: what has happened so far.
        log: the lines that would be in Kapacitor's log.
    """

    def __init__(
        self,
        udf: UDF[D],
        options: Mapping[str, Any] | None = None,
        *,
        restore: bytes | None = None,
        strict: bool = True,
        task: str = "task",
        node: str = "udf2",
    ) -> None:
        """Initialize a UDF.

        Args:
            udf: the declaration.
            options: values by name as the handler sees them: a list for a repeated option, a tuple for several types.
            restore: a snapshot to restore.
            strict: whether an exception of the handler is raised here; else it costs what it costs in Kapacitor.
            task: the task's ID.
            node: the node's ID.

        Raises:
            InitError: Init failed, with the message that Kapacitor would get.
        """
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
        """The handler."""
        return self._worker.handler

    def point(self, point: Point) -> list[D]:
        """Feed a point.

        Args:
            point: what Kapacitor would send.

        Returns:
            The points or batches that the handler emitted.
        """
        return self.feed([point])

    def batch(self, batch: Batch) -> list[D]:
        """Feed a batch.

        Args:
            batch: what Kapacitor would send.

        Returns:
            The points or batches that the handler emitted.
        """
        return self.feed([batch])

    def feed(self, data: Iterable[Point | Batch]) -> list[D]:
        """Feed several points or batches that arrive at once.

        Args:
            data: what Kapacitor would send.

        Returns:
            The points or batches that the handler emitted.
        """
        frames = b"".join(
            _peer.encode_point(each) if isinstance(each, Point) else _peer.encode_batch(each) for each in data
        )
        return self._data(self._talk(frames))

    def tick(self) -> list[D]:
        """Let the handler tick.

        Returns:
            The points or batches that the handler emitted.
        """
        self._worker.tick()
        return self._data(self._said())

    def metrics(self) -> list[D]:
        """Return the metrics that would be emitted now, a point or a batch; none if none are declared."""
        return self._data(_peer.responses(self._worker.metrics()))

    def snapshot(self) -> bytes:
        """Return the snapshot that Kapacitor would keep."""
        return bytes(self._ask(_peer.encode_snapshot()).snapshot.snapshot)

    def close(self) -> None:
        """End the input, which closes the handler."""
        self._worker.close()
        self._said()

    def _talk(self, frames: bytes) -> list[Any]:
        for _ in self._worker.steps(self._receiver.receive(frames)):
            pass
        return self._said()

    def _data(self, responses: list[Any]) -> list[D]:
        """The points or batches in responses: the encoder of the UDF's sink can make no others."""
        return cast(list[D], _peer.data(responses))

    def _said(self) -> list[Any]:
        responses = _peer.responses(self._worker.emitted.take())
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
