"""The process as Kapacitor meets it: real descriptors, real threads. Waits have wide limits and assert no times."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import kapacitor_udf
from kapacitor_udf import STREAM, UDF, Batch, Point, PointSink, StreamHandler
from kapacitor_udf import _peer as peer
from kapacitor_udf import wire_pb2 as wire
from kapacitor_udf._conversation import HUNG
from kapacitor_udf._framing import FrameReader, apart
from kapacitor_udf._varint import frame
from kapacitor_udf.testing import Harness

WAIT = 240
HERE = Path(__file__).parent
SOURCE = Path(kapacitor_udf.__file__).parents[1]


class Program:
    """A UDF process and Kapacitor's end of its pipes."""

    def __init__(
        self, handler: str, *limits: str, read_stderr: bool = True, file: str = "program.py", **more: str
    ) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE / "programs")]), **more}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "programs" / file), handler, *limits],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, env=environment,
        )  # fmt: skip
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout, self.stderr = self.process.stdin, self.process.stdout, self.process.stderr
        self._frames = FrameReader(2**26)
        self._responses: list[Any] = []
        self._log = bytearray()
        self._logged = threading.Condition()
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        if read_stderr:
            self._reader.start()

    def _read_stderr(self) -> None:
        while data := os.read(self.stderr.fileno(), 65536):
            with self._logged:
                self._log += data
                self._logged.notify_all()

    def send(self, *frames: bytes) -> None:
        rest = memoryview(b"".join(frames))
        while rest:
            rest = rest[os.write(self.stdin.fileno(), rest) :]

    def next(self) -> Any:
        """The next Response; fails if none comes."""
        while not self._responses:
            assert select.select([self.stdout], [], [], WAIT)[0], f"no response; stderr: {self._log.decode()}"
            data = os.read(self.stdout.fileno(), 2**20)
            assert data, f"the end; stderr: {self.log()}"
            for message in apart(self._frames.feed(data)):
                response = wire.Response.FromString(message)  # type: ignore[arg-type]
                assert response.WhichOneof("message"), "an empty response"
                self._responses.append(response)
        return self._responses.pop(0)

    def next_data(self) -> Any:
        while (response := self.next()).WhichOneof("message") == "keepalive":
            pass
        return response

    def start(self) -> None:
        self.send(peer.encode_init([], "task", "node"))
        assert self.next_data().init.success

    def rest(self) -> bytes:
        """All that is still to come from stdout."""
        return self.stdout.read()

    def end(self) -> int:
        """Close stdin and wait for the process."""
        self.stdin.close()
        return self.process.wait(WAIT)

    def log(self) -> str:
        """All of stderr, once the process has ended."""
        self.process.wait(WAIT)
        if self._reader.ident is None:
            self._reader.start()
        self._reader.join(WAIT)
        return self._log.decode()

    def wait_for_log(self, text: str) -> str:
        """Wait for a text, and give the line that has it."""
        with self._logged:
            assert self._logged.wait_for(lambda: re.search(f".*{text}.*\n", self._log.decode()), WAIT), self._log
            return next(line for line in self._log.decode().splitlines() if text in line)

    def hung_up(self) -> bool:
        """Whether nobody can write to stdout and stderr any more."""
        while select.select([self.stdout], [], [], WAIT)[0]:
            if not os.read(self.stdout.fileno(), 2**20):
                self._reader.join(WAIT)
                return not self._reader.is_alive()
        return False


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    started: list[Program] = []

    def start(*args: Any, **more: Any) -> Program:
        started.append(Program(*args, **more))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait(WAIT)
        for stream in (each.stdin, each.stdout):
            stream.close()
        if each._reader.ident is not None:
            each._reader.join(WAIT)
        each.stderr.close()


Start = Callable[..., Program]


def point(time: int = 1, **fields: Any) -> bytes:
    return peer.encode_point(Point(time, fields or {"a": 1.0}))


def test_info_is_answered_without_importing_the_handler(program: Start) -> None:
    udf = program("Echo")
    udf.send(peer.encode_info())
    assert udf.next().WhichOneof("message") == "info"
    assert udf.end() == 0
    assert udf.log() == ""


