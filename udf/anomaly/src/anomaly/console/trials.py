"""Runs one trial at a time in a process of its own, since a training takes memory that must be given back.

The process is `anomaly what-if --serve`, which talks in lines of JSON. It stays for a while after its result, so that
severities can be moved, and then ends; the result stays until the next trial.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anomaly.console.advice import for_pages

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
# How long a process waits for further moves.
_IDLE_SECONDS = 600.0
# Nobody waits longer for a move.
_MOVE_SECONDS = 20.0


class Busy(Exception):
    """Another trial is running; the message says whose."""


class Ended(Exception):
    """No trial was started, or its process has ended; the message says what to do."""


@dataclass(slots=True)
class TrialState:
    """One trial, as pages show it.

    Attributes:
        pipeline: the pipeline's name.
        by: who started it.
        changes: what they changed.
        asked: the range, as they wrote it.
        status: RUNNING, DONE, FAILED or CANCELLED.
        progress: what it does now.
        share: how much of that is done, 0 to 1.
        error: why it failed.
        result: what it found.
    """

    pipeline: str
    by: str
    changes: Mapping[str, Any]
    asked: tuple[str, str]
    status: str = RUNNING
    progress: str = "starting"
    share: float = 0.0
    error: str = ""
    result: Mapping[str, Any] | None = None


@dataclass(slots=True)
class _Child:
    process: "subprocess.Popen[str]"
    state: TrialState
    moved: list[Mapping[str, Any]] = field(default_factory=list)
    used: float = field(default_factory=time.monotonic)


class Trials:
    """Starts, watches and cancels trials; all methods may be called by any thread."""

    def __init__(self, command: Callable[[str], Sequence[str]]) -> None:
        """Prepare; nothing is started yet.

        Args:
            command: returns the command of a trial of a pipeline.
        """
        self._command = command
        self._changed = threading.Condition()
        self._moving = threading.Lock()
        self._child: _Child | None = None

    @property
    def state(self) -> TrialState | None:
        """The last trial; None if there was none."""
        child = self._child
        return None if child is None else child.state

    def start(self, pipeline: str, by: str, changes: Mapping[str, Any], begin: str, end: str) -> TrialState:
        """Start a trial in the place of the last one.

        Args:
            pipeline: the pipeline's name.
            by: who starts it.
            changes: what they changed, by key.
            begin: where the range begins.
            end: where it ends.

        Raises:
            Busy: another trial is running.
        """
        with self._changed:
            last = self._child
            if last is not None and last.state.status == RUNNING:
                raise Busy(
                    f"A trial of {last.state.pipeline} by {last.state.by} is running. Wait for it, or cancel it."
                )
            if last is not None:
                last.process.kill()
            process = subprocess.Popen(  # noqa: S603 (our own command; changes go through its stdin)
                list(self._command(pipeline)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
            state = TrialState(pipeline, by, dict(changes), (begin, end))
            child = self._child = _Child(process, state)
        for run in (self._read, self._end_when_idle):
            threading.Thread(target=run, args=(child,), name=f"trial of {pipeline}", daemon=True).start()
        _write(child, {"changes": changes, "from": begin, "to": end})
        return state

    def wait(self, seconds: float) -> bool:
        """Wait until the last trial is over; return whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._child is not None and self._child.state.status != RUNNING, seconds
            )

    def move(self, opening: float, closing: float) -> Mapping[str, Any]:
        """Return what the last trial finds with other severities: `moved`, or an `error`.

        Raises:
            Ended: there is no trial that can answer.
        """
        with self._moving:
            child = self._child
            if child is None or child.state.status != DONE:
                raise Ended("There is no trial whose severities can be moved. Start one.")
            child.used = time.monotonic()
            with self._changed:
                child.moved.clear()
                _write(child, {"open": opening, "close": closing})
                self._changed.wait_for(lambda: child.moved or child.process.poll() is not None, _MOVE_SECONDS)
                if not child.moved:
                    raise Ended("The process of the trial has ended. Start the trial again to move severities.")
                return child.moved[0]

    def cancel(self) -> None:
        """End the trial that runs; one that is over stays as it is."""
        with self._changed:
            child = self._child
            if child is not None and child.state.status == RUNNING:
                child.state.status = CANCELLED
                child.process.kill()
                self._changed.notify_all()

    def close(self) -> None:
        """End the process of the last trial."""
        child = self._child
        if child is not None:
            child.process.kill()
            child.process.wait()

    def _read(self, child: _Child) -> None:
        assert child.process.stdout is not None  # noqa: S101 (it was asked for)
        for line in child.process.stdout:
            with self._changed:
                self._take(child, json.loads(line))
                self._changed.notify_all()
        code = child.process.wait()
        with self._changed:
            if child.state.status == RUNNING:
                child.state.status = FAILED
                child.state.error = (
                    f"The process of the trial ended with {code} before its result. It may have needed more memory "
                    "than the console has (console_memory): try a shorter range."
                )
            self._changed.notify_all()

    def _take(self, child: _Child, said: Mapping[str, Any]) -> None:
        state = child.state
        if "progress" in said:
            state.progress, state.share = for_pages(said["progress"]), said.get("share", state.share)
        elif "result" in said:
            state.status, state.result, state.share = DONE, said["result"], 1.0
        elif state.status == RUNNING:
            state.status, state.error = FAILED, for_pages(said["error"])
        else:
            child.moved.append(said)
        child.used = time.monotonic()

    def _end_when_idle(self, child: _Child) -> None:
        with self._changed:
            while child.process.poll() is None:
                left = child.used + _IDLE_SECONDS - time.monotonic()
                if child.state.status != RUNNING and left <= 0:
                    child.process.kill()
                    return
                self._changed.wait(max(left, 1.0))


def _write(child: _Child, asked: Mapping[str, Any]) -> None:
    assert child.process.stdin is not None  # noqa: S101 (it was asked for)
    try:
        child.process.stdin.write(json.dumps(asked) + "\n")
        child.process.stdin.flush()
    except OSError:
        # It has ended; whoever reads from it says so.
        return
