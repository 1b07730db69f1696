"""A recording of a real kapacitord: it disturbs nothing, and can be replayed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemons.daemon import WAIT
from daemons.kapacitord import Collector, Kapacitord
from tests.conformance.starting import program

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]


def test_a_conversation_is_recorded_unharmed_and_replays_equal(
    kapacitord: Start, collector: Collector, environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    udf = [sys.executable, *program("moving_average")]
    recorder = [sys.executable, "-m", "kapacitor_udf", "record", str(folder), "--", *udf]
    kapacitor = kapacitord(commands={"moving_average": recorder}, snapshot_interval="100ms")
    call = "@moving_average().field('usage').size(3)"
    kapacitor.define("t", f"stream|from().measurement('cpu').groupBy('host') {call} |httpPost('{collector.url}')")
    kapacitor.write(*[f"cpu,host={host} usage={time} {time}" for time in range(100) for host in "ab"])
    kapacitor.write("cpu,host=a other=1 200", 'cpu,host=a usage="text" 201', "cpu,host=a usage=1 202")
    assert len(collector.wait_for(201)) == 201
    assert kapacitor.call("PATCH", "/tasks/t", {"status": "disabled"}).status == 200
    kapacitor.assert_healthy()

    info, conversation = sorted(folder.iterdir(), key=lambda file: file.stat().st_size)
    replay = [sys.executable, "-m", "kapacitor_udf", "replay"]
    for file in (info, conversation):
        done = subprocess.run(
            [*replay, str(file), "--", *udf], capture_output=True, text=True, timeout=WAIT,
            env={**os.environ, **environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("equal: ")
