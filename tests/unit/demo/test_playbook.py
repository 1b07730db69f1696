import io
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from demo import playbook
from demo.errors import DemoError

FAILED = """\
PLAY [Prepare the hosts] *******************************************************

TASK [docker : Look for an engine] *********************************************
fatal: [localhost]: FAILED! => {"msg": "none"}
...ignoring

TASK [images : Build kapacitor] ************************************************
… still running after 20 s: Build kapacitor: step 3 (log: build.log)
[ERROR]: PipelineTask failed: the disk is full
fatal: [localhost]: FAILED! =>
    msg: the disk is full

PLAY RECAP *********************************************************************
localhost                  : ok=5    changed=2    unreachable=0    failed=1    skipped=0    rescued=0    ignored=1
""".splitlines()


def test_plays_tasks_and_signs_of_life_are_news() -> None:
    assert [text for line in FAILED if (text := playbook.news(line))] == [
        "Prepare the hosts",
        "docker : Look for an engine",
        "images : Build kapacitor",
        "… still running after 20 s: Build kapacitor: step 3 (log: build.log)",
    ]


def test_changes_are_summed_over_hosts() -> None:
    recap = [*FAILED, "other : ok=1 changed=3 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0"]
    assert playbook.changed_tasks(recap) == 5


def test_the_excerpt_is_the_task_that_failed_not_one_that_was_ignored() -> None:
    shown = playbook.excerpt(FAILED)
    assert shown[0].startswith("TASK [images : Build kapacitor]")
    assert any("the disk is full" in line for line in shown)
    assert not any("RECAP" in line or "Look for an engine" in line for line in shown)


def test_without_a_failed_task_the_end_is_shown() -> None:
    assert playbook.excerpt(["ERROR: no such playbook"]) == ["ERROR: no such playbook"]
    assert playbook.excerpt([]) == []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for ansible-playbook; what it does is written by the test."""
    path = tmp_path / "ansible-playbook"
    monkeypatch.setattr(playbook, "ansible", lambda name: str(path))
    return path


def script(path: Path, body: str) -> None:
    path.write_text(f"#!{sys.executable}\nimport os, sys\n{body}", encoding="utf-8")
    path.chmod(0o755)


def test_output_goes_to_the_log_and_news_to_the_console(program: Path, tmp_path: Path) -> None:
    script(
        program,
        'print("TASK [a : b] ***\\nTASK [a : c] ***"); print("ok: [x]"); print(sys.argv[1:])\n'
        'print("h : ok=1 changed=4 unreachable=0 failed=0")',
    )
    console = Console(record=True, width=140, file=io.StringIO())
    log = tmp_path / "logs" / "demo.log"
    inventory = tmp_path / "inventory"
    changed = playbook.run_playbook(console, tmp_path, "p.yml", inventory, log, {"list": ["a"]})
    assert changed == 4
    assert "['-i', '" in log.read_text(encoding="utf-8")
    assert '{"list": ["a"]}' in log.read_text(encoding="utf-8")
    shown = console.export_text()
    assert [line.strip() for line in shown.splitlines()] == ["a"], "a role is named once"


def test_a_failure_shows_what_failed_and_where_the_log_is(program: Path, tmp_path: Path) -> None:
    script(program, f"print({chr(10).join(FAILED)!r}); sys.exit(2)")
    console = Console(width=140, file=io.StringIO())
    with pytest.raises(DemoError) as raised:
        playbook.run_playbook(console, tmp_path, "p.yml", tmp_path, tmp_path / "demo.log", {})
    assert "p.yml failed (the whole log: demo.log)" in str(raised.value)
    assert "the disk is full" in str(raised.value)


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ('{"_meta": {"hostvars": {"a": {"stack_name": "x"}, "b": {"stack_name": "x"}, "c": {}}}}', "x"),
        ('{"_meta": {"hostvars": {"a": {}}}}', None),
    ],
)
def test_the_stack_is_named_by_the_inventory(program: Path, tmp_path: Path, listed: str, name: str | None) -> None:
    script(program, f"print({listed!r})")
    assert playbook.inventory_stack_name(tmp_path, tmp_path) == name


def test_an_inventory_of_two_stacks_is_refused(program: Path, tmp_path: Path) -> None:
    script(program, """print('{"_meta": {"hostvars": {"a": {"stack_name": "x"}, "b": {"stack_name": "y"}}}}')""")
    with pytest.raises(DemoError, match="several stacks: x, y"):
        playbook.inventory_stack_name(tmp_path, tmp_path)


def test_an_inventory_that_does_not_parse_is_an_error(program: Path, tmp_path: Path) -> None:
    script(program, "print('no inventory was parsed', file=sys.stderr); sys.exit(1)")
    with pytest.raises(DemoError, match="no inventory was parsed"):
        playbook.inventory_stack_name(tmp_path, tmp_path)


def test_sudos_password_goes_through_a_pipe_only(program: Path, tmp_path: Path) -> None:
    script(program, "print(sys.argv[1:], dict(os.environ)); print(len(sys.stdin.read()))")
    log = tmp_path / "demo.log"
    console = Console(width=140, file=io.StringIO())
    playbook.run_playbook(console, tmp_path, "p.yml", tmp_path, log, {}, become_password="secret-1")
    shown = log.read_text(encoding="utf-8")
    assert shown.endswith("\n8\n")
    assert "'--become-password-file', '-'" in shown
    assert "secret-1" not in shown


def test_who_needs_it_is_told_how(program: Path, tmp_path: Path) -> None:
    script(
        program, "print('TASK [a : b] *'); print('fatal: [h]: FAILED! => sudo: a password is required'); sys.exit(2)"
    )
    with pytest.raises(DemoError, match="make demo ARGS=-K"):
        playbook.run_playbook(Console(file=io.StringIO()), tmp_path, "p.yml", tmp_path, tmp_path / "demo.log", {})


def test_ansible_does_not_outlive_the_demonstration(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(program, "import signal; print('TASK [a : b] *', os.getpid(), flush=True); signal.pause()")
    monkeypatch.setattr(playbook, "_ENDS_BY_ITSELF_S", 0.01)
    console = Console(file=io.StringIO())

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(console, "print", interrupted)
    log = tmp_path / "demo.log"
    with pytest.raises(KeyboardInterrupt):
        playbook.run_playbook(console, tmp_path, "p.yml", tmp_path, log, {})
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text(encoding="utf-8").split()[-1]), 0)