def test_init_imports_the_handler_and_its_prints_stay_out_of_the_stream(program: Start) -> None:
    udf = program("Echo")
    udf.start()
    assert udf.end() == 0
    assert udf.rest() == b""
    assert udf.log() == "importing handlers\n"


def test_nothing_that_prints_gets_into_the_stream_and_nothing_reads_from_it(program: Start) -> None:
    udf = program("Noisy")
    udf.start()
    udf.send(point(1), point(2))
    for time in (1, 2):
        response = udf.next_data()
        assert response.point.time == time
        assert response.point.fieldsString["stdin"] == "0"
    assert udf.end() == 0
    log = udf.log()
    for way in ("print", "buffer", "descriptor", "child"):
        assert log.count(f"from {way}\n") == 2


def test_a_lone_point_is_answered(program: Start) -> None:
    udf = program("Echo")
    udf.start()
    for time in range(100):
        udf.send(point(time))
        assert udf.next_data().point.time == time


def test_many_points_are_answered_in_order_and_the_end_is_clean(program: Start) -> None:
    udf = program("Echo", "patience=3600.0")
    udf.start()
    sender = threading.Thread(target=lambda: udf.send(*map(point, range(30_000))))
    sender.start()
    found = [udf.next_data().point.time for _ in range(30_000)]
    sender.join(WAIT)
    assert found == list(range(30_000))
    assert udf.end() == 0
    assert "points_in=30000 points_out=30000" in udf.log()


def test_batches(program: Start) -> None:
    udf = program("Batches")
    udf.start()
    udf.send(peer.encode_batch(Batch("cpu", {"host": "a"}, [Point(n, {"a": 1}) for n in range(3)], 7)))
    response = udf.next_data()
    assert (response.point.time, dict(response.point.fieldsInt)) == (7, {"points": 3})
    assert list(response.point.dimensions) == ["host"]


def test_a_failed_init_is_answered_and_ends_the_process(program: Start) -> None:
    udf = program("Unwilling")
    udf.send(peer.encode_init([], "task", "node"))
    response = udf.next()
    assert not response.init.success
    assert response.init.error == "program: there is no model, train one"
    # Kapacitor does not close stdin then: the process must end by itself.
    assert udf.process.wait(WAIT) == 1
    assert "Init failed: program: there is no model, train one\n" in udf.log()


def test_an_unknown_option_fails_init(program: Start) -> None:
    udf = program("Echo")
    request = wire.Request(init=wire.InitRequest(options=[wire.Option(name="nonsense")]))
    udf.send(frame(request.SerializeToString()))
    assert udf.next().init.error == "program: option 'nonsense' is unknown, this UDF has: none"
    assert udf.process.wait(WAIT) == 1


@pytest.mark.parametrize("handler", ["Stuck", "Lingering"])
def test_the_process_ends_after_the_input_whatever_the_handler_does(program: Start, handler: str) -> None:
    udf = program(handler, "drain=0.2")
    udf.start()
    udf.send(point(-1), point(2), point(3))
    assert udf.end() == 0
    assert "the time to stop is over" in udf.log()


@pytest.mark.parametrize("handler", ["Spawning", "Forking"])
@pytest.mark.parametrize("way", ["end", "kill"])
def test_a_child_that_lives_on_holds_nothing_that_kapacitor_waits_for(program: Start, handler: str, way: str) -> None:
    udf = program(handler)
    udf.start()
    udf.wait_for_log("the child is here")
    child = int(udf.wait_for_log("its pid ").partition("its pid ")[2].partition(".")[0])
    try:
        if way == "end":
            assert udf.end() == 0
        else:
            udf.process.kill()
        assert udf.hung_up()
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_crash_tells_where(program: Start) -> None:
    udf = program("Crashing")
    udf.start()
    udf.send(point(1))
    assert udf.process.wait(WAIT) == -signal.SIGSEGV
    log = udf.log()
    assert "Segmentation fault" in log
    assert "in crash" in log


def test_what_is_written_to_the_descriptor_at_the_end_is_not_lost(program: Start) -> None:
    udf = program("LastWords")
    udf.start()
    assert udf.end() == 0
    assert udf.log().endswith("last words\n")


