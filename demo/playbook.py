"""Runs ansible-playbook, with its output in a log and a short live line on the terminal."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from demo.errors import DemoError

_TASK = re.compile(r"^(TASK|RUNNING HANDLER|PLAY) \[(.*)\]")
_ALIVE = re.compile(r"^… still running")
_TROUBLE = re.compile(r"^(fatal:|failed:|\[ERROR\]|ERROR!)")
_RECAP = re.compile(r"^(\S+)\s*: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")
_ASKED = re.compile(r"(?i)sudo: a password is required|missing sudo password")
_EXCERPT_LINES = 60
_ENDS_BY_ITSELF_S = 5.0


def news(line: str) -> str | None:
    """Return the part of a line that is shown at once.

    Returns:
        The name of a play or task that starts, or a sign of life; None for any other line.
    """
    started = _TASK.match(line)
    if started:
        return started[2]
    return line if _ALIVE.match(line) else None


def changed_tasks(lines: Iterable[str]) -> int:
    """Return how many tasks changed something on all hosts, as the recap of a run's output says."""
    return sum(int(match[3]) for match in map(_RECAP.match, lines) if match)


def excerpt(lines: Sequence[str]) -> list[str]:
    """Return the task that failed last in a run's output, with its message; the last lines if no task failed."""
    end = next((index for index, line in enumerate(lines) if line.startswith("PLAY RECAP")), len(lines))
    troubles = [
        index
        for index, line in enumerate(lines[:end])
        if _TROUBLE.match(line) and "...ignoring" not in lines[index + 1 : index + 2]
    ]
    if not troubles:
        return list(lines[-_EXCERPT_LINES:])
    # Tasks that failed before the last one may have been rescued or ignored.
    starts = [index for index in range(troubles[-1]) if _TASK.match(lines[index])]
    return list(lines[starts[-1] if starts else 0 : end][:_EXCERPT_LINES])


def ansible(program: str) -> str:
    """Return the path of an Ansible program, beside this interpreter or else on PATH.

    Raises:
        DemoError: it is not installed.
    """
    beside = Path(sys.executable).parent / program
    path = str(beside) if beside.exists() else shutil.which(program)
    if not path:
        raise DemoError(f"{program} is not installed beside {sys.executable}. Fix: scripts/bootstrap, then make demo")
    return path


def inventory_stack_name(root: Path, inventory: Path) -> str | None:
    """Return the inventory's ``stack_name``; None if the inventory does not set it.

    Raises:
        DemoError: the inventory cannot be read, or sets several names.
    """
    names = {str(variables["stack_name"]) for variables in _hosts(root, inventory) if "stack_name" in variables}
    if len(names) > 1:
        raise DemoError(f"--inventory {inventory}: holds several stacks: {', '.join(sorted(names))}. Fix: one of them")
    return names.pop() if names else None


def inventory_variable(root: Path, inventory: Path, name: str) -> Any:
    """Return a variable of the inventory as its first host has it, without templates replaced; None if no host has it.

    Raises:
        DemoError: the inventory cannot be read.
    """
    return next((variables[name] for variables in _hosts(root, inventory) if name in variables), None)


def _hosts(root: Path, inventory: Path) -> list[dict[str, Any]]:
    """Return the variables of each host of an inventory. Raises DemoError if the inventory cannot be read."""
    listed = subprocess.run(  # noqa: S603 (our own program and arguments)
        [ansible("ansible-inventory"), "-i", str(inventory), "--list"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise DemoError(f"--inventory {inventory}: {listed.stderr.strip()}")
    return list(json.loads(listed.stdout).get("_meta", {}).get("hostvars", {}).values())


def run_playbook(
    console: Console,
    root: Path,
    playbook: str,
    inventory: Path,
    log: Path,
    variables: Mapping[str, Any],
    become_password: str | None = None,
    verbose: bool = False,
) -> int:
    """Run a playbook.

    Args:
        console: shows how far the playbook is.
        root: the repository.
        playbook: the playbook's path below it.
        inventory: the inventory.
        log: the file that gets the whole output.
        variables: extra variables.
        become_password: sudo's password on the managed hosts; it goes through a pipe.
        verbose: whether to print the output as it is, in place of a live line.

    Returns:
        How many tasks changed something.

    Raises:
        DemoError: it failed; the message holds the end of its output.
    """
    command = [ansible("ansible-playbook"), "-i", str(inventory), playbook]
    if variables:
        command += ["--extra-vars", json.dumps(variables)]
    if become_password is not None:
        command += ["--become-password-file", "-"]
    log.parent.mkdir(parents=True, exist_ok=True)
    shown = log.relative_to(root) if log.is_relative_to(root) else log
    # This module reads the output, so its form must not depend on ansible.cfg; a log has no colours.
    environment = os.environ | {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(  # noqa: S603 (our own program and arguments)
            command,
            cwd=root,
            stdin=subprocess.DEVNULL if become_password is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
        ) as process,
    ):
        if process.stdin is not None and become_password is not None:
            process.stdin.write(become_password)
            process.stdin.close()
        try:
            _follow(console, _logged(process.stdout or (), file), verbose, str(shown))
        except BaseException:
            _end(process)
            raise
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if process.returncode != 0:
        message = "\n".join(excerpt(lines)).strip()
        hint = "\nFix: let it ask for sudo's password: make demo ARGS=-K" if _ASKED.search(message) else ""
        raise DemoError(f"{playbook} failed (the whole log: {shown}):\n{message}{hint}")
    return changed_tasks(lines)


def _end(process: "subprocess.Popen[str]") -> None:
    """End Ansible. Ctrl-C reaches it, too, and it ends by itself; after other exceptions it must be terminated."""
    try:
        process.wait(_ENDS_BY_ITSELF_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()


def _logged(lines: Iterable[str], log: TextIO) -> Iterator[str]:
    """Yield the lines without their ends, and write them to the log at once."""
    for line in lines:
        log.write(line)
        log.flush()
        yield line.rstrip("\n")


def _outline(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines for a log: one for each play, each role that begins and each sign of life, and none for tasks."""
    role = ""
    for line in lines:
        text = news(line)
        if text is None:
            continue
        if line.startswith("PLAY ["):
            role = ""
        elif line.startswith(("TASK [", "RUNNING HANDLER [")):
            name, colon, _ = text.partition(" : ")
            if not colon or name == role:
                continue
            role, text = name, name
        yield f"    {text}"


def _follow(console: Console, lines: Iterable[str], verbose: bool, log: str) -> None:
    """Show the lines as they come: all of them, an outline, or on a terminal one live line."""
    if verbose or not console.is_terminal:
        for shown in lines if verbose else _outline(lines):
            console.print(shown, markup=False, highlight=False, soft_wrap=True)
        return
    with Progress(
        SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=console, transient=True
    ) as live:
        task = live.add_task(f"starting [dim](log: {log})[/dim]", total=None)
        for line in lines:
            text = news(line)
            if text is not None:
                live.update(task, description=f"{escape(text)} [dim](log: {log})[/dim]")
