"""A UDF of the user's own, as docs/udf.md tells it: one folder and one entry of the inventory.

The tests of this module tell one story, so they depend on their order.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.stack import Stack
from tests.integration.waiting import wait_for
from tests.udf_page import ENTRY, write

# Long enough ago that no other point is in its way.
START = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's folder, which the tests change."""
    return write(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module")
def stack(new_stack: Callable[..., Stack], folder: Path) -> Stack:
    """A stack without pipelines, whose inventory has the page's entry; nothing is deployed yet."""
    udfs = yaml.safe_load(ENTRY)["kapacitor_udfs"]
    # The page's folder is in the repository; this one is not.
    udfs["smooth"]["directory"] = str(folder)
    return new_stack(variables={"kapacitor_udfs": udfs}, groups=("influxdb", "kapacitor"))


def smoothed(stack: Stack, begin: int, values: list[float]) -> list[float]:
    """Writes values of one room, a second apart, and waits for what the UDF makes of them."""
    stack.influx("writer").write(
        "home", [f"air,room=kitchen co2={value} {begin + number * 10**9}" for number, value in enumerate(values)]
    )
    end = begin + len(values) * 10**9
    query = f'SELECT "smooth" FROM "air" WHERE "room" = \'kitchen\' AND time >= {begin} AND time < {end}'

    def rows() -> list[dict[str, Any]]:
        if "smoothed" not in stack.influx().column("SHOW DATABASES"):
            return []
        found = stack.influx().rows(query, "smoothed")
        return found if len(found) == len(values) else []

    return [row["smooth"] for row in wait_for(rows, "smoothed points", explain=stack.logs)]


def packed(stack: Stack) -> list[str]:
    """The names of the UDFs' folders on the host."""
    return sorted(path.name for path in (stack.dir / "config" / "kapacitor" / "udfs").iterdir())


def test_one_folder_and_one_entry_are_enough(stack: Stack) -> None:
    stack.play("site").succeeded()
    wait_for(lambda: stack.kapacitor().tasks()["smooth-air"]["executing"], "its task", explain=stack.logs)
    assert smoothed(stack, START, [400.0, 500.0, 500.0]) == [400.0, 450.0, 475.0]


def test_its_metrics_are_written_beside_its_results(stack: Stack) -> None:
    query = 'SELECT last("points_in") AS "points" FROM "udf" WHERE "udf" = \'smooth\' AND "task" = \'smooth-air\''
    wait_for(
        lambda: any(row["points"] == 3 for row in stack.influx().rows(query, "smoothed")), "metrics", explain=stack.logs
    )


def test_a_second_run_changes_nothing_and_verify_looks_at_its_task(stack: Stack) -> None:
    stack.settled().play("site").unchanged()
    assert "Task smooth-air executes without an error" in stack.play("verify").succeeded().text


def test_a_changed_tickscript_restarts_its_task_and_nothing_else(stack: Stack, folder: Path) -> None:
    before, digests = stack.settled().incarnations(), packed(stack)
    script = folder / "smooth-air.tick"
    script.write_text(script.read_text().replace(".weight(0.5)", ".weight(1.0)"))
    stack.play("site").succeeded()
    assert (stack.incarnations(), packed(stack)) == (before, digests)
    assert smoothed(stack, START + 10**12, [400.0, 500.0]) == [400.0, 500.0]


def test_a_module_that_cannot_be_imported_is_refused_before_kapacitor_hears_of_it(stack: Stack, folder: Path) -> None:
    before = stack.settled().incarnations()
    module = folder / "smooth.py"
    good = module.read_text()
    module.write_text(good + "\nimport no_such_package\n")
    stack.play("site").refused("No module named 'no_such_package'")
    assert stack.incarnations() == before
    assert stack.kapacitor().tasks()["smooth-air"]["executing"]
    module.write_text(good)


def test_socket_mode_serves_the_same(stack: Stack) -> None:
    stack.variables["kapacitor_udfs"]["smooth"]["mode"] = "socket"
    stack.play("site").succeeded()
    said = "smooth listens on /tmp/udf-smooth.sock"
    wait_for(lambda: said in stack.kapacitor_log.read_text(), said, explain=stack.logs)
    assert smoothed(stack, START + 2 * 10**12, [300.0, 400.0])[1] == 400.0
    stack.settled().play("site").unchanged()


def test_what_is_taken_out_is_removed_and_its_results_stay(stack: Stack) -> None:
    stack.variables["kapacitor_udfs"] = {}
    stack.play("site").succeeded()
    assert stack.kapacitor().tasks() == {}
    assert packed(stack) == []
    assert stack.influx().rows('SELECT count("smooth") FROM "air"', "smoothed")[0]["count"] == 7