def test_the_process_ends_though_nobody_reads_its_output(program: Start) -> None:
    udf = program("Echo", "drain=0.2", "patience=0.1", "queue_points=1000")
    udf.start()
    udf.send(*[point(n, text="x" * 1000) for n in range(5000)])
    assert udf.end() == 0


def test_a_stuck_handler_blocks_neither_the_writer_nor_keepalives(program: Start) -> None:
    udf = program("Stuck", "patience=0.05", "queue_points=1000", "drain=0.2")
    udf.start()
    udf.send(point(-1), *map(point, range(100_000)))
    udf.send(peer.encode_keepalive(12345))
    while udf.next().keepalive.time != 12345:
        pass
    udf.wait_for_log("the handler is too slow")
    assert udf.end() == 0
    log = udf.log()
    shed = int(log.partition("shed_points=")[2].split()[0])
    assert 90_000 < shed < 100_000


def test_a_busy_handler_is_vouched_for(program: Start) -> None:
    udf = program("Stuck", "heartbeat=0.02", "drain=0.1")
    udf.start()
    udf.send(point(-1))
    for _ in range(3):
        assert udf.next().WhichOneof("message") == "keepalive"


def test_a_burst_is_not_shed_if_the_handler_gets_through_it(program: Start) -> None:
    udf = program("Echo", "queue_points=500", "patience=60.0")
    udf.start()
    sender = threading.Thread(target=lambda: udf.send(*map(point, range(20_000))))
    sender.start()
    assert [udf.next_data().point.time for _ in range(20_000)] == list(range(20_000))
    sender.join(WAIT)
    assert udf.end() == 0
    assert "shed" not in udf.log()


def test_the_end_of_input_is_noticed_while_reading_pauses(program: Start) -> None:
    udf = program("Stuck", "queue_points=10", "patience=3600.0", "drain=0.2")
    udf.start()
    udf.send(point(-1), *map(point, range(100)))
    assert udf.end() == 0


def test_lines_are_capped(program: Start) -> None:
    udf = program("LongLines")
    udf.start()
    udf.send(point(1), point(2), peer.encode_keepalive(7))
    while udf.next().keepalive.time != 7:
        pass
    assert udf.end() == 0
    log = udf.log()
    assert max(map(len, log.splitlines())) < 5000
    for letter in "xyz":
        assert letter * 500 in log


def test_a_log_that_nobody_reads_does_not_stop_the_data(program: Start) -> None:
    udf = program("Chatty", read_stderr=False)
    udf.start()
    for time in range(3):
        udf.send(point(time))
        assert udf.next_data().point.time == time
    assert udf.end() == 0


@pytest.mark.parametrize("garbage", [b"\xff" * 20, b"\xff\xff\xff\xff\x0f"])
def test_a_stream_that_is_out_of_step_ends_the_process_with_the_reason(program: Start, garbage: bytes) -> None:
    udf = program("Echo")
    udf.start()
    udf.send(point(5), garbage)
    assert udf.next_data().point.time == 5
    assert udf.process.wait(WAIT) == 1
    assert "out of step" in udf.log()


def test_an_oversized_message_costs_only_itself(program: Start) -> None:
    udf = program("Echo", "largest_message=1000")
    udf.start()
    udf.send(point(1), point(2, text="x" * 100_000), point(3))
    assert [udf.next_data().point.time for _ in range(2)] == [1, 3]
    assert udf.end() == 0
    assert "a message of kind point has 100" in udf.log()


def test_an_oversized_restore_is_answered(program: Start) -> None:
    udf = program("Echo", "largest_message=1000")
    udf.start()
    udf.send(peer.encode_restore(bytes(5000)))
    assert udf.next_data().restore.success


def test_time_passes_without_data(program: Start) -> None:
    udf = program("Ticking")
    udf.start()
    for _ in range(3):
        assert dict(udf.next_data().point.fieldsBool) == {"tick": True}
    assert udf.end() == 0


def test_an_interrupt_does_not_end_it(program: Start) -> None:
    udf = program("Echo")
    udf.start()
    udf.process.send_signal(signal.SIGINT)
    udf.send(point(3))
    assert udf.next_data().point.time == 3


