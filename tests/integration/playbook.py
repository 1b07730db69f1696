"""Runs a playbook as a user would, and asserts what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemons import playbook as runner
from daemons.playbook import ANSIBLE_PLAYBOOK, ROOT, PlaybookRun

__all__ = ["ANSIBLE_PLAYBOOK", "ROOT", "RUN_TIMES", "PlayResult", "run_playbook"]


@dataclass(frozen=True)
class PlayResult(PlaybookRun):
    """One run of ansible-playbook, with what tests assert of it."""

    def succeeded(self) -> PlayResult:
        """Itself, after asserting that every host passed."""
        __tracebackhide__ = True
        assert self.returncode == 0, f"{' '.join(self.command)} exited {self.returncode}\n{self.tail()}"
        return self

    def unchanged(self) -> PlayResult:
        """Itself, after asserting that every host passed and nothing changed anywhere."""
        __tracebackhide__ = True
        self.succeeded()
        assert self.changed == 0, f"{' '.join(self.command)} changed {self.changes}\n{self.tail()}"
        return self

    def refused(self, *words: str) -> PlayResult:
        """Itself, after asserting that it failed with a message that has all `words` (letter case does not count)."""
        __tracebackhide__ = True
        assert self.returncode != 0, f"{' '.join(self.command)} passed\n{self.tail()}"
        text = self.text.lower()
        missing = [word for word in words if " ".join(word.split()).lower() not in text]
        assert not missing, f"{' '.join(self.command)} failed without saying {missing}\n{self.tail()}"
        assert "traceback (most recent call last)" not in text, self.tail()
        return self


RUN_TIMES: list[str] = []
"""A line for each run of this session, in order: how long it took, whose it was, and its arguments.

Waits until a stack is at rest are among them.
"""


def run_playbook(
    playbook: str, inventory: Path, log: Path, *args: str, env: Mapping[str, str] | None = None
) -> PlayResult:
    """Runs a playbook as `daemons.playbook.run_playbook` does, and notes how long it took."""
    result = PlayResult(**vars(runner.run_playbook(playbook, inventory, log, *args, env=env)))
    RUN_TIMES.append(f"{result.seconds:6.1f} s  {log.parent.name}  {' '.join(result.command[3:])}"[:120])
    return result
