from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.errors import DemoError
from demo.kapacitor import PipelineTask
from demo.stack import DeployedStack, read_stack

if TYPE_CHECKING:
    from tests.unit.demo.conftest import FakeAPI
else:
    FakeAPI = Any


class Kapacitor:
    """One task's life."""

    def __init__(self) -> None:
        self.status = "enabled"
        self.looks_until_it_executes = 2
        self.error = ""
        self.calls: list[str] = []
        self.definition: Any = {
            "template-id": "pipeline",
            "type": "stream",
            "dbrps": [{"db": "printer", "rp": "autogen"}],
            "script": "stream",
            "vars": {"window": {"type": "duration", "value": 10}},
        }

    def __call__(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if (method, path) == ("POST", "/kapacitor/v1/tasks"):
            self.status, self.definition = body["status"], body
            self.calls.append("defined")
            return 200, {}
        if path != "/kapacitor/v1/tasks/printer":
            return 404, {"error": "no task"}
        if method == "DELETE":
            self.calls.append("removed")
            return 200, {}
        executing = False
        if self.calls and self.status == "enabled":
            self.looks_until_it_executes -= 1
            executing = self.looks_until_it_executes < 0
        return 200, {**self.definition, "status": self.status, "executing": executing, "error": self.error}


@pytest.fixture
def stack(
    summary: dict[str, Any], write_summary: Callable[[dict[str, Any]], Path], tmp_path: Path, api: FakeAPI
) -> DeployedStack:
    # The task is at the second of two; the first one knows nothing of it.
    summary["kapacitor"]["urls"] = [f"{api.url}/elsewhere", api.url]
    return read_stack(write_summary(summary), "printer", tmp_path)


def test_a_restart_does_its_work_while_there_is_no_task(api: FakeAPI, stack: DeployedStack) -> None:
    api.answer = kapacitor = Kapacitor()
    PipelineTask(stack).restart(lambda: kapacitor.calls.append("work"))
    assert kapacitor.calls == ["removed", "work", "defined"]
    assert kapacitor.definition == {
        "id": "printer",
        "template-id": "pipeline",
        "type": "stream",
        "dbrps": [{"db": "printer", "rp": "autogen"}],
        "vars": {"window": {"type": "duration", "value": 10}},
        "status": "enabled",
    }
    assert kapacitor.looks_until_it_executes < 0
    assert set(api.authorizations) == {"Basic a2FwYWNpdG9yOnNlY3JldC1vZi1rYXBhY2l0b3I="}


def test_a_task_is_defined_again_if_the_work_fails(api: FakeAPI, stack: DeployedStack) -> None:
    api.answer = kapacitor = Kapacitor()

    def work() -> None:
        raise DemoError("no")

    with pytest.raises(DemoError, match="no"):
        PipelineTask(stack).restart(work)
    assert kapacitor.calls == ["removed", "defined"]


def test_a_task_that_fails_to_start_is_an_error_with_kapacitors_words(api: FakeAPI, stack: DeployedStack) -> None:
    api.answer = kapacitor = Kapacitor()
    kapacitor.error = "keepalive timedout"
    with pytest.raises(DemoError, match="keepalive timedout"):
        PipelineTask(stack).restart(lambda: None)
    assert "keepalive timedout" in PipelineTask(stack).trouble()


def test_a_task_that_nobody_has_is_an_error(api: FakeAPI, stack: DeployedStack) -> None:
    with pytest.raises(DemoError, match="No Kapacitor has a task 'printer'"):
        PipelineTask(stack)


def test_a_wrong_password_is_an_error(api: FakeAPI, stack: DeployedStack) -> None:
    api.answer = lambda method, path, query, body: (401, {"error": "unauthorized"})
    with pytest.raises(DemoError, match=r"401: .*unauthorized"):
        PipelineTask(stack)
