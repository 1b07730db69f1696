"""One run of a playbook: how long it took, how much of that the processors worked, and what it did."""

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.udf.errors import BenchError

ROOT = Path(__file__).resolve().parents[2]
_ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
_HEADING = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.*)\] \*+$")
_CHANGED = re.compile(r"^changed: \[")
_RECAP = re.compile(r"^\S+\s+: (?P<counts>(?:\w+=\d+\s*)+)$", re.MULTILINE)
_TAIL_LINES = 30


@dataclass(frozen=True)
class Run:
    """What a run of a playbook took.

    Attributes:
        wall_s: seconds from start to end.
        processor_s: seconds that processors worked for Ansible and its modules, not for the engine and containers.
        tasks: tasks that ran, on all hosts.
        skipped: tasks that were skipped.
        changed: tasks that changed something.
        changes: the names of these tasks, in order.
    """

    wall_s: float
    processor_s: float
    tasks: int
    skipped: int
    changed: int
    changes: tuple[str, ...] = ()


def run_playbook(playbook: str, inventory: Path, log: Path, arguments: Sequence[str] = ()) -> Run:
    """Run a playbook of the repository.

    Args:
        playbook: name without folder and suffix.
        inventory: folder of the inventory.
        log: file that the output is written to.
        arguments: more arguments of ansible-playbook.

    Returns:
        What the run took.

    Raises:
        BenchError: the playbook failed.
    """
    command = [str(_ANSIBLE_PLAYBOOK), "-i", str(inventory), f"playbooks/{playbook}.yml", *arguments]
    environment = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    log.parent.mkdir(parents=True, exist_ok=True)
    worked, started = _processor_s(), time.monotonic()
    with log.open("wb") as file:
        status = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    wall_s, processor_s = time.monotonic() - started, _processor_s() - worked
    output = log.read_text(encoding="utf-8", errors="replace")
    if status != 0:
        end = "\n".join(output.splitlines()[-_TAIL_LINES:])
        raise BenchError(
            f"{' '.join(command)} exited {status}. Fix: what its output says ({log} has all of it):\n{end}"
        )
    return Run(wall_s, processor_s, *counts(output), changes(output))


def counts(output: str) -> tuple[int, int, int]:
    """Return how many tasks ran, were skipped, and changed something, from the lines after `PLAY RECAP`."""
    totals = {"ok": 0, "skipped": 0, "changed": 0}
    for recap in _RECAP.finditer(output.partition("\nPLAY RECAP ")[2]):
        for name, count in (pair.split("=") for pair in recap["counts"].split()):
            if name in totals:
                totals[name] += int(count)
    return totals["ok"], totals["skipped"], totals["changed"]


def changes(output: str) -> tuple[str, ...]:
    """Return the names of tasks that changed something, in order, once for each host and item."""
    names, task = [], ""
    for line in output.splitlines():
        if heading := _HEADING.match(line):
            task = heading["name"]
        elif _CHANGED.match(line):
            names.append(task)
    return tuple(names)


def _processor_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
