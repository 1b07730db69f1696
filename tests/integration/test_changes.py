"""A stack that runs and is changed: what follows, and what must not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.data import STREAM_END, ns, write_rooms
from tests.integration.results import Results, model_files, read
from tests.integration.stack import Stack
from tests.integration.waiting import wait_for

# A task of the user's own, beside those of the pipelines.
OWN_TASK = "stream|from().database('printer').measurement('temperature')|log()"


@contextmanager
def pipeline(stack: Stack, name: str, **changes: Any) -> Iterator[dict[str, Any]]:
    """A pipeline of the inventory with some keys changed, for a while."""
    entry = next(entry for entry in stack.pipelines if entry["name"] == name)
    before = dict(entry)
    entry.update(changes)
    try:
        yield entry
    finally:
        entry.clear()
        entry.update(before)


@contextmanager
def variables(stack: Stack, **changes: Any) -> Iterator[None]:
    """Variables of the inventory, for a while."""
    before = dict(stack.variables)
    stack.variables |= changes
    try:
        yield
    finally:
        stack.variables = before


@pytest.fixture(autouse=True)
def as_before(stack: Stack, results: Results) -> Iterator[None]:
    """Each test begins and ends with the stack as it was deployed at first."""
    yield
    stack.play("site").succeeded()
    tasks = stack.kapacitor().tasks()
    assert {name: task["executing"] for name, task in tasks.items() if name in ("printer", "rooms")} == {
        "printer": True,
        "rooms": True,
    }


def test_a_changed_pipeline_redefines_its_task_and_restarts_nothing(stack: Stack) -> None:
    containers, tasks = stack.incarnations(), stack.kapacitor().tasks()
    with pipeline(stack, "rooms", periods={"open": 71, "close": 50}):
        dry_run = stack.play("site", "--check", "--diff").succeeded()
        assert dry_run.changed == 1, dry_run.changes
        assert '"open":71' in dry_run.output.replace(" ", ""), "--diff shows the new script"
        assert _definitions(stack) == {name: _definition(task) for name, task in tasks.items()}
        assert stack.play("site").succeeded().changed == 1
    after = stack.kapacitor().tasks()
    assert after["rooms"]["script"] != tasks["rooms"]["script"]
    assert after["rooms"]["executing"]
    assert _definition(after["printer"]) == _definition(tasks["printer"])
    assert stack.incarnations() == containers


def test_a_changed_configuration_recreates_exactly_its_container(stack: Stack) -> None:
    before, tasks = stack.incarnations(), set(stack.kapacitor().tasks())
    with variables(stack, influxdb_config={"logging": {"level": "warn"}}):
        stack.play("site").succeeded()
        after = stack.incarnations()
        assert after["influxdb"][0] != before["influxdb"][0]
        assert {name: value for name, value in after.items() if name != "influxdb"} == {
            name: value for name, value in before.items() if name != "influxdb"
        }
        stack.play("site", "--check").unchanged()
    assert set(stack.kapacitor().tasks()) == tasks


def test_a_recreated_kapacitor_keeps_its_tasks_and_its_subscriptions(stack: Stack, tmp_path: Path) -> None:
    before, subscriptions = stack.incarnations(), stack.subscription_places()
    assert len(subscriptions["printer"]) == len(subscriptions["building"]) == 1
    with variables(stack, kapacitor_log_level="DEBUG"):
        stack.play("site").succeeded()
        assert stack.incarnations()["kapacitor"][0] != before["kapacitor"][0]
        assert stack.incarnations()["influxdb"] == before["influxdb"]
        assert stack.subscription_places() == subscriptions
    # And data goes on being scored, with the same models.
    write_rooms(stack, STREAM_END, STREAM_END + timedelta(minutes=10), tmp_path)
    wait_for(lambda: _scores_from(stack, ns(STREAM_END)) >= 2 * 9, "scores after the re-creation", explain=stack.logs)


def test_a_disabled_pipeline_stops_and_keeps_everything(stack: Stack) -> None:
    before = _kept(stack)
    containers = stack.incarnations()
    with pipeline(stack, "rooms", enabled=False):
        stack.play("site").succeeded()
        task = stack.kapacitor().tasks()["rooms"]
        assert (task["status"], task["executing"]) == ("disabled", False)
        stack.play("site", "--tags", "pipelines").unchanged()
    assert _kept(stack) == before
    assert stack.incarnations() == containers


def test_a_removed_pipeline_is_removed_from_kapacitor_and_nowhere_else(stack: Stack) -> None:
    before = _kept(stack)
    stack.kapacitor().define("mine", OWN_TASK, "printer")
    mine = stack.kapacitor().tasks()["mine"]
    removed = stack.pipelines.pop()
    assert removed["name"] == "rooms"
    try:
        stack.play("site").succeeded()
        tasks = stack.kapacitor().tasks()
        assert sorted(tasks) == ["mine", "printer"]
        assert _definition(tasks["mine"]) == _definition(mine)
    finally:
        stack.pipelines.append(removed)
        stack.kapacitor().request("DELETE", "/tasks/mine")
    assert _kept(stack) == before


def test_a_pipeline_does_not_take_over_a_task_of_the_users(stack: Stack) -> None:
    stack.kapacitor().define("mine", OWN_TASK, "printer")
    try:
        stack.pipelines.append(stack.pipelines[0] | {"name": "mine"})
        stack.play("site").refused("mine", "task", "another name")
        assert stack.kapacitor().tasks()["mine"]["script"].split() == OWN_TASK.split()
    finally:
        stack.pipelines.pop()
        stack.kapacitor().request("DELETE", "/tasks/mine")


def test_a_disabled_service_stops_and_keeps_everything(stack: Stack) -> None:
    before, kept = stack.incarnations(), model_files(stack)
    with variables(stack, kapacitor_enabled=False):
        stack.play("site").succeeded()
        container = stack.container("kapacitor")
        assert container.status == "exited"
        assert stack.incarnations() == before, "stopped, not made anew"
        stack.play("site").unchanged()
    assert model_files(stack) == kept
    stack.play("site").succeeded()
    assert stack.container("kapacitor").id == before["kapacitor"][0]
    assert stack.incarnations()["influxdb"] == before["influxdb"]


def _definition(task: dict[str, Any]) -> dict[str, Any]:
    """What changes when a task is touched; the rest are counters."""
    keys = ("script", "dbrps", "status", "executing", "error", "created", "modified", "last-enabled")
    return {key: task[key] for key in keys}


def _definitions(stack: Stack) -> dict[str, dict[str, Any]]:
    return {name: _definition(task) for name, task in stack.kapacitor().tasks().items()}


def _kept(stack: Stack) -> tuple[Any, ...]:
    """What must outlive a pipeline: its results, its source, its model."""
    reader = stack.influx("reader")
    return (
        read(reader, "score", "rooms"),
        read(reader, "period", "rooms"),
        reader.rows("SELECT count(*) FROM climate", "building"),
        model_files(stack),
    )


def _scores_from(stack: Stack, time: int) -> int:
    return sum(row["time"] >= time for row in read(stack.influx("reader"), "score", "rooms"))
