"""tests/warm.py runs tests in forks of one process, says how each run ended, and ends with who started it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.scripts import ROOT

WARM = str(ROOT / "tests" / "warm.py")
TEST = """import os
from pathlib import Path
from anomaly.training.fit import train

def test_content():
    content = (Path(__file__).parent / "content").read_text()
    assert content != "wrong"
    if content == "endless":
        (Path(__file__).parent / f"process-{os.getpid()}").touch()
    while content == "endless":
        pass
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a server that has started."""
    (tmp_path / "test_content.py").write_text(TEST)
    path = tmp_path / "socket"
    words = [sys.executable, WARM, "serve", str(path)]
    environment = {"PYTHONPATH": f"{ROOT}/udf/anomaly/src:{ROOT}/udf/kapacitor_udf/src", "PATH": "/usr/bin:/bin"}
    server = subprocess.Popen(words, cwd=tmp_path, env=environment, stdin=subprocess.PIPE)
    try:
        while not path.exists():
            assert server.poll() is None
            time.sleep(0.05)
        yield server
    finally:
        server.kill()
        server.communicate()


@pytest.fixture
def socket(server: subprocess.Popen[bytes], tmp_path: Path) -> str:
    """Return the socket of the server."""
    return str(tmp_path / "socket")


def ask(socket: str, mode: str, content: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    folder = Path(socket).parent
    (folder / "content").write_text(content)
    words = [sys.executable, "-S", WARM, mode, socket, str(folder / "test_content.py")]
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)


def test_each_run_sees_the_files_as_they_are_and_none_outlives_its_asker(socket: str) -> None:
    passed, failed = ask(socket, "learn", "right"), ask(socket, "run", "wrong")
    with pytest.raises(subprocess.TimeoutExpired):
        ask(socket, "run", "endless", timeout=0.5)
    again = ask(socket, "run", "right")

    assert [run.returncode for run in (passed, failed, again)] == [0, 1, 0]
    assert "1 passed" in passed.stdout
    assert "1 failed" in failed.stdout


def test_a_server_ends_with_its_standard_input_and_kills_the_run_under_way(
    server: subprocess.Popen[bytes], socket: str
) -> None:
    folder = Path(socket).parent
    with ThreadPoolExecutor() as threads:
        under_way = threads.submit(ask, socket, "run", "endless")
        while not (marks := list(folder.glob("process-*"))):
            assert not under_way.done()
            time.sleep(0.05)

        server.communicate(timeout=60)

    assert server.returncode == 0
    assert under_way.result().returncode == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int(marks[0].name.removeprefix("process-")), 0)
