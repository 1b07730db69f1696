"""Recording and replaying real processes by the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kapacitor_udf
from kapacitor_udf import Point
from kapacitor_udf import _peer as peer

HERE = Path(__file__).parent
SOURCE = Path(kapacitor_udf.__file__).parents[1]
UNSTEADY = [sys.executable, str(HERE / "programs" / "unsteady.py")]
WAIT = 120


def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """`python -m kapacitor_udf`, with these in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "kapacitor_udf", *map(str, arguments)],
        input=REQUESTS, capture_output=True, timeout=WAIT, env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
    )  # fmt: skip


POINTS = 3000
REQUESTS = b"".join(
    [
        peer.encode_info(),
        peer.encode_init([], "task", "node"),
        peer.encode_keepalive(5),
        *[
            peer.encode_point(Point(time, {"a": 1.0, "b": True, "c": "x"}, {"t": "1", "u": "2"}))
            for time in range(POINTS)
        ],
        peer.encode_snapshot(),
    ]
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings") / "new"
    done = command("record", folder, "--", *UNSTEADY)
    assert done.returncode == 0, done.stderr
    assert len(peer.data(response for response in peer.responses(done.stdout))) == POINTS
    (file,) = folder.iterdir()
    return file


def test_the_same_udf_answers_the_same(recording: Path) -> None:
    done = command("replay", recording, "--", *UNSTEADY)
    assert done.returncode == 0, done.stdout
    assert done.stdout.decode() == (
        f"equal: {POINTS + 3} requests, {POINTS + 3} responses recorded, {POINTS + 3} replayed\n"
    )


def test_other_answers_are_shown(recording: Path) -> None:
    done = command("replay", recording, "--", *UNSTEADY, ADD="2")
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert '- 2: point ,t=1,u=2 a=2.0,b=true,c="x" 0' in lines
    assert lines[-1].startswith("different: ")


def test_a_missing_answer_is_one_difference(recording: Path) -> None:
    done = command("replay", recording, "--", *UNSTEADY, SKIP="1")
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert lines[0] == '- 502: point ,t=1,u=2 a=2.0,b=true,c="x" 500'
    assert len(lines) == 2


def test_what_a_udf_says_by_itself_can_be_ignored(recording: Path) -> None:
    assert command("replay", recording, "--paced", "--ignore", "own", "--", *UNSTEADY, TICKS="1").returncode == 0


def test_a_udf_that_ends_early_is_told(recording: Path) -> None:
    done = command("replay", recording, "--", *UNSTEADY, CRASH="1")
    assert done.returncode == 2
    assert b"replay: the UDF" in done.stderr


def test_a_udf_that_says_nothing_is_told(recording: Path) -> None:
    silent = [sys.executable, "-c", "import sys; sys.stdin.buffer.read()"]
    done = command("replay", "--patience", "0.5", recording, "--", *silent)
    assert done.returncode == 2
    assert b"the UDF has said nothing for 0.5 s" in done.stderr


def test_show_prints_each_message(recording: Path) -> None:
    done = command("show", recording)
    lines = done.stdout.decode().splitlines()
    assert lines[0].endswith(" ".join(UNSTEADY))
    texts = [line[13:] for line in lines[1:]]
    assert texts[:2] == ["> info", "> init task='task' node='node'"]
    assert '> point ,t=1,u=2 a=1.0,b=true,c="x" 0' in texts
    assert '< point ,t=1,u=2 a=2.0,b=true,c="x" 0' in texts
    assert "< info wants=STREAM provides=STREAM options=[]" in texts
    assert len(texts) == 2 * (POINTS + 3)


def test_the_command_ends_the_recording_with_its_exit_code(tmp_path: Path) -> None:
    done = command("record", tmp_path, "--", sys.executable, "-c", "raise SystemExit(7)")
    assert done.returncode == 7


def test_a_folder_that_cannot_be_written_does_not_stop_the_udf(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = command("record", tmp_path / "file", "--", *UNSTEADY)
    assert done.returncode == 0
    assert b"record: nothing is recorded: " in done.stderr
    assert len(peer.data(peer.responses(done.stdout))) == POINTS


def test_the_size_limit_ends_the_recording_only(tmp_path: Path) -> None:
    done = command("record", "--largest", "0", tmp_path, "--", *UNSTEADY)
    assert done.returncode == 0
    assert b"nothing more is recorded" in done.stderr
    assert len(peer.data(peer.responses(done.stdout))) == POINTS


def test_the_end_of_the_command_is_the_end_though_nobody_reads(tmp_path: Path) -> None:
    flood = [sys.executable, "-c", "import os\nwhile True: os.write(1, bytes(65536))"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kapacitor_udf", "record", str(tmp_path), "--", "timeout", "-k1", "1", *flood],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert process.wait(WAIT) == 124
    assert process.stdin and process.stdout
    process.stdin.close()
    process.stdout.close()


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = command("record", tmp_path, "--", "/nonexistent/udf")
    assert done.returncode == 2
    assert b"/nonexistent/udf" in done.stderr