def test_it_ends_when_kapacitor_has_gone(program: Start) -> None:
    udf = program("Echo")
    udf.start()
    udf.stdout.close()
    udf.send(point(3))
    assert udf.process.wait(WAIT) == 0
    assert "cannot write to Kapacitor" in udf.log()


def test_a_person_is_told_what_this_is() -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE / "programs")])}
    moving_average = HERE.parent / "examples" / "moving_average.py"
    done = subprocess.run(
        [sys.executable, str(moving_average)],
        check=False,
        stdin=follower,
        capture_output=True,
        env=environment,
        timeout=WAIT,
    )
    os.close(leader)
    os.close(follower)
    assert done.returncode == 2
    assert b"[udf.functions.NAME]" in done.stderr
    assert b".size(10)  how many values [default 10]" in done.stderr


def test_metrics_come_while_nothing_arrives_and_while_the_handler_is_stuck(program: Start) -> None:
    udf = program("Stuck", "metrics=0.05")
    udf.start()
    assert udf.next_data().point.fieldsInt["points_in"] == 0
    udf.send(point(5))
    while (answer := udf.next_data().point).name == "udf":
        pass
    assert answer.time == 5
    while (metrics := udf.next_data().point).fieldsInt["latency_count"] < 1:
        pass
    assert (metrics.fieldsInt["points_in"], metrics.fieldsInt["points_out"]) == (1, 1)
    assert metrics.fieldsInt["latency_le_10000ms"] == 1
    udf.send(point(-1))
    while udf.next_data().point.fieldsInt["points_in"] < 2:
        pass
    udf.send(point(7), point(8))
    while udf.next_data().point.fieldsInt["queued"] < 2:
        pass
    assert udf.end() == 0


def test_the_first_metrics_come_soon_however_seldom_the_others(program: Start) -> None:
    udf = program("Stuck", "metrics=3600")
    udf.start()
    assert udf.next_data().point.fieldsDouble["uptime_s"] < 3600
    assert udf.end() == 0


# Calls that take long


def test_a_point_that_hangs_is_told_and_ends_the_process_with_its_stack(program: Start) -> None:
    udf = program("Stuck", "slow=0.1", "longest_data=0.6")
    udf.start()
    udf.send(point(1), point(-1), point(2))
    assert udf.next_data().point.time == 1
    line = udf.wait_for_log("has been running for")
    assert re.search(
        r"point\(\) has been running for \d+ s, since \d\d:\d\d:\d\d UTC: it is in File .*threading.py", line
    )
    assert "after 0.6 s (the limit longest_data) the process ends" in line
    assert "program: point() has not returned for 0.6 s" in udf.next_data().error.error
    assert udf.process.wait(WAIT) == HUNG
    log = udf.log()
    assert log.count("has been running for") == 1
    assert re.search(
        r"point\(\) has not returned .* The process ends with code 3.*\n(.*\n)* +File .*handlers.py.*in point\n", log
    )
    assert "points_received=3 points_in=1 points_out=1 unhandled=2" in log
    assert max(map(len, log.splitlines())) < 4000


@pytest.mark.parametrize(
    ("method", "request_"), [("tick", b""), ("snapshot", peer.encode_snapshot()), ("restore", b"")]
)
def test_any_call_that_hangs_ends_the_process(program: Start, method: str, request_: bytes) -> None:
    udf = program("HangingElsewhere", f"longest_{method}=0.2", "answer=0.1", HANGS=method)
    udf.start()
    if method == "restore":
        with Harness(program_udf()) as harness:
            request_ = peer.encode_restore(harness.snapshot())
    udf.send(request_)
    if method == "restore":
        assert udf.next_data().restore.success
    assert f"{method}() has not returned for 0.2 s" in udf.next_data().error.error
    assert udf.process.wait(WAIT) == HUNG


def program_udf() -> UDF[Any]:
    """What the program of HangingElsewhere declares, with a snapshot that it would restore."""

    class Remembering(StreamHandler[PointSink]):
        def snapshot(self) -> bytes:
            return b"state"

    return UDF(wants=STREAM, provides=STREAM, handler=Remembering, name="program")


