"""Callback plugin: says that a long task is alive.

Ansible prints nothing while a task runs. This prints one line every few seconds once a task has taken long, with the
last line of the log file that the task names in its variable ``heartbeat_log``. A condition variable wakes one thread,
which starts with the first task and ends with the run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.template import Templar

DOCUMENTATION = """
name: heartbeat
type: notification
short_description: Says that a long task is alive
description:
  - When a task has run for O(after) seconds, prints a line every O(every) seconds with the task's name and how long it
    has run.
  - A task whose vars name a file as C(heartbeat_log) has the last line of that file shown too, when the file is there
    on the controller.
options:
  after:
    description: Seconds until the first line.
    type: float
    default: 20
    ini: [{section: heartbeat, key: after}]
    env: [{name: HEARTBEAT_AFTER}]
  every:
    description: Seconds between lines.
    type: float
    default: 15
    ini: [{section: heartbeat, key: every}]
    env: [{name: HEARTBEAT_EVERY}]
"""

# Of a log only the end is read, and of a line only what fits a terminal.
TAIL_BYTES = 8192
LINE_CHARACTERS = 160


def last_line(path: Path) -> str:
    """The last line of a text file that has anything printable on it, or an empty string.

    Carriage returns count as line ends (progress bars redraw that way), control characters are dropped, and a line is
    cut to 160 characters.
    """
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            tail = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    for line in reversed(tail.replace("\r", "\n").split("\n")):
        printable = "".join(character for character in line if character.isprintable()).strip()
        if printable:
            return printable if len(printable) <= LINE_CHARACTERS else printable[: LINE_CHARACTERS - 1] + "…"
    return ""


def stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written to; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def duration(seconds: float) -> str:
    """Seconds as people write them: ``45 s``, ``3 min 05 s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class LongTaskReporter:
    """Calls ``say`` while something runs long.

    Args:
        say: gets each line.
        after: seconds from ``start`` to the first line.
        every: seconds between lines.
        clock: monotonic seconds.
    """

    def __init__(
        self, say: Callable[[str], None], after: float, every: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._after = after
        self._every = every
        self._clock = clock
        self._changed = threading.Condition()
        self._name: str | None = None
        self._log: Path | None = None
        self._old: tuple[int, int] | None = None  # what the log was before the task wrote to it
        self._started = 0.0
        self._task = 0  # which task is running: names repeat
        self._ending = False
        self._thread: threading.Thread | None = None

    def start(self, name: str) -> None:
        """A task begins; one that was running has ended."""
        with self._changed:
            if self._ending:
                return
            self._name, self._log, self._started = name, None, self._clock()
            self._task += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()
            self._changed.notify()

    def watch(self, log: Path) -> None:
        """Names the log of the running task. What it holds already was written by an earlier one."""
        with self._changed:
            self._log, self._old = log, stamp(log)

    def stop(self) -> None:
        """The task ended, and nothing runs until the next ``start``."""
        with self._changed:
            self._name = None
            self._changed.notify()

    def close(self) -> None:
        """Ends the thread and waits for it."""
        with self._changed:
            self._ending = True
            self._name = None
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def line(self) -> str:
        """What is said of the running task now."""
        text = f"… still running after {duration(self._clock() - self._started)}: {self._name}"
        last = last_line(self._log) if self._log is not None and stamp(self._log) != self._old else ""
        return f"{text} | {last} (log: {self._log})" if last else text

    def _run(self) -> None:
        with self._changed:
            while not self._ending:
                if self._name is None:
                    self._changed.wait()
                    continue
                due = self._started + self._after
                task = self._task
                while self._name is not None and self._task == task and not self._ending:
                    remaining = due - self._clock()
                    if remaining > 0:
                        self._changed.wait(remaining)
                        continue
                    self._say(self.line())
                    due = self._clock() + self._every


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Ansible's side: turns its events into starts and stops."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "heartbeat"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: Any = None, options: Any = None) -> None:
        super().__init__(display=display, options=options)
        self._heartbeat: LongTaskReporter | None = None
        self._play: Any = None

    def _beat(self) -> LongTaskReporter:
        # Options are known only after __init__.
        if self._heartbeat is None:
            self._heartbeat = LongTaskReporter(
                self._display.display, float(self.get_option("after")), float(self.get_option("every"))
            )
        return self._heartbeat

    def _log_of(self, host: Any, task: Any) -> Path | None:
        """The log that a task names, templated with the host's variables."""
        name = task.get_vars().get("heartbeat_log")
        if not name:
            return None
        manager = self._play.get_variable_manager()
        variables = manager.get_vars(play=self._play, host=host, task=task)
        return Path(Templar(loader=self._play.get_loader(), variables=variables).template(name))

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Between plays nothing runs."""
        self._play = play
        self._beat().stop()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """The clock starts anew with each task."""
        self._beat().start(task.get_name())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Handlers are tasks too."""
        self._beat().start(task.get_name())

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """The task's variables are known per host, so its log is too; with several hosts the last one's is shown."""
        try:
            log = self._log_of(host, task)
        except Exception as error:  # a sign of life must never stop a run
            self._display.vvv(f"heartbeat: no log for {task.get_name()}: {error}", host=host.get_name())
            return
        if log is not None:
            self._beat().watch(log)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The run is over."""
        self._beat().close()
