"""`anomaly keeper-health`: its exit code is what the container's health check takes."""

import time
from pathlib import Path

from anomaly.keeper.heartbeat import write_heartbeat
from tests.unit.anomaly.cli.command import Run


def test_it_ends_with_0_only_while_the_keeper_looks(run: Run, tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    before = run("keeper-health", "--heartbeat", str(heartbeat))
    now_ns = time.time_ns()
    write_heartbeat(heartbeat, [], [], now_ns, now_ns)
    looking = run("keeper-health", "--heartbeat", str(heartbeat))
    write_heartbeat(heartbeat, [], [], now_ns, now_ns - 400 * 10**9)
    late = run("keeper-health", "--heartbeat", str(heartbeat), "--patience", "300")

    assert [ran.code for ran in (before, looking, late)] == [1, 0, 1]
    assert "the keeper has not looked yet" in before.err
    assert "the keeper looks, and detection is up" in looking.err
    assert "which is more than 300 s" in late.err
