"""Runs jobs of one kind, trainings or catch-ups, one at a time, each in a process of its own.

So the keeper goes on looking meanwhile, the memory of a job is free afterwards, and a job that fails harms nobody. Jobs
give way to what serves: their priority is low. A job that hangs is ended after a time, and the next one gets its turn.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# As nice(2) has it: a job gets what others leave.
_PRIORITY = 10


@dataclass(frozen=True, slots=True)
class Job:
    """A command of `anomaly`.

    Attributes:
        name: the pipeline's name; a pipeline has one job at a time.
        command: the words of the command line.
        done: is called with the exit code, the last line of JSON that the command printed (an empty dictionary without
            one), and how many seconds it took.
    """

    name: str
    command: Sequence[str]
    done: Callable[[int, dict[str, Any], float], None]


class Jobs:
    """The job that runs, and the jobs that wait.

    Args:
        limit_s: how many seconds a job may take; one that takes longer is ended, and has failed.
        say: gets each line for people.
    """

    def __init__(self, limit_s: float, say: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._say = say
        self._waiting: list[Job] = []
        self._running: tuple[Job, subprocess.Popen[bytes], float] | None = None
        # A file, because a pipe that nobody reads would fill up.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (`end` closes it)

    def add(self, job: Job) -> bool:
        """Let a job wait for its turn; return whether it was not there yet."""
        if job.name in self.names:
            return False
        self._waiting.append(job)
        return True

    @property
    def names(self) -> set[str]:
        """The names of what runs and what waits."""
        running = {self._running[0].name} if self._running is not None else set()
        return running | {job.name for job in self._waiting}

    def look(self) -> None:
        """Hand on the outcome of a job that has ended, and start the next one."""
        if self._running is not None:
            job, process, started_s = self._running
            if process.poll() is None:
                if time.monotonic() - started_s < self._limit_s:
                    return
                # A process that hangs may not heed a request to end.
                process.kill()
                process.wait()
                words = " ".join(job.command)
                self._say(f"{job.name}: {words} has not ended within {self._limit_s:.0f} s, and was ended")
            elif process.returncode < 0:
                # It could not say so itself.
                self._say(
                    f"{job.name}: {' '.join(job.command)} was killed by signal {-process.returncode}, and is repeated; "
                    "if the kernel did it for want of memory, raise keeper_memory"
                )
            self._running = None
            job.done(process.returncode, self._answer(), time.monotonic() - started_s)
        if self._waiting:
            job = self._waiting.pop(0)
            self._output.seek(0)
            self._output.truncate()
            process = subprocess.Popen(job.command, stdout=self._output)  # noqa: S603 (our own program and arguments)
            os.setpriority(os.PRIO_PROCESS, process.pid, _PRIORITY)
            self._running = job, process, time.monotonic()

    def end(self) -> None:
        """End the job that runs, and forget those that wait."""
        self._waiting.clear()
        if self._running is not None:
            _, process, _ = self._running
            process.terminate()
            process.wait()
            self._running = None
        self._output.close()

    def _answer(self) -> dict[str, Any]:
        self._output.seek(0)
        for line in reversed(self._output.read().decode(errors="replace").splitlines()):
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            if isinstance(answer, dict):
                return answer
        return {}
