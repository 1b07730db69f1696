"""The script that starts InfluxDB in its container: it waits for a volume that takes files."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "influxdb" / "files" / "run.sh"
# Stands for a volume that is read-only: root may write into every folder.
TOUCH = """#!/bin/sh
[ ! -e "$READ_ONLY" ] && exec /usr/bin/touch "$@"
exit 1
"""
INFLUXD = """#!/bin/sh
[ "$1" = version ] && echo "InfluxDB 1.12.4 (git: none none)" && exit
echo "started with $*"
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The script on a volume that is read-only as long as there is the file `read-only`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("touch", TOUCH), ("influxd", INFLUXD)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / "volume" / "wal").mkdir(parents=True)
    (tmp_path / "read-only").touch()
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "INFLUXDB_DATA_WAL_DIR": str(tmp_path / "volume" / "wal"),
        "READ_ONLY": str(tmp_path / "read-only"),
    }
    with subprocess.Popen(
        ["/bin/sh", str(SCRIPT), "-config", "c"],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_influxdb_starts_once_its_volume_takes_files(script: subprocess.Popen[str], tmp_path: Path) -> None:
    assert script.stderr is not None
    assert script.stderr.readline() == f"run.sh: {tmp_path}/volume takes no files: waiting until it does\n"
    assert script.poll() is None

    (tmp_path / "read-only").unlink()
    out, more = script.communicate(timeout=30)

    assert (out, more, script.returncode) == ("started with -config c\n", "", 0)
    assert sorted(path.name for path in (tmp_path / "volume").iterdir()) == ["wal", "written-by"]
    assert (tmp_path / "volume" / "written-by").read_text() == "1.12.4\n"


def test_a_mount_that_stays_read_only_is_made_anew_by_the_engine(tmp_path: Path) -> None:
    """The engine starts a container at once that ends after ten seconds or more; here the seconds are none."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("touch", "exit 1"), ("sleep", "echo slept"), ("influxd", "echo started")):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "wal").mkdir()
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "INFLUXDB_DATA_WAL_DIR": str(tmp_path / "wal")}

    ended = subprocess.run(
        ["/bin/sh", str(SCRIPT)], env=environment, text=True, capture_output=True, timeout=30, check=False
    )

    assert (ended.returncode, ended.stdout) == (1, 12 * "slept\n")
    assert ended.stderr.count("takes no files") == 1


def test_a_container_that_waits_can_be_stopped(script: subprocess.Popen[str]) -> None:
    assert script.stderr is not None
    script.stderr.readline()

    script.send_signal(signal.SIGTERM)
    out, _ = script.communicate(timeout=30)

    assert (out, script.returncode) == ("", 0)
