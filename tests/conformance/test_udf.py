"""kapacitor_udf against a real kapacitord: every trap of the protocol that this library promises to avoid.

Waits end when what is waited for is there, and fail after four minutes. One test asserts how long something takes, as
that is its contract: the end of a task.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic, time_ns

import pytest

from daemons.influxd import Influxd
from daemons.kapacitord import Collector, Kapacitord, wait_until

# The binary comes out of an image, unless KAPACITORD is set.
pytestmark = pytest.mark.containers

# Kapacitor's patience with a UDF where a test waits for its end. It also has to last from the start of the process to
# its answer to Info, with all of these tests running at once on two cores.
SHORT = "10s"

# Seconds: far more than the contract, for a machine that is busy with something else, and far less than the backlog.
DOES_NOT_HANG = 120.0

Start = Callable[..., Kapacitord]


def stream(udf: str, collector: Collector, before: str = "", options: str = "") -> str:
    return f"stream|from().measurement('cpu').groupBy('host'){before} @{udf}(){options} |httpPost('{collector.url}')"


def cpu(time: int, host: str = "a", **fields: object) -> str:
    def shown(value: object) -> str:
        match value:
            case bool():
                return "true" if value else "false"
            case int():
                return f"{value}i"
            case str():
                return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return str(value)

    body = ",".join(f"{name}={shown(value)}" for name, value in fields.items()) or "usage=1"
    return f"cpu,host={host} {body} {time}"


def test_what_is_printed_does_not_get_into_the_stream(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Noisy")
    kapacitor.define("t", stream("Noisy", collector))
    kapacitor.write(cpu(1), cpu(2))
    assert len(collector.wait_for(2)) == 2
    for way in ("print", "buffer", "descriptor", "child"):
        kapacitor.wait_for_log(f"from {way}", times=2)
    assert kapacitor.task("t")["executing"]
    kapacitor.assert_healthy()


def test_info_does_not_import_the_handler(kapacitord: Start) -> None:
    kapacitor = kapacitord("Noisy", "Unwilling")
    kapacitor.assert_healthy()
    assert not [line for line in kapacitor.log if "handlers are imported" in line]


def test_a_bad_point_costs_itself_only(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("moving_average")
    kapacitor.define("t", stream("moving_average", collector, options=".field('usage').size(2)"))
    kapacitor.write(
        cpu(1, usage=1.0), cpu(2, other=1.0), cpu(3, usage="text"), cpu(4, usage=True), cpu(5, usage=3),
        cpu(-5, usage=5.0), cpu(-5, usage=5.0), cpu(9, usage=7.0), cpu(8, usage=9.0),
    )  # fmt: skip
    # Negative times, the same point again, and times that go back are the data's affair.
    assert [(point["usage"], point["mean"]) for point in collector.wait_for(6)] == [
        (1, 1), (3, 2), (5, 4), (5, 5), (7, 6), (9, 8),
    ]  # fmt: skip
    kapacitor.wait_for_log("rejected: missing field")
    kapacitor.wait_for_log("rejected: not a number")
    assert kapacitor.task("t")["executing"]
    assert kapacitor.task("t")["error"] == ""


def test_a_number_that_is_not_finite_costs_its_point_only(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("moving_average")
    # Line protocol has no such numbers, but |eval makes them.
    divided = '|eval(lambda: "usage" / "by").as(\'usage\')'
    kapacitor.define("t", stream("moving_average", collector, before=divided, options=".field('usage').size(3)"))
    kapacitor.write(
        cpu(1, usage=4.0, by=2.0), cpu(2, usage=4.0, by=0.0), cpu(3, usage=0.0, by=0.0), cpu(4, usage=4.0, by=1.0)
    )
    assert [(point["usage"], point["mean"]) for point in collector.wait_for(2)] == [(2, 2), (4, 3)]
    kapacitor.wait_for_log("rejected: not finite")
    assert kapacitor.task("t")["executing"]
    kapacitor.assert_healthy()


def test_points_are_grouped_by_what_the_handler_says(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Regrouping")
    count = "|window().periodCount(2).everyCount(2)"
    script = stream("Regrouping", collector).replace(" |httpPost", f" {count} |httpPost")
    kapacitor.define("t", script)
    kapacitor.write(*[cpu(time, host, n=time) for time, host in ((1, "a"), (2, "a"), (3, "b"), (4, "b"))])
    collector.wait_for(4)
    found: dict[str, list[int]] = {}
    for point in collector.points:
        found.setdefault(point["tags"]["parity"], []).append(point["n"])
    assert found == {"odd": [1, 3], "even": [2, 4]}
    assert {row["name"] for row in collector.series} == {"regrouped"}
    kapacitor.assert_healthy()


def test_an_exception_of_the_handler_costs_its_point_only(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Raising")
    kapacitor.define("t", stream("Raising", collector))
    kapacitor.write(cpu(1, n=1), cpu(2, n=2, bad="raise"), cpu(3, n=3, bad="exit"), cpu(4, n=4))
    assert [point["n"] for point in collector.wait_for(2)] == [1, 4]
    kapacitor.wait_for_log(r"point\(\) raised KeyError")
    kapacitor.wait_for_log(r"point\(\) raised SystemExit")
    assert kapacitor.task("t")["executing"]


def test_odd_points_come_back_as_they_were(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("echo")
    kapacitor.define("t", f"stream|from().groupBy(*) @echo() |httpPost('{collector.url}')")
    tag = "тег\\ \\,\\=値"
    kapacitor.write(
        f'измерение\\ x,{tag}=wert\\ ö f\\ \\,"\\=1=1.5,i=-9223372036854775808i,t=true,s="a \\"quoted\\" ‱ \'x\'" -1',
        f'long s="{"x" * 1_000_000}" 5',
        f"manytags,{','.join(f't{n}={n}' for n in range(500))} a=1i 9",
        f"longtag,tag={'y' * 60_000} a=2i 10",
    )
    first, second, third, fourth = collector.wait_for(4)
    assert first["name"] == "измерение x"
    assert first["tags"] == {"тег ,=値": "wert ö"}
    assert first["time"] == "1969-12-31T23:59:59.999999999Z"
    assert {key: first[key] for key in ('f ,"=1', "t", "s")} == {'f ,"=1': 1.5, "t": True, "s": "a \"quoted\" ‱ 'x'"}
    assert first["i"] == -(2**63)
    assert second["s"] == "x" * 1_000_000
    assert (len(third["tags"]), third["a"]) == (500, 1)
    assert (len(fourth["tags"]["tag"]), fourth["a"]) == (60_000, 2)
    kapacitor.assert_healthy()


def test_a_tag_may_be_as_long_as_kapacitor_makes_it(kapacitord: Start, collector: Collector) -> None:
    """Measurement and tags that are written have 65,535 bytes at most; a task can make a longer tag of a field."""
    kapacitor = kapacitord("echo", "deviation")
    as_tag = "|eval(lambda: \"s\").as('long').tags('long').keep('s', 'usage')|groupBy('long')"
    for udf, options in (("echo", ""), ("deviation", ".field('usage').size(3)")):
        kapacitor.define(udf, stream(udf, collector, before=as_tag, options=options))
    refused = kapacitor.call("POST", "/write?db=db&rp=autogen", f"cpu,tag={'y' * 65_535} usage=1 1".encode())
    assert refused.status == 400
    assert "max key length exceeded" in refused.body.decode()
    kapacitor.write(cpu(1, usage=1.0, s="y" * 1_000_000))
    assert [len(point["tags"]["long"]) for point in collector.wait_for(2)] == [1_000_000] * 2
    kapacitor.assert_healthy()


def test_a_duration_has_to_be_made_a_number_before_a_udf(kapacitord: Start, collector: Collector) -> None:
    """Kapacitor panics otherwise, before the UDF sees anything. If this fails, the README's warning can go."""
    kapacitor = kapacitord("echo")

    def lasts(value: str) -> str:
        return stream("echo", collector, before=f"|eval(lambda: {value}).as('lasts').keep()")

    kapacitor.define("t", lasts('duration("usage", 1s) / 1ms'))
    kapacitor.write(cpu(1, usage=2))
    assert [point["lasts"] for point in collector.wait_for(1)] == [2000]
    kapacitor.assert_healthy()
    kapacitor.define("u", lasts('duration("usage", 1s)'))
    kapacitor.write(cpu(2, usage=2))
    kapacitor.wait_for_log("panic: unsupported field value type")