def test_an_init_that_hangs_is_answered_and_ends_the_process(program: Start) -> None:
    udf = program("HangingInit", "answer=0.1", "longest_init=0.5")
    udf.send(peer.encode_init([], "task", "node"))
    assert udf.next_data().init.success
    udf.send(point(1))
    assert "program: init() has not returned for 0.5 s" in udf.next_data().error.error
    assert udf.process.wait(WAIT) == HUNG
    assert "points_received=1 unhandled=1" in udf.log()


def test_a_slow_init_holds_nobody_up_and_loses_nothing(program: Start, tmp_path: Path) -> None:
    udf = program("SlowInit", "answer=0.05", GO=str(tmp_path / "go"))
    udf.send(peer.encode_init([], "task", "node"))
    assert udf.next_data().init.success
    udf.send(peer.encode_restore(b"not a snapshot"))
    assert udf.next_data().restore.success
    udf.send(*map(point, range(100)))
    (tmp_path / "go").touch()
    assert [udf.next_data().point.time for _ in range(100)] == list(range(100))
    assert udf.end() == 0
    assert udf.rest() == b""


def test_an_init_that_fails_after_its_answer_fails_the_task(program: Start, tmp_path: Path) -> None:
    udf = program("LateUnwilling", "answer=0.05", GO=str(tmp_path / "go"))
    udf.send(peer.encode_init([], "task", "node"))
    assert udf.next_data().init.success
    (tmp_path / "go").touch()
    assert udf.next_data().error.error == "program: there is no model, train one"
    assert udf.process.wait(WAIT) == 1


def test_a_snapshot_that_waits_for_long_is_answered_empty_and_once(program: Start) -> None:
    """Kapacitor does not even close the input before it has the answer."""
    udf = program("Stuck", "answer=0.02", "drain=0.2")
    udf.start()
    udf.send(point(-1), peer.encode_snapshot())
    answer = udf.next_data()
    assert answer.WhichOneof("message") == "snapshot"
    assert answer.snapshot.snapshot == b""
    assert udf.end() == 0
    assert udf.rest() == b""


def test_ticks_come_while_slow_points_wait(program: Start) -> None:
    udf = program("SlowTicking")
    udf.start()
    udf.send(*map(point, range(2000)))
    counts = [udf.next_data().point.fieldsInt["points"] for _ in range(4)]
    assert all(after - before <= 12 for before, after in pairwise([0, *counts]))


# Processes


@pytest.mark.parametrize(("way", "code"), [("exit", 7), ("raise", 1), ("return", 0)])
def test_a_forked_child_never_goes_on_with_the_conversation(program: Start, way: str, code: int) -> None:
    udf = program("Leaving", LEAVES=way)
    udf.start()
    udf.send(point(1), point(2))
    assert [(each.point.time, each.point.fieldsInt["code"]) for each in (udf.next_data(), udf.next_data())] == [
        (1, code), (2, code),
    ]  # fmt: skip
    assert udf.end() == 0
    log = udf.log()
    assert log.count("which was forked in point(), ends as point()") == 2
    assert "points_in=2 points_out=2" in log


def test_a_termination_drains_as_the_end_of_input_does(program: Start) -> None:
    udf = program("Closing")
    udf.start()
    udf.send(*map(point, range(1000)))
    assert udf.next_data().point.time == 0
    udf.process.send_signal(signal.SIGTERM)
    assert [udf.next_data().point.time for _ in range(999)] == list(range(1, 1000))
    assert udf.process.wait(WAIT) == 0
    log = udf.log()
    assert "SIGTERM: what has come is handled" in log
    assert "it is closed\n" in log
    assert "points_received=1000 points_in=1000 points_out=1000" in log


def test_a_termination_ends_a_handler_that_is_stuck(program: Start) -> None:
    udf = program("Stuck", "drain=0.2")
    udf.start()
    udf.send(point(1))
    assert udf.next_data().point.time == 1
    udf.send(point(-1), point(2))
    udf.process.send_signal(signal.SIGTERM)
    assert udf.process.wait(WAIT) == 0
    assert "points_received=3 points_in=1 points_out=1 unhandled=2" in udf.log()


def test_a_thread_of_the_handler_that_emits_is_refused_with_a_sentence(program: Start) -> None:
    udf = program("Threaded")
    udf.start()
    udf.send(point(1))
    answer = udf.next_data().point
    assert answer.fieldsString["error"].startswith("out was used in another thread than the one that calls the handler")
    assert udf.end() == 0
    assert "points_in=1 points_out=1" in udf.log()


