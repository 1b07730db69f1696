"""Questions: Info, Init, Snapshot and Restore, each answered in its place in the stream.

Kapacitor waits for these answers without a limit, so every question is answered, whatever the handler does. What makes
an answer negative differs: a handler that cannot be made fails Init, and the process ends; a snapshot that cannot be
taken is answered empty, and Kapacitor keeps the last one; a restore that fails is answered with success and a new
handler that starts cold, since a failed restore would fail the task at every start until somebody deletes it.
"""

import json
from collections.abc import Callable
from typing import Any

from . import _snapshots, _wire
from ._data import STREAM
from ._errors import InitError, MalformedError, Rejected, SnapshotError
from ._guard import Guard
from ._handlers import BatchHandler, Context, FieldsHandler, Handler, RowsHandler, StreamHandler
from ._life import LifeState, Said
from ._limits import check_tick
from ._log import place, told
from ._loops import compiled
from ._receiver import Request, Unusable

# Characters of an Init's error, which Kapacitor keeps as the task's.
_LONGEST_ERROR = 2000


class Questions:
    """Answers for the handler behind a guard, which Init makes.

    Attributes:
        init_error: why Init failed, None if it did not.
    """

    def __init__(self, guard: Guard, was_answered: Callable[[int], bool]) -> None:
        """Have answered nothing yet.

        Args:
            guard: where the handler is to be.
            was_answered: called once for each Init, Restore and Snapshot, with its kind, when its outcome is known;
                tells whether Kapacitor has got an answer already (`_early_answers`).
        """
        self.init_error: str | None = None
        self._guard = guard
        self._was_answered = was_answered
        self._factory: Callable[..., Any] | None = None

    def answer(self, request: Request) -> None:
        """Answer a question.

        Args:
            request: its kind and its message.
        """
        if self._guard.life.state is LifeState.FAILED:
            return  # this process is about to end
        if request.kind == _wire.INFO:
            self._say(Said.INFO, _wire.encode_info(self._guard.udf))
        elif request.kind == _wire.INIT:
            self._init(request.message)
        elif request.kind == _wire.SNAPSHOT:
            snapshot = _wire.encode_snapshot(self._snapshot())
            self._say(Said.SNAPSHOT, b"" if self._was_answered(_wire.SNAPSHOT) else snapshot)
        else:
            self._restore(request.message)

    def answer_unusable(self, unit: Unusable) -> None:
        """Count and explain what was not kept, and answer it if it was a question.

        Args:
            unit: what it was, and why it was not kept.
        """
        guard = self._guard
        setattr(guard.counters, unit.counter, getattr(guard.counters, unit.counter) + 1)
        guard.log.explain(f"{unit.counter} {unit.kind}", lambda: f"dropped: {unit.why}")
        if guard.life.state is LifeState.FAILED:
            return
        if unit.kind == _wire.RESTORE:
            guard.counters.restores_refused += 1
            self._say(Said.RESTORED, _wire.encode_restored())
        elif unit.kind == _wire.INIT and guard.life.state is LifeState.WAITING:
            self._fail_init(unit.why)

    def _say(self, what: Said, frame: bytes) -> None:
        """Go on to the next state of life, and answer; an empty frame says nothing."""
        self._guard.life.says(what)
        self._guard.emitted.add(frame)

    # Init

    def _init(self, message: bytes) -> None:
        guard = self._guard
        if guard.life.state is not LifeState.WAITING:
            guard.counters.unexpected += 1
            guard.log.explain("second init", lambda: "Kapacitor sent Init twice; the second one is ignored")
            self._was_answered(_wire.INIT)
            return
        try:
            calls, task, node = _wire.decode_init(message)
            values = guard.udf.values(calls)
            guard.context = Context(values, task, node, guard.udf, guard.counters, guard.log.say)
            with guard.calls.noted("init"):
                self._factory = guard.udf.load()
                guard.handler = self._new_handler()
        except (InitError, MalformedError) as error:
            self._fail_init(str(error))
        except BaseException as error:  # whatever it is, Kapacitor must get an answer
            text = told(error, _LONGEST_ERROR)
            is_plain = isinstance(error, ValueError | Rejected) and text
            self._fail_init(text if is_plain else f"{type(error).__name__}: {text} (at {place(error)})")
        else:
            if isinstance(guard.handler, FieldsHandler | RowsHandler) and not compiled:
                guard.log.say("kapacitor_udf was installed without its compiled part: this works, but not as fast")
            self._say(Said.INIT_OK, b"" if self._was_answered(_wire.INIT) else _wire.encode_init(None))

    def _fail_init(self, why: str) -> None:
        self.init_error = f"{self._guard.udf.name}: {why}"
        self._guard.handler = None
        is_late = self._was_answered(_wire.INIT)
        encode = _wire.encode_error if is_late else _wire.encode_init
        self._say(Said.INIT_FAILED, encode(self.init_error))

    def _new_handler(self) -> Handler[Any]:
        """A handler from the factory and the context. Raises InitError if it is of the wrong kind."""
        guard = self._guard
        assert self._factory is not None  # noqa: S101 - set before the first call
        guard.counters.groups = guard.counters.group_bytes = 0
        handler = self._factory(guard.context)
        check_tick(getattr(handler, "tick_seconds", None))
        if isinstance(handler, FieldsHandler | RowsHandler):
            name = type(handler).__name__
            kind, more = (
                ("FieldsHandler", "adds={...}") if isinstance(handler, FieldsHandler) else ("RowsHandler", "tags=[...]")
            )
            if not (guard.udf.wants is guard.udf.provides is STREAM):
                raise InitError(f"the handler is a {name}, a {kind}, so its UDF must want and provide STREAM")
            if not hasattr(handler, "codec"):
                raise InitError(f"{name}.__init__ must call super().__init__(context, fields=[...], {more})")
            return handler
        base = StreamHandler if guard.udf.wants is STREAM else BatchHandler
        if not isinstance(handler, base):
            raise InitError(
                f"the handler is a {type(handler).__name__}, which is not a {base.__name__}; "
                f"this UDF wants {'points' if base is StreamHandler else 'batches'}"
            )
        return handler

    # Snapshot and Restore

    def _key(self) -> str:
        """What a snapshot is made with: the UDF's name, and the handler's own key or the options."""
        guard = self._guard
        key = guard.handler.snapshot_key()
        if key is None:
            assert guard.context is not None  # noqa: S101 - there is a handler, so there is a context
            key = json.dumps(dict(guard.context.options), sort_keys=True, default=str)
        return f"{guard.udf.name} {key}"

    def _snapshot(self) -> bytes:
        guard = self._guard
        if guard.handler is None:
            return b""
        try:
            with guard.calls.noted("snapshot"):
                data = guard.handler.snapshot()
            wrapped = _snapshots.wrap(data, version=guard.handler.snapshot_version, key=self._key())
        except BaseException as error:  # Kapacitor keeps the last snapshot, and waits for an answer
            guard.failed(error, "snapshot")
            return b""
        guard.counters.snapshots += 1
        return wrapped

    def _restore(self, message: bytes) -> None:
        guard = self._guard
        try:
            snapshot = _wire.decode_restore(message)
            if snapshot and guard.handler is not None:
                data = _snapshots.unwrap(snapshot, version=guard.handler.snapshot_version, key=self._key())
                with guard.calls.noted("restore"):
                    guard.handler.restore(data)
                guard.counters.restores += 1
        except (SnapshotError, MalformedError) as error:
            guard.counters.restores_refused += 1
            guard.log.say(f"the snapshot is not restored, starting cold: {error}")
        except BaseException as error:  # a failed restore would fail the task at every start
            guard.counters.restores_refused += 1
            guard.failed(error, "restore")
            why = f"{type(error).__name__}: {told(error, 1000)}"
            guard.log.say(f"the snapshot is not restored, starting cold: {why}")
            # It may have been half way through: only a new handler is known to be cold.
            self._replace_handler()
        self._say(Said.RESTORED, b"" if self._was_answered(_wire.RESTORE) else _wire.encode_restored())

    def _replace_handler(self) -> None:
        try:
            with self._guard.calls.noted("init"):
                self._guard.handler = self._new_handler()
        except BaseException as error:  # the old one is better than none
            self._guard.failed(error, "restart after restore")
