"""What a real kapacitord makes of templates and vars documents, as the module kapacitor_task sends them.

docs/decisions.md says what follows.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.filter.pipelines import task as task_of
from ansible_collections.influx_anomaly.stack.plugins.module_utils import kapacitor_tasks
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import Kapacitor, KapacitorError

from anomaly.kapacitor.tickscript import script_problems
from daemons.influxd import Influxd
from daemons.kapacitord import Collector, Kapacitord
from tests.conformance.test_alerts import BEGIN_S, PIPELINE, SECOND, TASK

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]
ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
# What starts a task.
STARTS = {"enabled", "restarted", "template_updated"}
MARK = "Managed by influx-anomaly (stack anomaly)"
DBRPS = [{"database": "db", "retention_policy": "autogen"}]
AWKWARD = "quote ' \" ''' back\\slash {{ .Group }} $x Ünïcödé 数\nsecond line"
# A var of every type; what each says is in the points that come out.
EVERY_TYPE = """\
var text string
var groups list
var every duration
var filter lambda
var number int
var factor float
var switch bool
var url string

stream
    |from()
        .database('db')
        .groupBy(groups)
        .where(filter)
    |window()
        .period(every)
        .every(every)
        .align()
    |mean('value')
        .as('value')
    |where(lambda: switch)
    |eval(lambda: "value" * factor + float(number))
        .as('result')
    |default()
        .tag('said', text)
    |httpPost(url)
"""


def send(kapacitor: Kapacitord, task: str, definition: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    """Define and enable a task as the role does, by the module, and wait for the UDF that this has started.

    Kapacitor does not answer who ends a task whose UDF has not started yet.
    """
    made = "made cold"
    before = sum(made in line for line in kapacitor.log)
    wanted = {
        "id": task,
        "state": "enabled",
        "dbrps": DBRPS,
        "owner_marker": MARK,
        "watch": 0,
        "template": None,
        "vars": None,
        **definition,
    }
    result = kapacitor_tasks.run(client(kapacitor), wanted, check_mode)
    assert isinstance(result, dict)
    if not check_mode and "@anomaly(" in (wanted["script"] or "") and STARTS & set(result["actions"]):
        kapacitor.wait_for_log(made, before + 1)
    return result


def client(kapacitor: Kapacitord) -> Kapacitor:
    return Kapacitor(kapacitor.url.removesuffix("/kapacitor/v1"))


def pipeline_task(directory: str = "", **changes: Any) -> dict[str, Any]:
    return task_of({**PIPELINE, **changes}, "anomaly", "stack", directory, f"{MARK}: changes made here are lost.")


@pytest.fixture
def start(kapacitord: Start, influxd: Influxd) -> Start:
    """Start a kapacitord whose UDF remembers how many windows it has seen; `arguments` are the UDF's."""
    influxd.create("anomaly")

    def started(*arguments: str) -> Kapacitord:
        return kapacitord(
            commands={"anomaly": [sys.executable, str(PROGRAMS / "remembering.py"), *arguments]},
            environment={"PYTHONPATH": os.pathsep.join([str(ROOT / "udf/kapacitor_udf/src"), str(PROGRAMS)])},
            influxdb=influxd.url,
            snapshot_interval="500ms",
            timeout="60s",
        )

    return started


@pytest.fixture
def kapacitor(start: Start) -> Kapacitord:
    return start()


def write_windows(kapacitor: Kapacitord, first: int, number: int) -> None:
    """Write a point for each window, of which the last one stays open."""
    kapacitor.write(
        *(
            f"temperature,printer=p1 severity=1 {(BEGIN_S + 10 * window) * SECOND}"
            for window in range(first, first + number)
        )
    )


def test_our_scripts_are_in_the_format_of_tickfmt(kapacitor: Kapacitord) -> None:
    paths = sorted((ROOT / "tickscripts").glob("*.tick"))
    assert "pipeline" in [path.stem for path in paths]
    for path in paths:
        script = path.read_text(encoding="utf-8")
        client(kapacitor).create_template(path.stem, script)
        assert kapacitor.call("GET", f"/templates/{path.stem}?script-format=formatted").json["script"] == script


