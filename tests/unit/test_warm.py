"""tests/warm.py runs tests in forks of one process, and says how each run ended."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.scripts import ROOT

WARM = str(ROOT / "tests" / "warm.py")
TEST = """from pathlib import Path
from anomaly.training.fit import train

def test_content():
    content = (Path(__file__).parent / "content").read_text()
    assert content != "wrong"
    while content == "endless":
        pass
"""


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[str]:
    """Yield the socket of a server that has started."""
    (tmp_path / "test_content.py").write_text(TEST)
    path = tmp_path / "socket"
    environment = {"PYTHONPATH": f"{ROOT}/udf/anomaly/src:{ROOT}/udf/kapacitor_udf/src", "PATH": "/usr/bin:/bin"}
    server = subprocess.Popen([sys.executable, WARM, "serve", str(path)], cwd=tmp_path, env=environment)
    try:
        while not path.exists():
            assert server.poll() is None
            time.sleep(0.05)
        yield str(path)
    finally:
        server.kill()
        server.wait()


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
