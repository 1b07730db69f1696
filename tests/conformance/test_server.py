"""Socket mode against a real kapacitord: one server, many tasks, each with a connection and a state of its own."""

import os
import signal
from collections.abc import Callable

import pytest

from daemons.kapacitord import Collector, Kapacitord, wait_until
from daemons.server import Server

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]
Serve = Callable[[str], Server]


def task(udf: str, measurement: str, collector: Collector) -> str:
    return f"stream|from().measurement('{measurement}') @{udf}() |httpPost('{collector.url}')"


def counts(collector: Collector, number: int) -> dict[str, list[int]]:
    """Return the field `count` of `number` points, by measurement, in order of arrival."""
    found: dict[str, list[int]] = {}
    for point in collector.wait_for(number):
        found.setdefault(point["name"], []).append(point["count"])
    return found


def connections(server: Server, number: int) -> list[int]:
    """Return the processes of the server's connections, once there are `number`; that of an Info ends later."""
    wait_until(lambda: len(server.connections()) == number, f"{number} connections: {server.connections()}")
    return server.connections()


def wait_until_noticed(kapacitor: Kapacitord, name: str) -> None:
    """Wait until a task is over whose connection has ended. Kapacitor finds out when it writes, the first of all times
    perhaps into a buffer that nobody reads."""

    def noticed() -> bool:
        kapacitor.write(f"{name} n=1 200")
        return not kapacitor.task(name)["executing"]

    wait_until(noticed, f"task {name} still executes")


def test_each_task_has_a_state_of_its_own(kapacitord: Start, server: Serve, collector: Collector) -> None:
    counting = server("Counting")
    kapacitor = kapacitord(sockets={"Counting": counting.path})
    for name in ("one", "two", "three"):
        kapacitor.define(name, task("Counting", name, collector))
    connections(counting, 3)
    kapacitor.write("one n=1 1", "one n=1 2", "two n=1 1", "one n=1 3", "three n=1 1", "two n=1 2")
    assert counts(collector, 6) == {"one": [1, 2, 3], "two": [1, 2], "three": [1]}
    kapacitor.assert_healthy()


def test_a_task_ends_and_starts_alone(kapacitord: Start, server: Serve, collector: Collector) -> None:
    counting = server("Counting")
    kapacitor = kapacitord(sockets={"Counting": counting.path})
    for name in ("one", "two"):
        kapacitor.define(name, task("Counting", name, collector))
    kapacitor.write("one n=1 1", "two n=1 1")
    collector.wait_for(2)
    assert kapacitor.call("PATCH", "/tasks/one", {"status": "disabled"}).status == 200
    connections(counting, 1)
    kapacitor.write("two n=1 2")
    collector.wait_for(3)
    assert kapacitor.call("PATCH", "/tasks/one", {"status": "enabled"}).status == 200
    kapacitor.write("one n=1 3", "two n=1 3")
    assert counts(collector, 5) == {"one": [1, 1], "two": [1, 2, 3]}
    kapacitor.assert_healthy()


def test_a_stuck_handler_holds_up_no_other_connection(kapacitord: Start, server: Serve, collector: Collector) -> None:
    stuck = server("Stuck")
    kapacitor = kapacitord(sockets={"Stuck": stuck.path})
    for name in ("one", "two"):
        kapacitor.define(name, task("Stuck", name, collector))
    kapacitor.write("one stuck=1 1")
    stuck.wait_for_log("stuck from here on")
    kapacitor.write("two n=1 1")
    assert [point["name"] for point in collector.wait_for(1)] == ["two"]
    kapacitor.define("three", task("Stuck", "three", collector))
    kapacitor.write("three n=1 1")
    assert [point["name"] for point in collector.wait_for(2)] == ["two", "three"]
    assert kapacitor.call("DELETE", "/tasks/one").status == 204
    connections(stuck, 2)
    kapacitor.assert_healthy()


