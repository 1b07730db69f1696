"""The modules kapacitor_task and kapacitor_tasks: with a real kapacitord, and answers that a sound one never gives."""

from __future__ import annotations

import http.server
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.module_utils import kapacitor_api, kapacitor_tasks
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import (
    Kapacitor,
    KapacitorError,
    script_excerpt,
    script_position,
)
from ansible_collections.influx_anomaly.stack.plugins.modules import kapacitor_task_info

from daemons.binaries import binary
from daemons.kapacitord import Kapacitord, wait_until
from tests.ansible.test_templates import ALL, normalized, task
from tests.serving import serving

ROOT = Path(__file__).resolve().parents[2]
MODULE: Any = kapacitor_tasks
INFO: Any = kapacitor_task_info

MARK = "managed by the tests"
COUNT = f"// {MARK}\nstream\n    |from().measurement('m')\n    |window().period(10s).every(10s)\n    |count('value')\n"
AVERAGE = COUNT.replace("count", "mean")
# Takes the place of the anomaly UDF: the same declaration, and it fails when a pipeline says so.
# Kapacitor notices the end of a UDF that it hands nothing at half of this.
TIMEOUT = "10s"
# Seconds in which it has noticed that, on a machine that is busy, too.
NOTICED = 25
UDF = """
import json
from kapacitor_udf import STREAM, STRING, UDF, Option, StreamHandler, run

class Handler(StreamHandler):
    def __init__(self, context):
        super().__init__(context)
        if json.loads(context.options["spec"])["name"] == "broken":
            raise ValueError("this pipeline is broken")

    def point(self, point, out):
        pass

run(UDF(wants=STREAM, provides=STREAM, handler=Handler, options=[Option("spec", STRING)]))
"""


def wanted(**more: Any) -> dict[str, Any]:
    """The module's parameters."""
    return {
        "id": "job",
        "state": "enabled",
        "script": COUNT,
        "dbrps": [{"database": "db", "retention_policy": "autogen"}],
        "owner_marker": MARK,
        "watch": 0.5,
        **more,
    }


def vars_of(window: int | str) -> dict[str, Any]:
    """A vars document with a list of durations, as Kapacitor returns it."""
    entry = {"type": "duration", "value": window}
    return {"windows": {"type": "list", "value": [entry], "description": ""}}


class TestPlan:
    """What has to be done, from what is there."""

    THERE: dict[str, Any] = {  # noqa: RUF012 - read only
        "id": "job",
        "status": "enabled",
        "executing": True,
        "error": "",
        "script": COUNT,
        "dbrps": [{"db": "db", "rp": "autogen"}],
    }

    @pytest.mark.parametrize(
        ("there", "want", "actions"),
        [
            (None, {}, ["created", "enabled"]),
            (None, {"state": "disabled"}, ["created"]),
            (None, {"state": "absent"}, []),
            ({}, {}, []),
            ({}, {"script": AVERAGE}, ["updated", "restarted"]),
            ({}, {"script": AVERAGE, "state": "disabled"}, ["updated", "disabled"]),
            ({}, {"dbrps": [{"database": "other", "retention_policy": "autogen"}]}, ["updated", "restarted"]),
            ({}, {"dbrps": None}, []),
            ({}, {"state": "disabled"}, ["disabled"]),
            ({}, {"state": "absent"}, ["removed"]),
            ({}, {"template": "t"}, ["updated", "restarted"]),
            ({"template-id": "t"}, {"template": "t"}, []),
            ({"template-id": "t"}, {"template": "u"}, ["updated", "restarted"]),
            ({"template-id": "t"}, {}, ["removed", "created", "enabled"]),
            ({"template-id": "t"}, {"state": "disabled"}, ["removed", "created"]),
            ({"vars": vars_of(10_000_000_000)}, {"vars": vars_of("10s")}, []),
            ({"vars": vars_of(10_000_000_000)}, {"vars": vars_of("11s")}, ["updated", "restarted"]),
            ({"vars": vars_of(10_000_000_000)}, {"vars": None}, []),
            ({"status": "disabled", "executing": False}, {}, ["enabled"]),
            ({"status": "disabled", "executing": False}, {"state": "disabled"}, []),
            ({"executing": False, "error": "its UDF died"}, {}, ["restarted"]),
            ({"executing": True, "error": "an old one"}, {}, ["restarted"]),
        ],
    )
    def test_actions(self, there: dict[str, Any] | None, want: dict[str, Any], actions: list[str]) -> None:
        before = None if there is None else {**self.THERE, **there}
        assert MODULE.plan(before, wanted(**want)) == actions


