"""Callback plugin that reports long tasks while they run.

Ansible prints nothing while a task runs. Once a task has taken long, this plugin prints one line every few seconds,
with the last line of the log file that the task names in its variable ``heartbeat_log``. A condition variable wakes one
thread, which starts with the first task and ends with the run.
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
short_description: Report long tasks while they run
description:
  - When a task has run for O(after) seconds, the plugin prints a line with the task's name and its duration every
    O(every) seconds.
  - If a task's vars name a file as C(heartbeat_log), the line also has the last line of that file on the controller.
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

# The plugin reads only the end of a log, and shows only what fits a terminal.
TAIL_BYTES = 8192
LINE_CHARACTERS = 160


def last_line(path: Path) -> str:
    """Return the last line of a text file with printable characters, or an empty string.

    Carriage returns end lines, as progress bars redraw with them. Control characters are dropped, and a line is cut to
    160 characters.
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
    """Return what changes when a file is written to; None if the file does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def duration(seconds: float) -> str:
    """Return seconds as people write them: ``45 s``, ``3 min 05 s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class LongTaskReporter:
    """Calls a function with a line of text while a task runs long.

    Args:
        say: receives each line.
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
        """Note that a task begins, and that the task before it has ended."""
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
        """Name the log of the running task. An earlier task wrote the log's present content."""
        with self._changed:
            self._log, self._old = log, stamp(log)

    def stop(self) -> None:
        """Note that the task ended, and that nothing runs until the next ``start``."""
        with self._changed:
            self._name = None
            self._changed.notify()

    def close(self) -> None:
        """End the thread, and wait for it."""
        with self._changed:
            self._ending = True
            self._name = None
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def line(self) -> str:
        """Return the line for the running task."""
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
    """Translates Ansible's events into starts and stops."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "heartbeat"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: Any = None, options: Any = None) -> None:
        super().__init__(display=display, options=options)
        self._reporter: LongTaskReporter | None = None
        self._play: Any = None

    def _long_tasks(self) -> LongTaskReporter:
        # Options are known only after __init__.
        if self._reporter is None:
            self._reporter = LongTaskReporter(
                self._display.display, float(self.get_option("after")), float(self.get_option("every"))
            )
        return self._reporter

    def _log_of(self, host: Any, task: Any) -> Path | None:
        """Return the path of the log that a task names, templated with the host's variables."""
        name = task.get_vars().get("heartbeat_log")
        if not name:
            return None
        manager = self._play.get_variable_manager()
        variables = manager.get_vars(play=self._play, host=host, task=task)
        return Path(Templar(loader=self._play.get_loader(), variables=variables).template(name))

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Stop, as nothing runs between plays."""
        self._play = play
        self._long_tasks().stop()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Start the clock for a task."""
        self._long_tasks().start(task.get_name())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Start the clock for a handler's task."""
        self._long_tasks().start(task.get_name())

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Watch the log of the task on this host. With several hosts the last one's log is shown."""
        try:
            log = self._log_of(host, task)
        except Exception as error:  # a sign of life must never stop a run
            self._display.vvv(f"heartbeat: no log for {task.get_name()}: {error}", host=host.get_name())
            return
        if log is not None:
            self._long_tasks().watch(log)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """End the reporter with the run."""
        self._long_tasks().close()