@pytest.mark.parametrize("groups", [[], ["a"], ["a", "b c"]], ids=["none", "one", "many"])
def test_every_type_of_var_arrives_whole(kapacitor: Kapacitord, collector: Collector, groups: list[str]) -> None:
    definition = {
        "template": "every-type",
        "script": f"// {MARK}\n\n{EVERY_TYPE}",
        "vars": {
            "text": {"type": "string", "value": AWKWARD},
            "groups": {"type": "list", "value": [{"type": "string", "value": group} for group in groups]},
            "every": {"type": "duration", "value": "1m30s"},
            "filter": {"type": "lambda", "value": '"value" > 1.0 AND "a" == \'x\''},
            "number": {"type": "int", "value": 7},
            "factor": {"type": "float", "value": 2.0},
            "switch": {"type": "bool", "value": True},
            "url": {"type": "string", "value": collector.url},
        },
    }
    assert send(kapacitor, "all", definition)["actions"] == ["template_created", "created", "enabled"]
    assert send(kapacitor, "all", definition)["actions"] == []
    kapacitor.write(
        *(f"m,a={a},b\\ c=2 value={value} {at * SECOND}" for at, a, value in ((0, "y", 9), (1, "x", 3), (2, "x", 1))),
        f"m,a=x,b\\ c=2 value=4 {91 * SECOND}",
    )
    (point,) = collector.wait_for(1)
    assert point["result"] == 13
    assert point["tags"]["said"] == AWKWARD
    assert set(point["tags"]) == {"said", *groups}
    assert point["time"] == "1970-01-01T00:01:30Z"


def test_the_example_of_a_custom_script_runs(kapacitor: Kapacitord, tmp_path: Path) -> None:
    page = (ROOT / "tickscripts" / "README.md").read_text(encoding="utf-8")
    script = page.split("```tick\n")[1].split("```")[0]
    assert list(script_problems(script)) == []
    (tmp_path / "mine.tick").write_text(script)
    result = send(kapacitor, TASK, pipeline_task(str(tmp_path), tickscript="mine.tick"))
    assert result["task"]["template"].startswith("mine-")
    assert "merge" not in result["task"]["vars"]
    write_windows(kapacitor, 0, 2)
    kapacitor.wait_for_log("has 1 windows")
    kapacitor.assert_healthy()


def test_a_changed_pipeline_changes_its_own_task_and_restarts_no_other(kapacitor: Kapacitord) -> None:
    for name in ("first", "second"):
        send(kapacitor, name, pipeline_task(name=name))
    before = kapacitor.task("second")
    changed = pipeline_task(name="first", periods={"open": 80})
    assert send(kapacitor, "first", changed, check_mode=True)["actions"] == ["updated", "restarted"]
    result = send(kapacitor, "first", changed)
    assert result["actions"] == ["updated", "restarted"]
    assert '"open":80' in result["task"]["vars"]["specification"]["value"].replace(" ", "")
    assert '"open":80' in result["diff"]["after"].replace("\\", "")
    after = kapacitor.task("second")
    assert (after["last-enabled"], after["modified"]) == (before["last-enabled"], before["modified"])


def test_a_changed_script_moves_one_task_after_the_other_and_the_last_takes_the_template_along(
    kapacitor: Kapacitord, tmp_path: Path
) -> None:
    def templates() -> list[str]:
        return [template["id"] for template in kapacitor.call("GET", "/templates").json["templates"]]

    custom = tmp_path / "mine.tick"
    custom.write_text((ROOT / "tickscripts" / "pipeline.tick").read_text())
    old = [pipeline_task(str(tmp_path), name=name, tickscript="mine.tick") for name in ("first", "second")]
    for name, definition in zip(("first", "second"), old, strict=True):
        send(kapacitor, name, definition)
    assert templates() == [old[0]["template"]]
    # A var that the tasks do not have yet: Kapacitor refuses it for a template with tasks.
    custom.write_text(custom.read_text() + "\nvar silence duration\n")
    new = [pipeline_task(str(tmp_path), name=name, tickscript="mine.tick") for name in ("first", "second")]
    before = kapacitor.task("second")
    assert send(kapacitor, "first", new[0])["actions"] == ["template_created", "updated", "restarted"]
    assert kapacitor.task("second")["last-enabled"] == before["last-enabled"]
    assert sorted(templates()) == sorted([old[0]["template"], new[0]["template"]])
    assert send(kapacitor, "second", new[1])["actions"] == ["updated", "restarted", "template_removed"]
    assert templates() == [new[0]["template"]]
    for name in ("first", "second"):
        last = send(kapacitor, name, {"state": "absent", "script": None})
    assert last["actions"] == ["removed", "template_removed"]
    assert templates() == []


