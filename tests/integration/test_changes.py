"""A stack that runs and is changed: what follows, and what must not.

The tests of this module tell one story, so they depend on their order: each changes the inventory a little further. At
the end everything runs again.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.data import STREAM_END, ns, write_rooms
from tests.integration.results import model_files, read
from tests.integration.stack import Stack, touched
from tests.integration.waiting import wait_for

# There must be something to lose.
pytestmark = pytest.mark.usefixtures("results")

# A task of the user's own, beside those of the pipelines.
OWN_TASK = "stream|from().database('printer').measurement('temperature')|log()"

# The data are older than what a catch-up looks back to by itself.
CATCH_UP = {"catch_up_from": STREAM_END.isoformat()}


def test_a_changed_pipeline_redefines_its_task_and_restarts_nothing(stack: Stack) -> None:
    containers, tasks = stack.settled().incarnations(), stack.definitions()
    _rooms(stack)["periods"] = {"open": 71, "close": 50}
    dry_run = stack.play("site", "--check", "--diff").succeeded()
    # The record on the controller tells of the pipelines too.
    assert len([task for task in dry_run.changes if "summary" not in task]) == 1, dry_run.changes
    assert '"open":71' in dry_run.output.replace(" ", ""), "--diff shows the new script"
    assert not touched(tasks, stack.definitions())
    real = stack.play("site").succeeded()
    assert len([task for task in real.changes if "summary" not in task]) == 1, real.changes
    after = stack.definitions()
    assert after["rooms"]["vars"] != tasks["rooms"]["vars"]
    assert after["rooms"]["script"] == tasks["rooms"]["script"], "pipelines share a script"
    assert after["rooms"]["executing"]
    assert touched(tasks, after) == {"rooms"}
    assert stack.incarnations() == containers


def test_a_changed_configuration_recreates_exactly_its_container(stack: Stack) -> None:
    before, tasks = stack.settled().incarnations(), stack.definitions()
    stack.variables["influxdb_config"] = {"logging": {"level": "warn"}}
    stack.play("site").succeeded()
    after = stack.incarnations()
    assert after["influxdb"][0] != before["influxdb"][0]
    assert after["kapacitor"] == before["kapacitor"]
    # It is restarted if InfluxDB was away for so long that it has told an outage.
    assert after["keeper"][0] == before["keeper"][0]
    assert not touched(tasks, stack.definitions())


def test_a_recreated_kapacitor_keeps_its_tasks_and_its_subscriptions(stack: Stack, tmp_path: Path) -> None:
    before, subscriptions = stack.settled().incarnations(), stack.subscription_places()
    assert len(subscriptions["printer"]) == len(subscriptions["building"]) == 1
    stack.variables["kapacitor_log_level"] = "DEBUG"
    stack.play("site").succeeded()
    after = stack.incarnations()
    assert after["kapacitor"][0] != before["kapacitor"][0]
    assert after["influxdb"] == before["influxdb"]
    # It is restarted if Kapacitor was away for so long that it has told an outage.
    assert after["keeper"][0] == before["keeper"][0]
    assert stack.subscription_places() == subscriptions
    listening = stack.kapacitor().request("GET", f"/alerts/topics/{stack.name}/handlers").json()["handlers"]
    assert [handler["id"] for handler in listening] == ["influx-anomaly.file"]
    # Both containers are new by now, and data go on being scored.
    stack.settled()
    write_rooms(stack, STREAM_END, STREAM_END + timedelta(minutes=10), tmp_path)
    wait_for(lambda: _scores_from(stack, ns(STREAM_END)) == 2 * 10, "scores after the re-creation", explain=stack.logs)


def test_a_disabled_pipeline_stops_and_keeps_everything(stack: Stack) -> None:
    kept, containers = _kept(stack), stack.settled().incarnations()
    _rooms(stack)["enabled"] = False
    stack.play("site", "--tags", "pipelines").succeeded()
    task = stack.kapacitor().tasks()["rooms"]
    assert (task["status"], task["executing"]) == ("disabled", False)
    assert _kept(stack) == kept
    assert stack.incarnations() == containers
    stack.play("site", "--tags", "pipelines").unchanged()


def test_a_removed_pipeline_is_removed_from_kapacitor_and_nowhere_else(stack: Stack) -> None:
    kept = _kept(stack)
    stack.settled().kapacitor().define("mine", OWN_TASK, "printer")
    before = stack.definitions()
    rooms = _rooms(stack)
    stack.pipelines.remove(rooms)
    stack.play("site", "--tags", "pipelines").succeeded()
    assert touched(before, stack.definitions()) == {"rooms"}
    assert set(stack.kapacitor().tasks()) == {"mine", "printer"}
    assert _kept(stack) == kept
    # Back again, it finds its model.
    stack.pipelines.append(rooms | {"enabled": True})
    stack.play("site", "--tags", "pipelines").succeeded()
    wait_for(lambda: stack.kapacitor().tasks()["rooms"]["executing"], "its task", explain=stack.logs)


def test_a_pipeline_does_not_take_over_a_task_of_the_users(stack: Stack) -> None:
    before = stack.settled().definitions()
    stack.pipelines.append(stack.pipelines[0] | {"name": "mine"})
    try:
        stack.play("site", "--tags", "pipelines").refused("mine", "rename")
        assert not touched(before, stack.definitions())
    finally:
        stack.pipelines.pop()
        stack.kapacitor().request("DELETE", "/tasks/mine")


def test_a_disabled_service_stops_and_keeps_everything(stack: Stack) -> None:
    before, kept = stack.settled().incarnations(), _kept(stack)
    stack.variables["kapacitor_enabled"] = False
    stack.play("site").succeeded()
    assert stack.container("kapacitor").status == "exited"
    assert stack.container("keeper").status == "exited", "there is nothing to look after"
    assert stack.incarnations() == before, "stopped, not made anew"
    assert _kept(stack) == kept
    stack.play("site").unchanged()


def test_an_enabled_service_goes_on_although_its_database_was_lost(stack: Stack, tmp_path: Path) -> None:
    """Kapacitor makes an empty database when it is started, without its admin and tasks."""
    before = stack.incarnations()
    (stack.dir / "data" / "kapacitor" / "kapacitor.db").unlink()
    stack.container("kapacitor").start()
    wait_for(lambda: stack.kapacitor().request("GET", "/ping").status_code, "an empty Kapacitor", explain=stack.logs)
    # Nothing scores what comes meanwhile.
    write_rooms(stack, STREAM_END + timedelta(minutes=10), STREAM_END + timedelta(minutes=30), tmp_path)
    _let_another_release_have_made_the_model_of_rooms(stack)
    del stack.variables["kapacitor_enabled"]
    enabled = stack.play("site", **CATCH_UP).succeeded()
    assert "rooms: trained; model" in enabled.text
    assert "printer: trained; model" not in enabled.text, "this release made its model"
    assert "has no admin, so it was lost" in enabled.text
    after = stack.incarnations()
    assert after["kapacitor"][0] == before["kapacitor"][0]
    assert after["influxdb"] == before["influxdb"]
    assert set(stack.settled().kapacitor().tasks()) == {"printer", "rooms"}


def test_what_came_while_kapacitor_was_stopped_was_scored_when_it_was_started(stack: Stack) -> None:
    """All windows, each room's last one included; and once is enough."""
    assert _scores_from(stack, ns(STREAM_END)) == 2 * 30
    stack.settled().play("site", **CATCH_UP).unchanged()
    stack.play("catch-up", **CATCH_UP).unchanged()
    assert _scores_from(stack, ns(STREAM_END)) == 2 * 30


