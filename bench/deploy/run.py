"""One run of a playbook: how long it took, how much of that the processors worked, and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.udf.errors import BenchError
from daemons import playbook as runner
from daemons.playbook import ROOT, PlaybookRun

__all__ = ["ROOT", "Run", "run_playbook"]


@dataclass(frozen=True)
class Run:
    """What a run of a playbook took.

    Attributes:
        wall_s: seconds from start to end.
        processor_s: seconds that processors worked for Ansible and its modules, not for the engine and containers.
        tasks: tasks that ran, on all hosts.
        skipped: tasks that were skipped.
        changed: tasks that changed something.
        changes: the names of these tasks, in order, once for each host and item.
    """

    wall_s: float
    processor_s: float
    tasks: int
    skipped: int
    changed: int
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: PlaybookRun) -> Run:
        """Return what a run took, of all hosts."""
        hosts = run.recap.values()
        return cls(
            run.seconds,
            run.processor_s,
            tasks=sum(host.ok for host in hosts),
            skipped=sum(host.skipped for host in hosts),
            changed=run.changed,
            changes=tuple(task for task, status, _ in run.outcomes() if status == "changed"),
        )


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
    run = runner.run_playbook(playbook, inventory, log, *arguments)
    if run.returncode != 0:
        raise BenchError(f"{' '.join(run.command)} exited {run.returncode}. Fix: what its output says {run.tail()}")
    return Run.of(run)
