"""`python -m kapacitor_udf run|serve|check`: UDFs that modules declare."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import kapacitor_udf
from kapacitor_udf import Point
from kapacitor_udf import _peer as peer

HERE = Path(__file__).parent
SOURCE = Path(kapacitor_udf.__file__).parents[1]
EXAMPLES = HERE.parent / "examples"
WAIT = 60


def command(*arguments: object, given: bytes = b"", path: Path = EXAMPLES) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{path}"}
    return subprocess.run(
        [sys.executable, "-m", "kapacitor_udf", *map(str, arguments)],
        input=given, capture_output=True, timeout=WAIT, env=environment,
    )  # fmt: skip


def test_run_talks_to_kapacitor(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("print('loud')\nfrom echo import udf\n")
    (tmp_path / "echo.py").write_bytes((EXAMPLES / "echo.py").read_bytes())
    point = Point(1, {"a": 1.0}, dimensions=[])
    requests = peer.encode_info() + peer.encode_init([], "t", "n") + peer.encode_point(point)
    done = command("run", "loud", given=requests, path=tmp_path)
    assert done.returncode == 0, done.stderr
    assert peer.data(peer.responses(done.stdout)[2:]) == [point]
    assert b"loud" in done.stderr


def test_serve_listens(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kapacitor_udf", "serve", "--mode", "600", str(tmp_path / "s"), "moving_average:udf"],
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{EXAMPLES}"},
    )  # fmt: skip
    assert process.stderr
    try:
        assert b"moving_average listens on" in process.stderr.readline()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT)
            connection.connect(str(tmp_path / "s"))
            connection.sendall(peer.encode_info())
            (answer,) = peer.responses(connection.recv(2**16))
            assert set(answer.info.options) == {"field", "size", "as"}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0
        process.stderr.close()


def test_check_tells_what_a_udf_is() -> None:
    done = command("check", "moving_average")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert text.startswith("moving_average: It wants a stream and provides a stream. Options:\n")
    assert "  .field('text')  the field to average [required]\n" in text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import absent", "cannot import the module mine: ModuleNotFoundError: No module named 'absent'"),
        ("x = 1", "the module mine has no variable 'udf', expected a UDF: udf = UDF(...)"),
        ("udf = 1", "the module mine has 1 as 'udf', expected a UDF"),
        (
            "from kapacitor_udf import *\nudf = UDF(wants=STREAM, provides=STREAM, handler='absent:Handler')",
            "cannot import the handler absent:Handler",
        ),
        ("from kapacitor_udf import *\nudf = UDF(wants=1, provides=STREAM, handler=int)", "wants is 1"),
    ],
)
def test_check_tells_what_is_wrong(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(source)
    done = command("check", "mine", path=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.decode()


def test_limits_are_set_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text("from echo import udf\n")
    (tmp_path / "echo.py").write_bytes((EXAMPLES / "echo.py").read_bytes())
    requests = peer.encode_init([], "t", "n") + peer.encode_point(Point(1, {"a": "x" * 500}))
    done = command("run", "--limit", "largest_message=100", "small", given=requests, path=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"at most 100 are accepted" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--limit", "drain=-1", "echo"), "run: the limit drain is -1.0, expected a number from 0.001"),
        (("serve", "--limit", "patience=inf", "s", "echo"), "serve: the limit patience is inf, expected a number"),
        (("run", "--limit", "size=3", "echo"), "run: the limit 'size=3' is unknown, give NAME=VALUE of: queue_points"),
        (("replay", "--patience", "nan", "file", "--", "true"), "replay: --patience is nan, expected a number"),
        (("record", "--largest", "-1", "folder", "--", "true"), "record: --largest is -1, expected an integer from 0"),
    ],
)
def test_a_number_that_cannot_be_is_refused(arguments: tuple[str, ...], says: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert says in done.stderr.decode()


def test_check_finds_a_tick_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from kapacitor_udf import *\n"
        "class Ticking(StreamHandler):\n    tick_seconds = 0\n"
        "udf = UDF(wants=STREAM, provides=STREAM, handler='mine:Ticking')\n"
    )
    done = command("check", "mine", path=tmp_path)
    assert done.returncode == 2
    assert "tick_seconds is 0, expected a number from 0.001 to 86400.0" in done.stderr.decode()