def test_a_calendar_reaches_running_udfs_and_restarts_nothing(stack: Stack, tmp_path: Path) -> None:
    """Two equal faults follow each other. The second one is in an event that a file of the inventory gets."""
    begin, minute = STREAM_END + timedelta(minutes=30), timedelta(minutes=1)
    first, event = (begin + number * minute for number in (2, 18))
    ics = tmp_path / "plant.ics"
    ics.write_text(_ics(begin - timedelta(days=9)))
    _rooms(stack)["calendars"] = [{"means": "maintenance", "ics": f"{{{{ lookup('file', '{ics}') }}}}"}]
    # Another change that is not deployed yet.
    window = _rooms(stack).pop("window")
    _rooms(stack)["window"] = "5m"
    stack.play("calendars").succeeded()
    containers, tasks = stack.settled().incarnations(), stack.definitions()

    write_rooms(stack, begin, begin + 15 * minute, tmp_path, ("a", first, first + 5 * minute))
    wait_for(lambda: _scores_from(stack, ns(begin)) == 2 * 15, "scores before the event", explain=stack.logs)
    told = _calendars_told(stack)
    ics.write_text(_ics(event))
    stack.play("calendars", "--diff").succeeded()
    _rooms(stack)["window"] = window
    wait_for(lambda: _calendars_told(stack) > told, "the event in the UDF", explain=stack.logs)
    write_rooms(stack, begin + 15 * minute, begin + 30 * minute, tmp_path, ("a", event, event + 5 * minute))
    wait_for(lambda: _scores_from(stack, ns(begin)) == 2 * 30, "scores of the event", explain=stack.logs)

    scores = [row for row in read(stack.influx("reader"), "score", "rooms") if row["time"] >= ns(begin)]
    of_event = {ns(event + number * minute) for number in range(12)}
    assert {row["time"] for row in scores if row.get("feedback") == "calendar"} == of_event
    loud = {row["time"] for row in scores if row["room"] == "a" and row["severity"] >= 75}
    assert {ns(fault + number * minute) for fault in (first, event) for number in range(5)} <= loud
    opened = [row["time"] for row in read(stack.influx("reader"), "period", "rooms") if row["time"] >= ns(begin)]
    assert opened == [ns(first)]
    assert not touched(tasks, stack.definitions())
    assert stack.incarnations() == containers
    for service in ("keeper", "console"):
        deployed = json.loads((stack.dir / "config" / service / "pipelines.json").read_text())
        (rooms,) = (pipeline for pipeline in deployed if pipeline["name"] == "rooms")
        assert (rooms["calendars"][0]["ics"], rooms["window"]) == (ics.read_text().rstrip(), window)
    stack.play("verify").succeeded()
    # Whoever deploys this stack next finds it as its inventory says.
    del _rooms(stack)["calendars"]
    stack.play("calendars").succeeded()


