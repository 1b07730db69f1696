"""bench.deploy, as far as it goes without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from rich.console import Console

from bench.deploy import cli
from bench.deploy.report import print_report, report
from bench.deploy.run import ROOT, Run, run_playbook
from bench.deploy.stack import SERVICES, BenchStack, free_ports
from bench.udf.errors import BenchError
from daemons.playbook import PlaybookRun, recap_of

TEMPLATE = ROOT / "inventory" / "local"
NO_OP = Run(wall_s=20.0, processor_s=16.0, tasks=100, skipped=50, changed=0)
CHANGE = Run(30.0, 20.0, tasks=101, skipped=49, changed=2, changes=cli.PIPELINE_CHANGES)
OTHER = Run(30.0, 20.0, tasks=101, skipped=49, changed=2, changes=(cli.PIPELINE_CHANGES[0], "kapacitor : Restart"))
OUTPUT = """
TASK [say : no recap : ok=9] ****
ok: [host-a]

TASK [pipelines : tasks | Ensure the task of each pipeline, and no others of this stack] ***
changed: [host-a] => (item=printer)

TASK [summary : Record the summary on the controller] ***
changed: [host-a]

PLAY RECAP *********
host-a                     : ok=140  changed=2    unreachable=0    failed=0    skipped=61   rescued=0    ignored=0
host-b                     : ok=3    changed=0    unreachable=0    failed=0    skipped=1    rescued=0    ignored=0
"""


def variables(stack: BenchStack, name: str) -> dict[str, object]:
    text = (stack.inventory / "group_vars" / "all" / f"{name}.yml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def test_a_run_counts_the_tasks_of_all_hosts_and_names_those_that_changed() -> None:
    took = PlaybookRun([], 0, OUTPUT, Path("log"), recap_of(OUTPUT), seconds=20, processor_s=16)
    assert Run.of(took) == Run(20, 16, tasks=143, skipped=62, changed=2, changes=cli.PIPELINE_CHANGES)


def test_a_failed_playbook_ends_the_benchmark_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = PlaybookRun(["ansible-playbook"], 2, "fatal: [here]: it says why", tmp_path / "log")
    monkeypatch.setattr("daemons.playbook.run_playbook", lambda *_: failed)
    with pytest.raises(BenchError, match=r"exited 2[.] Fix: .*\n.*it says why"):
        run_playbook("site", tmp_path, tmp_path / "log")


def test_the_tasks_that_a_changed_pipeline_changes_are_there() -> None:
    for name in cli.PIPELINE_CHANGES:
        role, _, task = name.partition(" : ")
        assert any(f"- name: {task}\n" in path.read_text() for path in (ROOT / "roles" / role / "tasks").glob("*.yml"))


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_stack_has_its_own_name_ports_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (variables(BenchStack(tmp_path / name, TEMPLATE), "stack") for name in ("a", "b"))
    shared = {key for key, value in first.items() if second[key] == value}
    assert not shared - {f"{service}_port" for service in SERVICES}
    assert first["stack_dir"] == str(tmp_path / "a" / "stack")


def test_generated_secrets_are_not_copied(tmp_path: Path) -> None:
    template = tmp_path / "template"
    (template / "secrets" / "anomaly").mkdir(parents=True)
    (template / "group_vars" / "all").mkdir(parents=True)
    assert not (BenchStack(tmp_path, template).inventory / "secrets").exists()


def test_each_change_of_a_pipeline_differs_from_the_one_before(tmp_path: Path) -> None:
    stack = BenchStack(tmp_path, TEMPLATE)
    seen = []
    for _ in range(2):
        stack.change_pipeline()
        pipelines = variables(stack, "pipelines")["pipelines"]
        assert isinstance(pipelines, list)
        seen.append(pipelines[0]["periods"]["open"])
    assert seen == [76, 77]


def test_ratios_are_to_a_run_with_nothing_to_do() -> None:
    result = report({"no_op": [NO_OP], "pipeline": [CHANGE]}, {"machine": "of the test"})
    assert result["rows"]["pipeline"]["wall_s_by_no_op"] == 1.5
    assert result["rows"]["pipeline"]["processor_s_by_no_op"] == 1.25
    assert result["rows"]["no_op"]["wall_s_by_no_op"] == 1
    assert result["machine"] == "of the test"


def test_a_number_is_the_median_of_its_runs() -> None:
    slow = Run(wall_s=90.0, processor_s=17.0, tasks=100, skipped=50, changed=0)
    result = report({"no_op": [slow, NO_OP, NO_OP]}, {})
    assert result["rows"]["no_op"]["wall_s"] == 20
    assert len(result["samples"]["no_op"]) == 3


def test_the_target_of_many_new_pipelines_is_told_where_they_were_measured() -> None:
    slow = Run(90.5, 16.0, 100, 50, 0)
    result = report({"no_op": [NO_OP], "more": [slow]}, {})
    assert [(target["what"], target["reached"]) for target in result["targets"]] == [
        ("no_op: wall_s", True),
        ("more: wall_s", False),
    ]


@pytest.mark.parametrize(("wall_s", "verdict"), [(25.0, "reached"), (25.1, "missed")])
def test_the_target_is_told(wall_s: float, verdict: str) -> None:
    result = report({"no_op": [Run(wall_s, 16.0, 100, 50, 0)]}, {})
    console = Console(width=120, record=True)
    print_report(console, result)
    assert verdict in console.export_text()


def test_the_numbers_fit_into_a_narrow_terminal() -> None:
    first = Run(1234.5, 1234.5, tasks=122, skipped=54, changed=15)
    console = Console(width=100, record=True)
    print_report(console, report({"first": [first], "no_op": [NO_OP], "pipeline": [CHANGE]}, {}))
    text = console.export_text()
    assert "…" not in text
    assert "1234.5" in text
    assert "61.73" in text


@pytest.mark.parametrize("runs", ["0", "-1", "many"])
def test_a_number_of_runs_that_is_none_is_refused(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main([f"--runs={runs}"])
    assert exit_.value.code == 2
    assert f"'{runs}' is not a number of runs. Fix: 1 or more" in capsys.readouterr().err


class Playbooks:
    """Stands in for Ansible: `results` are those of site.yml, in order; it keeps with how many pipelines."""

    def __init__(self, results: list[Run]) -> None:
        self.results = results
        self.called: list[str] = []
        self.pipelines: list[int] = []

    def __call__(self, playbook: str, inventory: Path, log: Path, arguments: object = ()) -> Run:
        self.called.append(playbook)
        if playbook == "site":
            text = (inventory / "group_vars" / "all" / "pipelines.yml").read_text(encoding="utf-8")
            pipelines = yaml.safe_load(text)["pipelines"]
            assert len({pipeline["name"] for pipeline in pipelines}) == len(pipelines)
            self.pipelines.append(len(pipelines))
        return self.results.pop(0) if playbook == "site" else NO_OP


def test_the_stack_is_deployed_changed_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    playbooks = Playbooks([CHANGE, NO_OP, NO_OP, *[CHANGE] * 7])
    monkeypatch.setattr(cli, "run_playbook", playbooks)
    measured = cli.measure(BenchStack(tmp_path, TEMPLATE), 2, Console())
    assert {row: len(runs) for row, runs in measured.items()} == {
        "first": 1,
        "no_op": 2,
        "pipeline": 2,
        "more": 2,
        "fewer": 2,
    }
    # Between the two runs of `more` the stack has one pipeline again.
    assert playbooks.called == ["images", *["site"] * 10, "teardown"]
    assert playbooks.pipelines == [1, 1, 1, 1, 1, 26, 5, 1, 26, 5]


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([CHANGE, CHANGE], id="a run with nothing to do changes something"),
        pytest.param([CHANGE, NO_OP, NO_OP], id="a changed pipeline changes nothing"),
        pytest.param([CHANGE, NO_OP, OTHER], id="a changed pipeline changes another task"),
    ],
)
def test_a_row_that_measures_something_else_fails_and_the_stack_is_removed(
    results: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    playbooks = Playbooks(results)
    monkeypatch.setattr(cli, "run_playbook", playbooks)
    with pytest.raises(BenchError, match="Fix: "):
        cli.measure(BenchStack(tmp_path, TEMPLATE), 1, Console())
    assert playbooks.called[-1] == "teardown"
