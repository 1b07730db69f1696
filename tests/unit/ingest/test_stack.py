import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest import stack
from ingest.cli import main
from ingest.errors import IngestError
from ingest.stack import Destination, find_writer

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import FakeInfluxDB
else:
    FakeInfluxDB = Any


def record(
    root: Path, name: str = "anomaly", url: str | None = "http://127.0.0.1:18086", file: str | None = "pw"
) -> Path:
    """Write a summary as playbooks/site.yml does for the inventory inventory/local, and return its path."""
    path = root / "build" / "local" / name / "summary.json"
    path.parent.mkdir(parents=True)
    writer = {"username": "writer", "password_file": file}
    path.write_text(json.dumps({"influxdb": {"url": url, "writer": writer}}), encoding="utf-8")
    return path


def test_an_inventory_leads_to_the_port_of_its_stack(tmp_path: Path) -> None:
    record(tmp_path)
    found = find_writer(Path("inventory/local"), tmp_path)
    assert found == Destination("http://127.0.0.1:18086", "writer", tmp_path / "pw")


def test_an_inventorys_file_leads_to_the_stack_of_its_folder(tmp_path: Path) -> None:
    record(tmp_path)
    inventory = tmp_path / "local" / "hosts.yml"
    inventory.parent.mkdir()
    inventory.touch()

    assert find_writer(inventory, tmp_path).username == "writer"


def test_a_summary_can_be_named(tmp_path: Path) -> None:
    path = record(tmp_path, file=None)
    record(tmp_path, name="other", url="http://127.0.0.1:1")
    assert find_writer(path, tmp_path) == Destination("http://127.0.0.1:18086", "writer", None)


def test_an_inventory_without_a_deployed_stack_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"no summary\.json of a deployed stack\. Fix: run playbooks/site\.yml first"):
        find_writer(Path("inventory/local"), tmp_path)


def test_several_stacks_of_an_inventory_are_named(tmp_path: Path) -> None:
    record(tmp_path)
    record(tmp_path, name="second")
    with pytest.raises(IngestError, match=r"build/local/anomaly/summary\.json, build/local/second/summary\.json"):
        find_writer(Path("inventory/local"), tmp_path)


@pytest.mark.parametrize("content", ["{", "{}", '{"influxdb": null}', '{"influxdb": {"url": "http://x"}}'])
def test_a_summary_without_influxdb_is_an_error(tmp_path: Path, content: str) -> None:
    path = record(tmp_path)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(IngestError, match="does not say where InfluxDB is"):
        find_writer(path, tmp_path)


def test_a_stack_without_an_address_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="has no address of InfluxDB"):
        find_writer(record(tmp_path, url=None), tmp_path)


def test_points_go_to_the_stack_as_its_writer(
    influxdb: FakeInfluxDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pw").write_text("secret-1\n", encoding="utf-8")
    path = record(tmp_path, url=influxdb.url, file=str(tmp_path / "pw"))
    monkeypatch.setattr(stack, "ROOT", tmp_path)

    assert main(["printer", "--length", "10s", "--stack", str(path)]) == 0

    assert len(influxdb.lines) == 20
    assert influxdb.authorizations[0] is not None


def test_the_stacks_authority_is_that_of_the_summary(tmp_path: Path) -> None:
    path = record(tmp_path)
    assert find_writer(path, tmp_path).ca_file is None
    path.write_text(json.dumps({**json.loads(path.read_text()), "ca_file": "secrets/tls/ca.pem"}))
    assert find_writer(path, tmp_path).ca_file == tmp_path / "secrets/tls/ca.pem"


def test_what_is_given_beside_the_stack_counts(influxdb: FakeInfluxDB, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("secret-1\n", encoding="utf-8")
    path = record(tmp_path, url="http://127.0.0.1:1", file=str(tmp_path / "pw"))
    assert main(["printer", "--length", "10s", "--stack", str(path), "--url", influxdb.url]) == 0
    assert len(influxdb.lines) == 20