def test_a_refused_script_leaves_the_old_task_and_no_template(kapacitor: Kapacitord) -> None:
    good = pipeline_task()
    send(kapacitor, TASK, good)
    before = kapacitor.task(TASK)
    broken = {**good, "template": "broken", "script": good["script"] + "\nresults\n    |nosuchnode()\n"}
    lacking = {**good, "template": "lacking", "script": good["script"] + "\nvar silence duration\n"}
    for definition in (broken, lacking):
        with pytest.raises((kapacitor_tasks.TaskError, KapacitorError)):
            send(kapacitor, TASK, definition)
    assert [template["id"] for template in kapacitor.call("GET", "/templates").json["templates"]] == [good["template"]]
    after = kapacitor.task(TASK)
    assert (after["last-enabled"], after["template-id"]) == (before["last-enabled"], good["template"])
    assert send(kapacitor, TASK, good)["actions"] == []


def test_kapacitor_restarts_all_tasks_of_a_template_that_changes(kapacitor: Kapacitord) -> None:
    """It is why a changed script is another template."""
    for name in ("first", "second"):
        send(kapacitor, name, pipeline_task(name=name))
    kapacitor.wait_for_log("made cold", 2)
    definition = pipeline_task()
    client(kapacitor).update_template(definition["template"], definition["script"] + "\n// by hand\n")
    kapacitor.wait_for_log("made cold", 4)
    # A template that somebody has changed by hand is put right.
    assert send(kapacitor, "first", pipeline_task(name="first"))["actions"][0] == "template_updated"
    assert send(kapacitor, "second", pipeline_task(name="second"))["actions"] == []


def test_a_task_leaves_its_templates_only_by_being_made_anew(kapacitor: Kapacitord) -> None:
    send(kapacitor, TASK, pipeline_task())
    script = f"// {MARK}\n\nstream|from()|log()"
    kapacitor.call("PATCH", f"/tasks/{TASK}", {"script": script})
    assert kapacitor.task(TASK)["template-id"] == pipeline_task()["template"]
    assert "@anomaly" in kapacitor.task(TASK)["script"]
    result = send(kapacitor, TASK, {"script": script})
    assert result["actions"] == ["removed", "created", "enabled", "template_removed"]
    assert result["task"]["template"] == ""


def test_a_script_that_does_not_parse_takes_no_task_out_of_its_template(kapacitor: Kapacitord) -> None:
    send(kapacitor, TASK, pipeline_task())
    before = kapacitor.task(TASK)

    with pytest.raises(kapacitor_tasks.TaskError, match="line 4"):
        send(kapacitor, TASK, {"script": f"// {MARK}\n\nstream\n    |frm()\n"})

    after = kapacitor.task(TASK)
    assert after["template-id"] == before["template-id"]
    assert (after["created"], after["last-enabled"]) == (before["created"], before["last-enabled"])
    assert [task["id"] for task in kapacitor.call("GET", "/tasks").json["tasks"]] == [TASK]


def test_a_task_of_an_earlier_release_hands_the_udf_points_after_an_upgrade(start: Start) -> None:
    earlier = start("windows")
    script = (PROGRAMS / "task_before_templates.tick").read_text(encoding="utf-8")
    send(earlier, TASK, {"script": script})
    write_windows(earlier, 0, 4)
    earlier.stop()

    kapacitor = start()
    result = send(kapacitor, TASK, pipeline_task())

    assert result["actions"] == ["template_created", "updated", "restarted"]
    assert result["task"]["dbrps"] == [{"db": "db", "rp": "autogen"}]
    kapacitor.wait_for_log("made cold")
    assert send(kapacitor, TASK, pipeline_task())["actions"] == []
    write_windows(kapacitor, 4, 2)
    kapacitor.wait_for_log("has 1 windows")
    kapacitor.assert_healthy()


def test_a_task_keeps_its_snapshot_when_its_template_changes(kapacitor: Kapacitord, tmp_path: Path) -> None:
    custom = tmp_path / "mine.tick"
    custom.write_text((ROOT / "tickscripts" / "pipeline.tick").read_text())
    send(kapacitor, TASK, pipeline_task(str(tmp_path), tickscript="mine.tick"))
    write_windows(kapacitor, 0, 4)
    kapacitor.wait_for_log("has 3 windows")
    kapacitor.wait_for_log("keeps 3 windows")
    kapacitor.wait_for_log("keeps 3 windows")

    result = send(kapacitor, TASK, pipeline_task())

    assert result["actions"][:3] == ["template_created", "updated", "restarted"]
    kapacitor.wait_for_log("restored 3 windows")
    write_windows(kapacitor, 4, 2)
    kapacitor.wait_for_log("has 4 windows")
    kapacitor.assert_healthy()
