"""What daemons.playbook reads from the output of ansible-playbook."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemons import playbook
from daemons.playbook import PlaybookRun, Recap, recap_of, run_playbook

OUTPUT = """
TASK [say : no recap : ok=9] ****
ok: [host-a]

TASK [pipelines : tasks | Ensure the task of each pipeline] ***
changed: [host-a] => (item=printer)
ok: [host-a] => (item=oven)

RUNNING HANDLER [kapacitor : Restart Kapacitor] ***
skipping: [host-a]
changed: [host-b -> localhost]

PLAY RECAP *********
host-a                     : ok=140  changed=1    unreachable=0    failed=0    skipped=61   rescued=0    ignored=0
host-b                     : ok=3    changed=1    unreachable=0    failed=0    skipped=1    rescued=0    ignored=0
"""


def test_the_recap_counts_each_host() -> None:
    assert recap_of(OUTPUT) == {
        "host-a": Recap(ok=140, changed=1, skipped=61),
        "host-b": Recap(ok=3, changed=1, skipped=1),
    }
    assert recap_of("the run ended before its recap: ok=1") == {}


def test_changes_are_named_by_host_and_task() -> None:
    run = PlaybookRun([], 0, OUTPUT, Path("log"), recap_of(OUTPUT))
    assert run.changed == 2
    assert run.changes == [
        "host-a: pipelines : tasks | Ensure the task of each pipeline",
        "host-b: kapacitor : Restart Kapacitor",
    ]


def test_the_tail_ends_with_what_failed() -> None:
    """Not with the diff behind it."""
    failure = ["fatal: [host-a]: FAILED! => ", "    changed: false", "    msg: no", *["    more: 1"] * 20]
    diff = ["--- before", *["+ line"] * 100]
    text = "\n".join(["TASK [pipelines : Ensure tasks] ***", "ok: [host-b]", *failure, *diff, OUTPUT])

    tail = PlaybookRun([], 2, text, Path("site.log")).tail().splitlines()

    assert tail[0] == "(all of it: site.log)"
    assert OUTPUT.strip().splitlines()[-1] in tail
    assert tail[-13:-9] == ["failed: pipelines : Ensure tasks", *failure[:3]]
    assert tail.count("    more: 1") == 9


def test_the_output_is_in_the_log_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ansible-playbook"
    program.write_text("#!/bin/sh\necho to stdout $ANSIBLE_NOCOLOR $MORE; echo to stderr >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(playbook, "ANSIBLE_PLAYBOOK", program)

    run = run_playbook("site", Path("inventory/x"), tmp_path / "logs" / "site.log", "--check", env={"MORE": "more"})

    assert run.returncode == 3
    assert run.command[1:] == ["-i", "inventory/x", "playbooks/site.yml", "--check"]
    assert run.output.splitlines() == [f"$ {' '.join(run.command)}", "to stdout 1 more", "to stderr"]
    assert (tmp_path / "logs" / "site.log").read_text() == run.output
    assert run.seconds > 0