class TestPositions:
    def test_of_an_error(self) -> None:
        assert script_position("invalid TICKscript: parser: unexpected EOF line 12 char 34 in x") == (12, 34)
        assert script_position("no such UDF") is None

    def test_the_excerpt_points_at_the_column(self) -> None:
        assert script_excerpt("a\nbcd", 2, 3) == "2: bcd\n     ^"
        assert script_excerpt("\t\tx", 1, 3) == "1: \t\tx\n   \t\t^"

    @pytest.mark.parametrize(("line", "column"), [(0, 1), (2, 1)])
    def test_a_line_that_is_not_there(self, line: int, column: int) -> None:
        assert script_excerpt("one line", line, column) == ""


@contextmanager
def answering(status: int, body: bytes, seen: list[Any] | None = None) -> Iterator[str]:
    """An HTTP server that gives one answer to everything, and keeps the requests' headers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if seen is not None:
                seen.append((self.path, dict(self.headers)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


class TestErrors:
    """Messages name the address, what was said, and what to do."""

    def test_wrong_password(self) -> None:
        with answering(401, b'{"error": "authorization failed"}') as url, pytest.raises(KapacitorError) as raised:
            Kapacitor(url, "admin", "s3cret").task("x")
        assert raised.value.status == 401
        assert "'admin'" in str(raised.value)
        assert "authorization failed" in str(raised.value)
        assert "s3cret" not in str(raised.value)

    def test_no_credentials(self) -> None:
        with (
            answering(401, b'{"error": "unable to parse authentication credentials"}') as url,
            pytest.raises(KapacitorError, match="without username and password"),
        ):
            Kapacitor(url).tasks()

    def test_something_else_answers(self) -> None:
        with answering(200, b"<html>hello</html>") as url, pytest.raises(KapacitorError, match="not Kapacitor's API"):
            Kapacitor(url).task("x")

    def test_a_listing_that_is_not_one_is_named(self) -> None:
        with (
            answering(200, b'{"tasks": {"id": "x"}}') as url,
            pytest.raises(KapacitorError, match="/tasks: tasks in the answer is not a list of objects with an id"),
        ):
            Kapacitor(url).tasks()

    def test_nobody_answers(self) -> None:
        with answering(200, b"") as url:
            pass
        with pytest.raises(KapacitorError, match="Is it running"):
            Kapacitor(url).task("x")

    def test_no_such_task_is_none(self) -> None:
        with answering(404, b'{"error": "no task exists"}') as url:
            assert Kapacitor(url).task("x") is None

    def test_credentials_are_sent_unasked_and_ids_are_quoted(self) -> None:
        seen: list[Any] = []
        with answering(200, b'{"status": "enabled", "script": ""}', seen) as url:
            Kapacitor(url, "admin", "pw").task("Ünïcode")
        ((path, headers),) = seen
        assert headers["Authorization"].startswith("Basic ")
        assert path.startswith("/kapacitor/v1/tasks/%C3%9Cn%C3%AFcode?")


@pytest.fixture(scope="module")
def kapacitord(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kapacitord]:
    directory = tmp_path_factory.mktemp("kapacitord")
    (directory / "udf.py").write_text(UDF)
    environment = {"PYTHONPATH": str(ROOT / "udf" / "kapacitor_udf" / "src")}
    functions = {"anomaly": [sys.executable, str(directory / "udf.py")]}
    program = binary("kapacitord", "kapacitor", directory)
    with Kapacitord(program, directory / "data", functions, environment=environment, timeout=TIMEOUT) as running:
        yield running


@pytest.fixture
def run(kapacitord: Kapacitord) -> Iterator[Callable[..., dict[str, Any]]]:
    """Calls the module; afterwards no task is left."""
    api = Kapacitor(kapacitord.url.removesuffix("/kapacitor/v1"))

    def call(check_mode: bool = False, **more: Any) -> dict[str, Any]:
        result = MODULE.run(api, wanted(**more), check_mode)
        assert isinstance(result, dict)
        return result

    yield call
    for left in api.tasks():
        api.delete_task(left["id"])
    for template in kapacitord.call("GET", "/templates").json["templates"]:
        api.delete_template(template["id"])


@pytest.mark.containers
class TestAgainstKapacitor:
    def test_a_life(self, run: Callable[..., dict[str, Any]]) -> None:
        made = run()
        assert made["changed"]
        assert made["task"]["executing"] is True
        assert made["task"]["dbrps"] == [{"db": "db", "rp": "autogen"}]
        assert not run()["changed"]

        stopped = run(state="disabled")
        assert stopped["actions"] == ["disabled"]
        assert stopped["task"]["executing"] is False
        assert not run(state="disabled")["changed"]

        assert run()["actions"] == ["enabled"]
        assert run(state="absent")["actions"] == ["removed"]
        assert run(state="absent") == {**run(state="absent"), "changed": False, "task": {}}

    def test_a_changed_script_is_what_runs(self, run: Callable[..., dict[str, Any]], kapacitord: Kapacitord) -> None:
        first = run()["task"]["last_enabled"]
        changed = run(script=AVERAGE)
        assert changed["actions"] == ["updated", "restarted"]
        assert changed["task"]["last_enabled"] > first
        # Kapacitor describes the graph that is running, which is the old one until the task has been restarted.
        assert "mean3" in kapacitord.task("job")["dot"]

    def test_check_mode_changes_nothing(self, run: Callable[..., dict[str, Any]], kapacitord: Kapacitord) -> None:
        planned = run(check_mode=True)
        assert planned["actions"] == ["created", "enabled"]
        assert kapacitord.call("GET", "/tasks/job").status == 404
        run()
        before = kapacitord.task("job")["modified"]
        assert run(check_mode=True, script=AVERAGE)["actions"] == ["updated", "restarted"]
        assert run(check_mode=True, state="absent")["actions"] == ["removed"]
        assert kapacitord.task("job")["modified"] == before

    def test_the_diff_shows_the_scripts_lines(self, run: Callable[..., dict[str, Any]]) -> None:
        run()
        diff = run(check_mode=True, script=AVERAGE, state="disabled")["diff"]
        before, after = diff["before"].splitlines(), diff["after"].splitlines()
        assert [line for line in after if line not in before] == [
            "# disabled",
            "    |mean('value')",
        ]
        assert '# from "db"."autogen"' in before

    @pytest.mark.parametrize(
        ("script", "line", "column", "word"),
        [
            ("stream\n    |from()\n    |nosuchnode()\n", 3, None, "nosuchnode"),
            ("stream\n    |from(\n", 3, None, "EOF"),
            ("stream\n    |from().measurement(7)\n", 2, None, "measurement"),
        ],
    )
    def test_a_wrong_script(
        self, run: Callable[..., dict[str, Any]], script: str, line: int, column: int | None, word: str
    ) -> None:
        with pytest.raises(MODULE.TaskError) as raised:
            run(script=script)
        error = raised.value
        assert error.details["line"] in {line - 1, line}
        assert error.details["column"] > 0
        assert word in str(error)
        assert f"line {error.details['line']}, column {error.details['column']}" in str(error)
        assert run(state="absent")["actions"] == [], "a script that was refused left a task behind"

    def test_a_wrong_script_leaves_the_old_one_running(
        self, run: Callable[..., dict[str, Any]], kapacitord: Kapacitord
    ) -> None:
        run()
        before = kapacitord.task("job")
        with pytest.raises(MODULE.TaskError):
            run(script=COUNT + "|nosuchnode()")
        after = kapacitord.task("job")
        assert after["executing"] is True
        assert after["last-enabled"] == before["last-enabled"]
        assert after["script"] == before["script"]

    def test_somebody_elses_task_is_left_alone(
        self, run: Callable[..., dict[str, Any]], kapacitord: Kapacitord
    ) -> None:
        kapacitord.define("job", "stream|from()|log()")
        for more in ({}, {"state": "absent"}, {"state": "disabled"}):
            with pytest.raises(MODULE.TaskError, match="somebody else"):
                run(**more)
        assert kapacitord.task("job")["executing"] is True

    def test_a_udf_that_fails_after_its_start_is_told(self, run: Callable[..., dict[str, Any]]) -> None:
        specification = json.dumps({"name": "broken"})
        script = f"// {MARK}\nstream|from()@anomaly().spec('''{specification}''')"
        with pytest.raises(MODULE.TaskError, match="this pipeline is broken"):
            run(script=script, watch=120)

    def test_a_task_that_died_is_started_again(
        self, run: Callable[..., dict[str, Any]], kapacitord: Kapacitord
    ) -> None:
        definition = task(ALL[0], __pipelines_marker=MARK)
        pipeline = normalized(ALL[0])
        dbrps = [{"database": pipeline["database"], "retention_policy": pipeline["retention_policy"]}]
        # Without InfluxDB there is no output to write to.
        definition["script"] = definition["script"].split("    |influxDBOut")[0]
        others = set(kapacitord.children())
        run(**definition, dbrps=dbrps)
        (udf,) = wait_until(lambda: set(kapacitord.children()) - others, "the UDF")
        os.kill(udf, 9)
        seconds = itertools.count(1, 11)

        def noticed() -> bool:
            """Kapacitor notices when it has something for the UDF, which is a point after the last that it took."""
            line = f"temperature,printer=p1 hotend=1 {next(seconds)}"
            kapacitord.call("POST", "/write?db=printer&rp=autogen&precision=s", line.encode())
            return not kapacitord.task("job")["executing"]

        wait_until(noticed, "Kapacitor to notice the death of a UDF")
        again = run(**definition, dbrps=dbrps)
        assert again["actions"] == ["restarted"]
        assert again["task"]["executing"] is True

    @pytest.mark.parametrize("pipeline", ALL, ids=[pipeline["name"] for pipeline in ALL])
    def test_every_rendered_script_parses_and_means_what_it_says(
        self, run: Callable[..., dict[str, Any]], pipeline: dict[str, Any]
    ) -> None:
        complete = normalized(pipeline)
        definition = task(pipeline)
        definition["script"] = definition["script"].split("    |influxDBOut")[0]
        result = run(
            id=complete["name"],
            **definition,
            owner_marker=None,
            dbrps=[{"database": complete["database"], "retention_policy": complete["retention_policy"]}],
        )
        assert result["task"]["executing"] is True
        assert result["task"]["dbrps"] == [{"db": complete["database"], "rp": complete["retention_policy"]}]

    def test_listing_pages_through_all_and_picks_ours(
        self, run: Callable[..., dict[str, Any]], kapacitord: Kapacitord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kapacitor_api, "_PAGE", 3)
        api = Kapacitor(kapacitord.url.removesuffix("/kapacitor/v1"))
        dbrps = [{"db": "db", "rp": "r"}]
        for number in range(5):
            api.create_task({"id": f"t{number}", "script": "stream|from()", "dbrps": dbrps, "status": "disabled"})
        run()
        assert [task["id"] for task in INFO.tasks(api, "", None)] == ["job", "t0", "t1", "t2", "t3", "t4"]
        (mine,) = INFO.tasks(api, "", MARK)
        assert mine["id"] == "job"
        assert mine["executing"] is True
        assert [task["id"] for task in INFO.tasks(api, "t[12]", None)] == ["t1", "t2"]

    def test_through_ansible(self, kapacitord: Kapacitord, run: Callable[..., dict[str, Any]]) -> None:
        arguments = {
            "url": kapacitord.url.removesuffix("/kapacitor/v1"),
            "username": "anybody",
            "password": "not-to-be-seen",
            "id": "job",
            "script": COUNT,
            "dbrps": [{"database": "db", "retention_policy": "autogen"}],
            "watch": 0,
        }
        command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-vvv", "-m", "kapacitor_task"]
        done = subprocess.run(
            [*command, "-a", json.dumps(arguments)], cwd=ROOT, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "created" in done.stdout
        assert "not-to-be-seen" not in done.stdout + done.stderr
        missing = {key: entry for key, entry in arguments.items() if key != "script"}
        refused = subprocess.run(
            [*command, "-a", json.dumps(missing)], cwd=ROOT, text=True, capture_output=True, check=False
        )
        assert refused.returncode != 0
        assert "script" in refused.stdout


def several(*tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Parameters of several tasks, each with an id."""
    given = {"state": "enabled", "script": COUNT, "dbrps": [{"database": "db", "retention_policy": "autogen"}]}
    return [{**given, **task} for task in tasks]


