"""What InfluxDB has confirmed stays, also after a torn write: the role's script, and a real influxd."""

from pathlib import Path

from daemons.influxd import Influxd

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "influxdb" / "files" / "run.sh"


def write(influxd: Influxd, *times: int) -> None:
    """Write a point at each time."""
    influxd.client.write([f"m v=1 {time}" for time in times], "torn")


def times(influxd: Influxd) -> list[int]:
    """The times of the stored points."""
    return [row[0] for chunk in influxd.client.query("SELECT v FROM m", "torn") for row in chunk.rows]


def killed(influxd: Influxd) -> list[Path]:
    """Kill it; return the segments of its log."""
    influxd.process.kill()
    influxd.process.wait()
    return sorted(influxd.wal.glob("torn/*/*/_*.wal"))


def test_a_write_after_a_torn_one_survives_the_next_kill(influxd_binary: Path, tmp_path: Path) -> None:
    with Influxd(influxd_binary, tmp_path / "influxdb", SCRIPT) as influxd:
        influxd.create("torn")
        write(influxd, 1)
        *_, last = killed(influxd)
        entry = last.read_bytes()
        # Half of an entry, as a full disk leaves it.
        last.write_bytes(entry + entry[: len(entry) // 2])
        influxd.start()
        assert times(influxd) == [1]
        write(influxd, 2)
        killed(influxd)
        influxd.start()
        assert times(influxd) == [1, 2]
        write(influxd, 3)
        assert len(killed(influxd)) == 3
        # A start without writes between makes no further segments.
        influxd.start()
        assert len(killed(influxd)) == 3