def _calendars_told(stack: Stack) -> int:
    """How often a UDF has said that the rooms have a calendar."""
    return stack.kapacitor_log.read_text().count("pipeline rooms: calendars of maintenance and quiet times: 1")


def _ics(begin: datetime) -> str:
    """A calendar file with an event of twelve minutes: detectors remember the fault for some windows."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", "BEGIN:VEVENT", "UID:service"]
    lines += [f"DTSTART:{begin:%Y%m%dT%H%M%SZ}", "DURATION:PT12M", "END:VEVENT", "END:VCALENDAR"]
    return "\n".join(lines) + "\n"


def _rooms(stack: Stack) -> dict[str, Any]:
    return next(pipeline for pipeline in stack.pipelines if pipeline["name"] == "rooms")


def _kept(stack: Stack) -> tuple[Any, ...]:
    """What must outlive a pipeline: its results, its source, its model."""
    reader = stack.influx("reader")
    return (
        read(reader, "score", "rooms"),
        read(reader, "period", "rooms"),
        reader.rows("SELECT count(*) FROM climate", "building"),
        # Only this pipeline's: others train by themselves.
        {path: state for path, state in model_files(stack).items() if path.startswith("stack/data/models/rooms/")},
    )


def _let_another_release_have_made_the_model_of_rooms(stack: Stack) -> None:
    manifest = stack.dir / "data" / "models" / "rooms" / "current" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"schema": content["schema"] - 1}))


def _scores_from(stack: Stack, time: int) -> int:
    return sum(row["time"] >= time for row in read(stack.influx("reader"), "score", "rooms"))