def test_a_connection_that_crashes_costs_its_task_only(kapacitord: Start, server: Serve, collector: Collector) -> None:
    echo = server("Raising")
    kapacitor = kapacitord(sockets={"Raising": echo.path}, timeout="10s")
    kapacitor.define("one", task("Raising", "one", collector))
    (first,) = connections(echo, 1)
    kapacitor.define("two", task("Raising", "two", collector))
    os.kill(first, signal.SIGSEGV)
    echo.wait_for_log(f"the process {first} of a connection was ended by SIGSEGV")
    kapacitor.write("two n=1 1")
    assert [point["name"] for point in collector.wait_for(1)] == ["two"]
    wait_until_noticed(kapacitor, "one")
    assert kapacitor.task("two")["executing"]
    assert kapacitor.call("PATCH", "/tasks/one", {"status": "disabled"}).status == 200
    assert kapacitor.call("PATCH", "/tasks/one", {"status": "enabled"}).status == 200
    kapacitor.write("one n=1 2")
    assert [point["name"] for point in collector.wait_for(2)] == ["two", "one"]


def test_a_failed_init_ends_its_connection_and_says_why(kapacitord: Start, server: Serve, collector: Collector) -> None:
    unwilling = server("Unwilling")
    kapacitor = kapacitord(sockets={"Unwilling": unwilling.path}, timeout="10s")
    kapacitor.define("t", task("Unwilling", "one", collector))
    unwilling.wait_for_log("connection .*: Init failed: Unwilling: there is no model, train one")
    wait_until(lambda: not unwilling.connections(), "the connection has not ended")
    kapacitor.write("one n=1 1")
    failed = kapacitor.wait_for_task("t", lambda task: not task["executing"])
    assert "there is no model, train one" in failed["error"]
    kapacitor.assert_healthy()


def test_state_goes_on_over_a_restart_of_kapacitord(kapacitord: Start, server: Serve, collector: Collector) -> None:
    counting = server("Counting")
    kapacitor = kapacitord(sockets={"Counting": counting.path}, snapshot_interval="100ms")
    kapacitor.define("t", task("Counting", "one", collector))
    kapacitor.write("one n=1 1", "one n=1 2")
    collector.wait_for(2)
    counting.wait_for_log("snapshot of 2")
    before = len(counting.matching("snapshot of 2"))
    wait_until(lambda: len(counting.matching("snapshot of 2")) > before, "no second snapshot")
    kapacitor.stop()
    wait_until(lambda: not counting.connections(), "the connection outlives kapacitord")
    kapacitor.start()
    kapacitor.write("one n=1 3")
    assert counts(collector, 3) == {"one": [1, 2, 3]}


def test_a_server_that_was_killed_is_replaced_and_serves_again(
    kapacitord: Start, server: Serve, collector: Collector
) -> None:
    counting = server("Counting")
    kapacitor = kapacitord(sockets={"Counting": counting.path})
    kapacitor.define("t", task("Counting", "one", collector))
    kapacitor.write("one n=1 1")
    collector.wait_for(1)
    counting.kill()
    assert counting.path.exists()
    counting.start()
    # The connection has a process of its own, which the server's end does not touch.
    kapacitor.write("one n=1 2")
    assert counts(collector, 2) == {"one": [1, 2]}
    kapacitor.define("u", task("Counting", "two", collector))
    kapacitor.write("two n=1 1")
    assert counts(collector, 3) == {"one": [1, 2], "two": [1]}


def test_a_server_that_is_stopped_drains_and_its_tasks_can_be_started_again(
    kapacitord: Start, server: Serve, collector: Collector
) -> None:
    counting = server("Counting")
    kapacitor = kapacitord(sockets={"Counting": counting.path}, timeout="10s")
    kapacitor.define("one", task("Counting", "one", collector))
    kapacitor.write(*[f"one n=1 {time}" for time in range(100)])
    collector.wait_for(100)
    assert counting.stop() == 0
    assert not counting.path.exists()
    wait_until_noticed(kapacitor, "one")
    counting.start()
    assert kapacitor.call("PATCH", "/tasks/one", {"status": "disabled"}).status == 200
    assert kapacitor.call("PATCH", "/tasks/one", {"status": "enabled"}).status == 200
    kapacitor.write("one n=1 300")
    assert collector.wait_for(101)[-1]["count"] == 1
    kapacitor.assert_healthy()