@pytest.fixture
def run_all(kapacitord: Kapacitord, run: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, dict[str, Any]]]:
    """Calls what kapacitor_tasks calls; returns the result of each task by its id."""
    api = Kapacitor(kapacitord.url.removesuffix("/kapacitor/v1"))

    def call(
        *tasks: dict[str, Any], kept: list[str] | None = None, watch: float = 0.5, check_mode: bool = False
    ) -> dict[str, Any]:
        result = MODULE.run_all(api, several(*tasks), kept, MARK, watch, check_mode)
        return {task["id"]: task for task in result["tasks"]}

    return call


@pytest.mark.containers
class TestSeveralAgainstKapacitor:
    def test_each_is_as_it_is_alone(self, run_all: Callable[..., Any]) -> None:
        made = run_all({"id": "a"}, {"id": "b", "state": "disabled"})
        assert {name: task["actions"] for name, task in made.items()} == {"a": ["created", "enabled"], "b": ["created"]}
        assert made["a"]["task"]["executing"] is True
        again = run_all({"id": "a"}, {"id": "b", "state": "disabled"})
        assert [task["changed"] for task in again.values()] == [False, False]

    def test_others_of_the_owner_are_removed_first(self, run_all: Callable[..., Any], kapacitord: Kapacitord) -> None:
        kapacitord.define("mine", "stream|from()|log()")
        run_all({"id": "a"}, {"id": "b"}, {"id": "c"})
        assert set(run_all({"id": "c"})) == {"c"}, "nobody asked for a removal"
        assert list(run_all({"id": "d"}, kept=["c"], check_mode=True)) == ["a", "b", "d"]

        done = run_all({"id": "d"}, kept=["c"])

        assert [(name, task["state"], task["actions"]) for name, task in done.items()] == [
            ("a", "absent", ["removed"]), ("b", "absent", ["removed"]), ("d", "enabled", ["created", "enabled"]),
        ]  # fmt: skip
        assert {task["id"] for task in kapacitord.call("GET", "/tasks").json["tasks"]} == {"c", "d", "mine"}

    def test_one_that_fails_keeps_no_other_from_its_state(
        self, run_all: Callable[..., Any], kapacitord: Kapacitord
    ) -> None:
        kapacitord.define("mine", "stream|from()|log()")
        specification = json.dumps({"name": "broken"})
        dies = f"// {MARK}\nstream|from()@anomaly().spec('''{specification}''')"

        done = run_all(
            {"id": "wrong", "script": f"{COUNT}|nosuchnode()"},
            {"id": "mine"},
            {"id": "dies", "script": dies},
            {"id": "a"},
            watch=NOTICED,
        )

        assert "line" in done["wrong"]["msg"]
        assert "somebody else" in done["mine"]["msg"]
        assert "this pipeline is broken" in done["dies"]["msg"]
        assert [name for name, task in done.items() if task.get("failed")] == ["wrong", "mine", "dies"]
        assert kapacitord.task("a")["executing"] is True

    def test_a_failure_is_not_hidden_among_scripts(self, kapacitord: Kapacitord) -> None:
        tasks = several({"id": "fine", "script": f"{COUNT}|log()"}, {"id": "wrong", "script": "stream|nosuchnode()"})
        arguments = {"url": kapacitord.url.removesuffix("/kapacitor/v1"), "owner_marker": "", "watch": 0}
        command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-m", "kapacitor_tasks"]

        done = subprocess.run(
            [*command, "-a", json.dumps({**arguments, "tasks": tasks})],
            cwd=ROOT, text=True, capture_output=True, check=False,
        )  # fmt: skip

        assert done.returncode != 0
        assert "refuses the TICKscript of task 'wrong'" in done.stdout
        assert "|log()" not in done.stdout
        assert kapacitord.task("fine")["executing"] is True