# The account


def test_what_a_stuck_handler_leaves_is_counted_to_the_point(program: Start) -> None:
    udf = program("Stuck", "drain=0.2")
    udf.start()
    udf.send(*[point(-1 if n == 24 else n) for n in range(100)])
    assert udf.end() == 0
    log = udf.log()
    assert "points_received=100 points_in=24 points_out=24 unhandled=76" in log
    assert "DATA WERE LOST: 76 of 100 points and batches were not handled" in log
    assert "0 were shed as the handler was too slow, and 76 were left when it ended" in log


def test_the_account_does_not_blame_a_slow_handler_alone_for_a_batch_that_was_too_large(program: Start) -> None:
    udf = program("Batches", "largest_batch=1000")
    udf.start()
    udf.send(peer.encode_batch(Batch("cpu", {"host": "a"}, [Point(n, {"a": 1}) for n in range(100)], 7)))
    assert udf.end() == 0
    log = udf.log()
    assert "DATA WERE LOST: 1 of 1 points and batches were not handled" in log
    assert "1 were shed as the handler was too slow or a batch was too large, and 0 were left when it ended" in log


def test_what_comes_while_the_handler_is_made_is_unhandled_at_the_end(program: Start) -> None:
    udf = program("HangingInit", "drain=0.2", "answer=0.05")
    udf.send(peer.encode_init([], "task", "node"))
    assert udf.next_data().init.success
    udf.send(*map(point, range(76)))
    assert udf.end() == 0
    assert "points_received=76 unhandled=76" in udf.log()


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (point(1)[:-3], "the input ended within a message: "),
        (b"\xff\x01"[:1], "the input ended within a message: 1 bytes"),
        (
            peer.encode_batch(Batch("cpu", {}, [Point(1, {"a": 1}), Point(2, {"a": 1})], 7))[:-9],
            "the input ended within",
        ),
    ],
)
def test_an_input_that_ends_in_the_middle_is_told_and_counted(program: Start, frames: bytes, says: str) -> None:
    udf = program("Echo")
    udf.start()
    udf.send(point(5), frames)
    assert udf.next_data().point.time == 5
    assert udf.end() == 0
    log = udf.log()
    assert says in log
    assert "unfinished=" in log


# Systems


def test_it_starts_where_pipes_have_one_size_only(program: Start, tmp_path: Path) -> None:
    """macOS and the BSDs have no F_SETPIPE_SZ."""
    (tmp_path / "sitecustomize.py").write_text("import fcntl\ndel fcntl.F_SETPIPE_SZ\n")
    path = os.pathsep.join([str(tmp_path), str(SOURCE), str(HERE / "programs")])
    udf = program("Noisy", PYTHONPATH=path)
    udf.start()
    udf.send(point(1))
    assert udf.next_data().point.time == 1
    assert udf.end() == 0
    assert "from descriptor" in udf.log()


# Memory


@pytest.mark.parametrize("handler", ["Echo", "Adding"])
@pytest.mark.parametrize("megabytes", [8, 40, 75, 110, 150])
def test_a_message_that_does_not_fit_into_memory_costs_itself_only(
    program: Start, handler: str, megabytes: int
) -> None:
    """The more memory there is, the later it shows: while the message arrives, when it is cut out, decoded or sent."""
    udf = program(handler, str(megabytes), file="small.py")
    udf.start()
    large = 0
    for _ in range(2):
        udf.send(point(1, a=1.0), point(2, a=2.0, text="x" * 30 * 2**20), point(3, a=3.0))
        times = []
        while 3 not in times:
            times.append(udf.next_data().point.time)
        assert times in ([1, 3], [1, 2, 3])
        large += len(times) - 2
    udf.send(point(4, a=4.0))
    assert udf.next_data().point.time == 4
    assert udf.end() == 0
    log = udf.log()
    lost = re.findall(r"(?:undecodable|rejected\[(?:Memory|Encode)Error in \w+\])=(\d+)", log)
    assert large + sum(map(int, lost)) == 2, log
    assert large == 0 or megabytes > 50
