"""What a rollback of an upgrade rests on: which data of the newer InfluxDB the older one reads, and how that shows."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.filter.upgrade import upgrade_data_problem
from ansible_collections.influx_anomaly.stack.plugins.modules.preflight_host import written_by
from ansible_collections.influx_anomaly.stack.plugins.modules.stack_data_info import influxdb_data
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.versions import version_key

from daemons.binaries import binary
from daemons.images import OLD_INFLUXDB
from daemons.influxd import Influxd

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "influxdb" / "files" / "run.sh"
DATABASE = "upgraded"


class Versions:
    """Both versions of InfluxDB on one folder of data, one at a time.

    Args:
        old: the older program.
        new: the newer one.
        folder: takes the data, and a link to the program that is started next.
    """

    def __init__(self, old: Path, new: Path, folder: Path) -> None:
        self._programs = {"old": old, "new": new}
        self._link = folder / "bin" / "influxd"
        self._link.parent.mkdir()
        self._link.symlink_to(old)
        self.data = folder / "influxdb"
        self.influxd = Influxd(self._link, self.data, SCRIPT)
        self.influxd.create(DATABASE)

    def change(self, version: str) -> None:
        """Start the `old` or the `new` one; none must run."""
        self._link.unlink()
        self._link.symlink_to(self._programs[version])
        self.influxd.start()

    def write(self, field: str) -> None:
        """Write a point that has one field."""
        self.influxd.client.write([f"m {field}=1 1"], DATABASE)

    def fields(self) -> list[str]:
        """The fields of the stored point."""
        chunks = self.influxd.client.query("SELECT * FROM m", DATABASE)
        return sorted(name for chunk in chunks for name in chunk.columns if name != "time")

    def look(self) -> dict[str, Any]:
        """What the module says of the data."""
        return influxdb_data(self.data, os.getuid(), os.getgid())

    def written_by(self) -> str:
        """The version that was started on the data last."""
        return written_by(str(self.data))


@pytest.fixture
def versions(influxd_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Versions]:
    """The older version has written a point, and ended."""
    # As the role configures it.
    monkeypatch.setenv("INFLUXDB_DATA_INDEX_VERSION", "tsi1")
    (tmp_path / "old").mkdir()
    old = binary("influxd", "influxdb", tmp_path / "old", "--influxdb-version", OLD_INFLUXDB)
    versions = Versions(old, influxd_binary, tmp_path)
    with versions.influxd:
        versions.write("first")
        versions.influxd.stop()
        yield versions


def test_the_older_influxdb_reads_what_the_newer_one_wrote_before_it_ended(versions: Versions) -> None:
    before = versions.look()
    assert versions.written_by() == OLD_INFLUXDB
    versions.change("new")
    versions.write("second")
    while_it_runs = versions.look()
    versions.influxd.stop()
    after = versions.look()
    assert version_key(versions.written_by()) > version_key(OLD_INFLUXDB)
    versions.change("old")

    assert versions.fields() == ["first", "second"]
    assert (before["in_memory"], before["shards"]) == (0, 1)
    # The log is there while it runs, and an older one could not read it then.
    assert upgrade_data_problem(while_it_runs, OLD_INFLUXDB)
    assert not upgrade_data_problem(after, OLD_INFLUXDB)
    assert after["formats"] == {"tsm": [], "index": [1], "series": [1]}


def test_fields_that_a_killed_influxdb_had_in_its_log_are_seen_as_a_problem(versions: Versions) -> None:
    versions.change("new")
    versions.write("second")
    versions.influxd.process.kill()
    versions.influxd.process.wait()
    found, newer = versions.look(), versions.written_by()
    versions.change("old")

    assert upgrade_data_problem(found, OLD_INFLUXDB)
    assert not upgrade_data_problem(found, newer)
    assert versions.fields() == ["first"], "the older one reads this log now: the role upgrade may leave such data"
