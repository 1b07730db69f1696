"""Runs a playbook as a user would, with its output in a log, and reads from the output what the playbook did."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

_HEADING = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.*)\] \*+$")
_OUTCOME = re.compile(r"^(?P<status>ok|changed|skipping|fatal|failed|rescued): \[(?P<host>[^\]\s]+)(?: -> [^\]]*)?\]")
_RECAP = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>(?:\w+=\d+\s*)+)$")
# A failed play's last words; the whole text is in the log.
_TAIL_LINES = 60
_FAILURE_LINES = 12


@dataclass(frozen=True)
class Recap:
    """What `PLAY RECAP` counts for one host."""

    ok: int = 0
    changed: int = 0
    unreachable: int = 0
    failed: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class PlaybookRun:
    """One run of ansible-playbook.

    Attributes:
        command: the words of the command line.
        returncode: 0 if every host passed.
        output: standard output and standard error, as a user sees them, without colour.
        log: the file that holds `output`.
        recap: host to counts.
        seconds: from start to end.
        processor_s: seconds that processors worked for Ansible and its modules, not for the engine and containers.
    """

    command: list[str]
    returncode: int
    output: str = field(repr=False)
    log: Path
    recap: Mapping[str, Recap] = field(default_factory=dict)
    seconds: float = 0
    processor_s: float = 0

    @property
    def changed(self) -> int:
        """Number of changed tasks on all hosts."""
        return sum(host.changed for host in self.recap.values())

    @property
    def changes(self) -> list[str]:
        """`host: task` for each task that reported a change, once for each loop item."""
        return [f"{host}: {task}" for task, status, host in self.outcomes() if status == "changed"]

    @property
    def text(self) -> str:
        """The output with all white space made single: messages are wrapped and indented on a terminal."""
        return " ".join(self.output.split())

    def outcomes(self) -> Iterator[tuple[str, str, str]]:
        """Yield each (task, status, host) in order of appearance, once for each loop item."""
        return ((task, outcome["status"], outcome["host"]) for _, task, outcome in self._outcomes())

    def _outcomes(self) -> Iterator[tuple[int, str, re.Match[str]]]:
        """Yield the number of the line, the task and the outcome for each outcome."""
        task = ""
        for number, line in enumerate(self.output.splitlines()):
            if heading := _HEADING.match(line):
                task = heading["name"]
            elif outcome := _OUTCOME.match(line):
                yield number, task, outcome

    def tail(self) -> str:
        """Return the last lines of the output, with the log that has the rest, and at the end the failures.

        What failed may be followed by a diff that is longer than what a reader is shown.
        """
        lines = self.output.splitlines()
        return "\n".join([f"(all of it: {self.log})", *lines[-_TAIL_LINES:], *self._failures()])

    def _failures(self) -> Iterator[str]:
        """Yield the first lines of each failure, after its task."""
        lines = self.output.splitlines()
        for number, task, outcome in self._outcomes():
            if outcome["status"] in ("fatal", "failed"):
                yield f"failed: {task}"
                # An empty line ends what a task has said.
                yield from takewhile(bool, lines[number : number + _FAILURE_LINES])


def recap_of(output: str) -> dict[str, Recap]:
    """Return host to counts, from the lines after `PLAY RECAP`."""
    hosts: dict[str, Recap] = {}
    _, mark, rest = output.partition("\nPLAY RECAP ")
    for line in rest.splitlines() if mark else ():
        if match := _RECAP.match(line.strip()):
            hosts[match["host"]] = Recap(
                **{name: int(count) for name, count in (pair.split("=") for pair in match["counts"].split())}
            )
    return hosts


def run_playbook(
    playbook: str, inventory: Path, log: Path, *args: str, env: Mapping[str, str] | None = None
) -> PlaybookRun:
    """Run `playbooks/<playbook>.yml` against an inventory, from the repository's root.

    Args:
        playbook: name without folder and suffix, or the path of another playbook.
        inventory: folder or file.
        log: where the output is written to, while it comes.
        args: more arguments of ansible-playbook.
        env: environment variables on top of this process's own.

    Returns:
        The run, whether it failed or not.
    """
    path = playbook if playbook.endswith(".yml") else f"playbooks/{playbook}.yml"
    command = [str(ANSIBLE_PLAYBOOK), "-i", str(inventory), path, *args]
    environment = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"} | dict(env or {})
    log.parent.mkdir(parents=True, exist_ok=True)
    worked, started = _processor_s(), time.monotonic()
    with log.open("wb") as file:
        file.write(f"$ {' '.join(command)}\n".encode())
        file.flush()
        # No terminal and no input: a prompt must be an error, not a hang.
        returncode = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    seconds, processor_s = time.monotonic() - started, _processor_s() - worked
    output = log.read_text(encoding="utf-8", errors="replace")
    return PlaybookRun(command, returncode, output, log, recap_of(output), seconds, processor_s)


def _processor_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