def test_fields_that_are_not_finite_do_not_leave_the_udf(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("NotFinite")
    kapacitor.define("t", stream("NotFinite", collector))
    kapacitor.write(cpu(1, n=1), cpu(2, n=2))
    assert [sorted(point) for point in collector.wait_for(2)] == [["n", "name", "tags", "time"]] * 2
    assert kapacitor.task("t")["executing"]


def test_a_failed_init_ends_the_process_and_says_why(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Unwilling", timeout=SHORT)
    kapacitor.define("t", stream("Unwilling", collector))
    kapacitor.wait_for_log("Init failed: Unwilling: there is no model, train one")
    wait_until(lambda: not kapacitor.children(), "the process has not ended")
    # Kapacitor finds out with the next point.
    kapacitor.write(cpu(1))
    task = kapacitor.wait_for_task("t", lambda task: not task["executing"])
    assert "there is no model, train one" in task["error"]
    kapacitor.assert_healthy()


def test_a_wrong_option_is_told(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("moving_average")
    kapacitor.define("t", stream("moving_average", collector, options=".field('usage').size(0)"))
    kapacitor.define("u", stream("moving_average", collector))
    kapacitor.wait_for_log("option 'size': 0 is too small, expected at least 1")
    kapacitor.wait_for_log(r"option 'field' is missing, call \.field\('text'\)")
    wait_until(lambda: not kapacitor.children(), "the processes have not ended")


def test_disable_returns_though_the_handler_is_stuck_with_a_backlog(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Stuck")
    kapacitor.define("t", stream("Stuck", collector))
    kapacitor.write(cpu(1, stuck=True))
    kapacitor.wait_for_log("stuck from here on")
    kapacitor.write(*[cpu(n) for n in range(20_000)])
    assert kapacitor.call("PATCH", "/tasks/t", {"status": "disabled"}).status == 200
    assert kapacitor.call("GET", "/tasks").status == 200
    wait_until(lambda: not kapacitor.children(), "the process has not ended")
    assert kapacitor.call("DELETE", "/tasks/t").status == 204
    kapacitor.assert_healthy()


@pytest.mark.parametrize("way", ["disable", "delete", "stop"])
def test_ending_a_task_does_not_wait_for_its_backlog(kapacitord: Start, collector: Collector, way: str) -> None:
    """The contract is 2 s; the backlog would take hours."""
    kapacitor = kapacitord("Slow")
    kapacitor.define("t", stream("Slow", collector))
    for begin in range(0, 10_000, 5000):
        kapacitor.write(*[cpu(n) for n in range(begin, begin + 5000)])
    kapacitor.wait_for_log("slow from here on")
    (child,) = kapacitor.children()
    began = monotonic()
    if way == "disable":
        assert kapacitor.call("PATCH", "/tasks/t", {"status": "disabled"}).status == 200
    elif way == "delete":
        assert kapacitor.call("DELETE", "/tasks/t").status == 204
    else:
        kapacitor.stop()
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "the UDF has not ended")
    assert monotonic() - began < DOES_NOT_HANG
    if way != "stop":
        kapacitor.assert_healthy()


def test_disable_returns_though_its_output_is_not_read(kapacitord: Start) -> None:
    kapacitor = kapacitord("Flooding")
    kapacitor.define("t", "stream|from().measurement('cpu') @Flooding() |log()")
    kapacitor.write(*[cpu(n) for n in range(5000)])
    kapacitor.wait_for_log("text=xxx|xxxxx")
    assert kapacitor.call("DELETE", "/tasks/t").status == 204
    wait_until(lambda: not kapacitor.children(), "the process has not ended")
    kapacitor.assert_healthy()


@pytest.mark.parametrize("way", ["disable", "delete", "stop", "kill"])
def test_a_child_that_lives_on_does_not_hold_up_kapacitor(
    kapacitord: Start, collector: Collector, tmp_path: Path, way: str
) -> None:
    """Kapacitor waits for the end of the stderr that a UDF has, and that its children would inherit."""
    kapacitor = kapacitord("Spawning", timeout=SHORT)
    kapacitor.define("t", stream("Spawning", collector))
    kapacitor.wait_for_log("the child lives")
    (udf,) = kapacitor.children()
    try:
        if way == "stop":
            kapacitor.stop()
        else:
            if way == "kill":
                os.kill(udf, signal.SIGKILL)
            body = {"status": "disabled"} if way == "disable" else None
            assert kapacitor.call("PATCH" if body else "DELETE", "/tasks/t", body).status in (200, 204)
            wait_until(lambda: not kapacitor.children(), "the UDF has not been reaped")
            kapacitor.assert_healthy()
    finally:
        (tmp_path / "child").unlink()


def test_stopping_kapacitord_ends_a_stuck_udf(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Stuck")
    kapacitor.define("t", stream("Stuck", collector))
    kapacitor.write(cpu(1, stuck=True), cpu(2))
    kapacitor.wait_for_log("stuck from here on")
    (child,) = kapacitor.children()
    kapacitor.stop()
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "the UDF has not ended")


def test_a_stuck_udf_holds_up_neither_writes_nor_other_tasks(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Stuck", "echo", timeout=SHORT)
    kapacitor.define("stuck", "stream|from().measurement('cpu') @Stuck() |log()")
    kapacitor.define("other", stream("echo", collector, before='|where(lambda: isPresent("canary"))'))
    kapacitor.write(cpu(1, stuck=True))
    kapacitor.wait_for_log("stuck from here on")
    for begin in range(0, 50_000, 5000):
        kapacitor.write(*[cpu(n) for n in range(begin, begin + 5000)])
    kapacitor.write(cpu(1, canary=True))
    assert len(collector.wait_for(1)) == 1
    kapacitor.wait_for_log("the handler is too slow")
    assert kapacitor.task("stuck")["executing"]


def hang(kapacitor: Kapacitord, udf: str, tmp_path: Path) -> None:
    """Define a task with this UDF, and bring it to where it hangs."""
    kapacitor.define("stuck", f"stream|from().measurement('cpu') @{udf}() |log()")
    if udf == "HangsInRestore":
        kapacitor.wait_for_log("a snapshot", times=2)
        (tmp_path / "restore-hangs").touch()
        kapacitor.stop()
        kapacitor.start()
    if udf == "Stuck":
        kapacitor.write(cpu(1, stuck=True))
    kapacitor.wait_for_log("stuck from here on")


HANGING = ["HangsInInit", "HangsInRestore", "Stuck"]


@pytest.mark.parametrize("udf", HANGING)
def test_writes_and_other_tasks_go_on_while_a_handler_hangs(
    kapacitord: Start, collector: Collector, tmp_path: Path, udf: str
) -> None:
    """The limit is far away. Without answers to Init and Restore, the writes hang after some thousand points."""
    limits = {"LIMITS": "longest_init=3600 longest_restore=3600 longest_data=3600"}
    kapacitor = kapacitord(udf, "echo", snapshot_interval="100ms", environment=limits)
    hang(kapacitor, udf, tmp_path)
    kapacitor.define("other", stream("echo", collector, before='|where(lambda: isPresent("canary"))'))
    for begin in range(0, 20_000, 5000):
        kapacitor.write(*[cpu(n) for n in range(begin, begin + 5000)])
    kapacitor.write(cpu(1, canary=True))
    assert len(collector.wait_for(1)) == 1
    assert kapacitor.call("GET", "/tasks").status == 200
    assert kapacitor.call("PATCH", "/tasks/other", {"status": "disabled"}).status == 200
    assert kapacitor.call("DELETE", "/tasks/stuck").status == 204
    wait_until(lambda: not kapacitor.children(), "the process has not ended")
    kapacitor.assert_healthy()


@pytest.mark.parametrize(("udf", "method"), list(zip(HANGING, ["init", "restore", "point"], strict=True)))
def test_a_handler_that_hangs_fails_its_task_after_the_stated_time(
    kapacitord: Start, tmp_path: Path, udf: str, method: str
) -> None:
    # Nothing else may run into a limit, however slow the machine is.
    limits = {"LIMITS": f"slow=1 longest_{'data' if method == 'point' else method}=8"}
    kapacitor = kapacitord(udf, snapshot_interval="100ms", timeout=SHORT, environment=limits)
    hang(kapacitor, udf, tmp_path)
    kapacitor.wait_for_log(rf"{method}\(\) has been running for \d+ s, since .* it is in File ")
    kapacitor.wait_for_log(rf"{method}\(\) has not returned for 8 s, .* The process ends with code 3")
    kapacitor.wait_for_log(r"handlers.py\\?\", line \d+, in ")
    wait_until(lambda: not kapacitor.children(), "the process has not ended")
    # Kapacitor finds out with the next point.
    kapacitor.write(cpu(1))
    # Kapacitor notes the error a moment after it has stopped the task.
    task = kapacitor.wait_for_task("stuck", lambda task: not task["executing"] and task["error"])
    assert f"{method}() has not returned for 8 s" in task["error"]
    kapacitor.assert_healthy()


def test_a_replay_waits_for_a_patient_udf_and_loses_nothing(kapacitord: Start) -> None:
    """A replay has queues of its own, so nobody else waits. Reading pauses for most of the time here."""
    kapacitor = kapacitord("Patient", timeout=SHORT, environment={"LIMITS": "patience=600 drain=600 heartbeat=1"})
    kapacitor.define("t", "stream|from().measurement('cpu') @Patient() |log()", status="disabled")
    # A recording ends with the first point after its stop.
    recording = {"id": "r", "task": "t", "stop": "1970-01-02T00:00:00Z"}
    assert kapacitor.call("POST", "/recordings/stream", recording).status == 201
    for begin in range(0, 10_000, 5000):
        kapacitor.write(*[cpu(seconds(n), n=n) for n in range(begin, begin + 5000)])
    kapacitor.write(cpu(seconds(100_000)))
    wait_until(lambda: kapacitor.call("GET", "/recordings/r").json["status"] == "finished", "the recording")
    before = len(kapacitor.log)
    replay = {"id": "p", "task": "t", "recording": "r", "clock": "fast", "recording-time": True}
    assert kapacitor.call("POST", "/replays", replay).status == 201
    assert kapacitor.call("GET", "/tasks").status == 200
    found = wait_until(
        lambda: [line for line in kapacitor.log[before:] if "points_received=" in line], "the account of the replay"
    )
    assert "points_received=10000 points_in=10000 points_out=10000" in found[0]
    assert not [line for line in kapacitor.log[before:] if "DATA" in line]
    assert wait_until(lambda: kapacitor.call("GET", "/replays/p").json["status"] == "finished", "the replay")
    kapacitor.assert_healthy()


def test_a_handler_that_is_busy_for_long_is_not_timed_out(kapacitord: Start, collector: Collector) -> None:
    # The handler is busy for twice this time, with each point.
    kapacitor = kapacitord("Busy", timeout="5s")
    kapacitor.define("t", stream("Busy", collector))
    kapacitor.write(cpu(1), cpu(2))
    assert len(collector.wait_for(2)) == 2
    assert not [line for line in kapacitor.log if "keepalive timedout" in line]
    assert kapacitor.task("t")["executing"]


def test_long_lines_do_not_end_the_log(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("LongLines")
    kapacitor.define("t", stream("LongLines", collector))
    for time in range(5):
        kapacitor.write(cpu(time))
    assert len(collector.wait_for(5)) == 5
    kapacitor.wait_for_log("x" * 1000, times=5)
    kapacitor.assert_healthy()


WINDOW = "|window().period(10s).every(10s).align()"


def seconds(time: float) -> int:
    return int(time * 10**9)


def test_batch_to_stream(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("BatchLast")
    kapacitor.define("t", stream("BatchLast", collector, before=WINDOW))
    kapacitor.write(*[cpu(seconds(n), host, n=n, text="é") for n in range(21) for host in "ab"])
    points = collector.wait_for(4)
    assert [(p["tags"], p["n"], p["size"], p["begin"], p["time"], p["text"]) for p in points] == [
        ({"host": host}, end - 1, 10, seconds(end - 10), f"1970-01-01T00:00:{end}Z", "é")
        for end in (10, 20)
        for host in "ab"
    ]
    assert {point["name"] for point in points} == {"cpu"}
    kapacitor.assert_healthy()


def test_batch_to_batch(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("BatchToBatch")
    kapacitor.define("t", stream("BatchToBatch", collector, before=WINDOW))
    kapacitor.write(*[cpu(seconds(n), n=n) for n in range(10)])
    kapacitor.write(cpu(seconds(10), bad=1, n=10), *[cpu(seconds(n), n=n) for n in range(11, 31)])
    assert [point["n"] for point in collector.wait_for(20)] == [*range(10), *range(20, 30)]
    assert {(series.get("name"), len(series["values"])) for series in collector.series if series["values"]} == {
        ("cpu", 1), ("cpu", 9),
    }  # fmt: skip
    kapacitor.wait_for_log(r"batch\(\) raised ValueError: a bad batch")
    assert kapacitor.task("t")["executing"]


def test_what_a_query_answers(kapacitord: Start, collector: Collector, influxd: Influxd) -> None:
    """Kapacitor has InfluxDB's answer as JSON, in which an integer is a number like any other."""
    influxd.create("db")
    influxd.client.write([cpu(time_ns(), n=2**53, usage=0.5, flag=True, text='"é"'), cpu(time_ns(), "b", n=-7)], "db")
    kapacitor = kapacitord("BatchTypes", influxdb=influxd.url)
    query = 'SELECT n, usage, flag, text FROM "db"."autogen"."cpu"'
    node = f"|query('{query}').period(10m).every(100ms).groupBy('host')"
    kapacitor.define("t", f"batch{node} @BatchTypes() |httpPost('{collector.url}')", kind="batch")
    points = {point["tags"]["host"]: point for point in collector.wait_for(2)}
    assert points["a"]["n"] == f"float {float(2**53)}"
    assert (points["a"]["usage"], points["a"]["flag"], points["a"]["text"]) == ("float 0.5", "bool True", 'str "é"')
    assert points["b"]["n"] == "float -7.0"
    assert points["b"].get("usage") is None
    assert {point["name"] for point in points.values()} == {"cpu"}
    kapacitor.assert_healthy()


def test_stream_to_batch(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("StreamToBatch")
    kapacitor.define("t", stream("StreamToBatch", collector))
    kapacitor.write(*[cpu(n, n=n) for n in range(6)])
    series = collector.wait_for_series(2)
    assert [(each["name"], each["tags"]) for each in series] == [("triple", {"host": "a"})] * 2
    assert [point["n"] for point in collector.points] == list(range(6))


def test_the_fast_path(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("deviation")
    kapacitor.define("t", stream("deviation", collector, options=".field('usage').size(3)"))
    kapacitor.write(
        cpu(1, usage=10.0, text='"é"', flag=True), cpu(2, usage=12, i=-5), cpu(3, other=1), cpu(4, usage="x")
    )
    kapacitor.write(cpu(5, "b", usage=1.0, deviation=True), cpu(6, "b", usage=1.0, deviation=True))
    kapacitor.write(cpu(7, usage=10.0), f'long,host=a usage=1,s="{"x" * 1_000_000}" 8', cpu(8, usage=11))
    points = [(p["tags"]["host"], p["usage"], p.get("deviation")) for p in collector.wait_for(6)]
    assert [each for each in points if each[0] == "a"] == [
        ("a", 10, None), ("a", 12, 0), ("a", 10, -1), ("a", 11, pytest.approx(0.5 / 0.75**0.5)),
    ]  # fmt: skip
    # The first one has no deviation to replace its own, which a float must not hide behind: bool wins in Kapacitor.
    assert [each for each in points if each[0] == "b"] == [("b", 1, None), ("b", 1, 0)]
    first = next(point for point in collector.points if point.get("text"))
    assert (first["text"], first["flag"], first["name"]) == ('"é"', True, "cpu")
    kapacitor.wait_for_log("rejected: missing field")
    kapacitor.wait_for_log("rejected: not a number")
    assert kapacitor.task("t")["executing"]
    kapacitor.assert_healthy()


def test_outliers(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("outliers")
    kapacitor.define("t", stream("outliers", collector, before=WINDOW, options=".field('usage').scale(5.0)"))
    kapacitor.write(*[cpu(seconds(n), usage=100.0 if n == 13 else float(n % 3)) for n in range(21)])
    (point,) = collector.wait_for(1)
    assert (point["usage"], point["time"]) == (100, "1970-01-01T00:00:13Z")
    kapacitor.assert_healthy()


def test_state_goes_on_over_a_restart_of_kapacitord(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Counting", snapshot_interval="100ms")
    kapacitor.define("t", stream("Counting", collector))
    kapacitor.write(cpu(1), cpu(2))
    assert [point["count"] for point in collector.wait_for(2)] == [1, 2]
    # The second one is asked for after the first one was saved.
    kapacitor.wait_for_log("snapshot of 2", times=2)
    kapacitor.stop()
    kapacitor.start()
    kapacitor.write(cpu(3))
    assert collector.wait_for(3)[-1]["count"] == 3


def test_a_snapshot_of_other_options_is_refused_and_the_task_runs(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("Counting", snapshot_interval="100ms")
    kapacitor.define("t", stream("Counting", collector))
    kapacitor.write(cpu(1), cpu(2))
    kapacitor.wait_for_log("snapshot of 2", times=2)
    assert kapacitor.call("PATCH", "/tasks/t", {"status": "disabled"}).status == 200
    script = stream("Counting", collector, options=".note('other')")
    assert kapacitor.call("PATCH", "/tasks/t", {"script": script, "status": "enabled"}).status == 200
    kapacitor.wait_for_log("the snapshot is not restored, starting cold: it was made with other options")
    kapacitor.write(cpu(3))
    assert collector.wait_for(3)[-1]["count"] == 1
    assert kapacitor.task("t")["error"] == ""


def test_a_restore_that_raises_does_not_fail_the_task(kapacitord: Start, collector: Collector, tmp_path: Path) -> None:
    kapacitor = kapacitord("Counting", snapshot_interval="100ms")
    kapacitor.define("t", stream("Counting", collector))
    kapacitor.write(cpu(1), cpu(2))
    kapacitor.wait_for_log("snapshot of 2", times=2)
    (tmp_path / "restore-raises").touch()
    kapacitor.stop()
    kapacitor.start()
    kapacitor.wait_for_log("the snapshot is not restored, starting cold: RuntimeError: no way")
    kapacitor.write(cpu(3))
    assert collector.wait_for(3)[-1]["count"] == 1
    assert kapacitor.task("t")["executing"]


def test_metrics_and_ticks_wait_until_a_restore_is_answered(kapacitord: Start, collector: Collector) -> None:
    """Kapacitor forwards nothing before that, so data would be stuck in front of the answer, as would all points."""
    kapacitor = kapacitord("MeasuredRestored", timeout="1h", snapshot_interval="100ms")
    kapacitor.define("t", stream("MeasuredRestored", collector))
    kapacitor.wait_for_log("a snapshot", times=2)
    kapacitor.stop()
    before = len(collector.points)
    kapacitor.start()
    kapacitor.wait_for_log("restored")
    kapacitor.write(cpu(3))
    wait_until(
        lambda: {"cpu", "tick", "udf"} <= {point["name"] for point in collector.points[before:]},
        "the point, a tick and metrics",
    )
    kapacitor.assert_healthy()


def test_metrics_are_split_off_in_the_task_and_come_while_nothing_arrives(
    kapacitord: Start, collector: Collector
) -> None:
    kapacitor = kapacitord("Measured")
    metrics = f"out|where(lambda: isPresent(\"uptime_s\"))|httpPost('{collector.url}')"
    data = (
        f"out|where(lambda: !isPresent(\"uptime_s\"))|eval(lambda: 1).as('is_data').keep()|httpPost('{collector.url}')"
    )
    kapacitor.define("t", f"var out = stream|from().measurement('cpu').groupBy('host') @Measured() {metrics} {data}")
    first = collector.wait_for(1)[0]
    assert (first["name"], first["points_in"], "is_data" in first) == ("udf", 0, False)
    assert first["tags"] == {"node": "Measured2", "task": "t", "udf": "Measured"}
    kapacitor.write(cpu(1), cpu(2, bad="raise"), cpu(3))
    found = wait_until(
        lambda: [point for point in collector.points if point["name"] == "udf" and point["points_in"] == 3],
        "metrics of three points",
    )[-1]
    assert (found["points_out"], found["rejected"], found["rejected_KeyError_in_point"]) == (2, 1, 1)
    assert found["last_error"].startswith("KeyError in point()")
    # A machine may stop for longer than the longest latency that is counted apart.
    assert found["latency_count"] == 3 >= found["latency_le_10000ms"]
    # Data and metrics come by nodes of their own.
    wait_until(lambda: sum(1 for point in collector.points if "is_data" in point) == 2, "the points")
    kapacitor.assert_healthy()


def test_what_is_shed_is_told_while_the_handler_is_stuck(kapacitord: Start, collector: Collector) -> None:
    kapacitor = kapacitord("MeasuredStuck")
    kapacitor.define("t", stream("MeasuredStuck", collector))
    for begin in range(0, 20_000, 5000):
        kapacitor.write(*[cpu(n) for n in range(begin, begin + 5000)])
    shed = wait_until(
        lambda: [point for point in collector.points if point["shed_points"] > 0], "metrics with points that were shed"
    )[-1]
    assert shed["queued"] >= 1000
    assert shed["points_out"] == 0
    assert kapacitor.call("DELETE", "/tasks/t").status == 204
    kapacitor.assert_healthy()
