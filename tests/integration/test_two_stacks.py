"""A second stack on the same engine, with the other supported InfluxDB and TLS; then it is torn down, beside the first,
gets new secrets, is brought back by its backup, and is upgraded to the other InfluxDB.

The tests of this module tell one story, so they depend on their order.
"""

from __future__ import annotations

import io
import json
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import pytest
import requests
import yaml
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import secret_files

from anomaly.models.manifest import SCHEMA
from tests.ansible.rendering import value
from tests.integration.data import HISTORY_BEGIN, HISTORY_END, ns, write_printers
from tests.integration.hosts import LABEL
from tests.integration.influx import InfluxError
from tests.integration.pipelines import PRINTER
from tests.integration.playbook import PlayResult
from tests.integration.results import Row, model_files, read
from tests.integration.stack import IMAGE_LABEL, Stack, image_tags
from tests.integration.waiting import PATIENCE_S, wait_for

ROTATED = HISTORY_END + timedelta(minutes=15)
"""The first of ten minutes of points that come while the secrets are rotated."""
HOT = ROTATED + timedelta(minutes=10)
"""When the backup's printer becomes hot, after all other data."""
ALERT = "pipeline=printer,printer=printer-1 period"
"""The alert of its period."""

NOTHING: dict[str, list[str]] = {"containers": [], "networks": [], "volumes": [], "images": []}


@dataclass
class Memory:
    """What a later test compares with."""

    scores: list[Row]
    secrets: dict[str, str]
    models: Any
    places: Any


@dataclass(frozen=True)
class Images:
    """What else is on the engine.

    Attributes:
        own: an image that the stack names, by its record.
        orphan: an image of ours that no container was made from; another stack may name it.
        derived: an image that somebody built on one of ours; it inherits the labels.
    """

    own: str
    orphan: str
    derived: str


def unused_volumes(client: docker.DockerClient) -> set[str]:
    """Names of volumes that no container uses. Anonymous ones have no label that tells whose they were."""
    return {volume.name for volume in client.volumes.list(filters={"dangling": True})}


def assert_no_more_volumes(stack: Stack, before: set[str]) -> None:
    """In time: another worker's containers are gone a moment before their volumes are."""
    wait_for(lambda: unused_volumes(stack.client) <= before, "the volumes of containers that are gone to be gone")


@pytest.fixture(scope="module")
def unused_before(engine: docker.DockerClient) -> set[str]:
    """What others have left on the engine."""
    return unused_volumes(engine)


@pytest.fixture(scope="module")
def second(unused_before: set[str], stack: Stack, new_stack: Callable[..., Stack]) -> Stack:
    """The second stack, deployed while the first one runs."""
    before = stack.settled().incarnations()
    second = new_stack(variables={"influxdb_version": "1.8.10", "stack_tls": True}, pipelines=[PRINTER])
    # As Docker makes it of a mounted file that is missing.
    second.kapacitor_log.mkdir(parents=True)
    second.play("site").succeeded()
    assert stack.incarnations() == before, "deploying one stack touched the other"
    return second


@pytest.fixture(scope="module")
def memory(second: Stack) -> Memory:
    """Data, a model and scores in the second stack."""
    write_printers(second, HISTORY_BEGIN, "4h")
    second.play("train").succeeded()
    second.settled()
    write_printers(second, HISTORY_END, "10m")
    wait_for(lambda: _begins(second) >= _windows(HISTORY_END, 10), "scores of ten minutes", explain=second.logs)
    return Memory(_scores(second), second.secrets(), model_files(second), second.subscription_places())


def test_influxdb_1_8_is_what_runs(second: Stack) -> None:
    (build,) = [series for series in second.influx().query("SHOW DIAGNOSTICS") if series["name"] == "build"]
    assert "1.8.10" in build["values"][0]


def test_a_folder_in_place_of_kapacitors_log_is_repaired_when_empty(second: Stack) -> None:
    assert second.kapacitor_log.is_file()


def test_the_second_run_changes_nothing_with_influxdb_1_8(second: Stack) -> None:
    second.settled().play("site").unchanged()


def test_verify_passes_with_influxdb_1_8(second: Stack) -> None:
    second.settled().play("verify").succeeded()


def test_data_is_scored_with_influxdb_1_8(memory: Memory) -> None:
    begins = {(str(row["printer"]), int(row["time"])) for row in memory.scores}
    assert len(begins) == len(memory.scores)
    # The history's last two windows wait for late points. Whether they close before there is a model depends on the
    # machine.
    before = _windows(HISTORY_END - timedelta(seconds=20), 1 / 3)
    assert begins - before == _windows(HISTORY_END, 10)


def test_stacks_share_nothing(stack: Stack, second: Stack, memory: Memory) -> None:
    assert not set(stack.secrets().values()) & set(second.secrets().values())
    networks = {s.name: set(c.attrs["NetworkSettings"]["Networks"]) for s in (stack, second)
                for c in s.containers().values()}  # fmt: skip
    assert networks == {stack.name: {stack.name}, second.name: {second.name}}


def test_data_is_not_removed_without_the_right_confirmation(second: Stack, memory: Memory) -> None:
    before = second.on_engine(), second.settled_files()
    for extra in ({"teardown_data": True}, {"teardown_data": True, "teardown_confirm": "anomaly"}):
        second.play("teardown", **extra).refused("teardown_confirm", second.name, "fix")
    assert (second.on_engine(), second.settled_files()) == before


@pytest.fixture(scope="module")
def images(second: Stack) -> Iterator[Images]:
    """More images, beside those of the stacks.

    The images that the stacks themselves run from are kept from removal by a container: building them takes minutes.
    """
    client = second.client
    names = (f"influx-anomaly/influxdb:own-{second.name}", f"influx-anomaly/influxdb:0.0.0-{second.name}")
    images = Images(*names, derived=f"influx-anomaly-test/derived:{second.name}")
    for tag, dockerfile in (
        (images.own, f"FROM scratch\nLABEL {IMAGE_LABEL}=influxdb own=yes\n"),
        (images.orphan, f"FROM scratch\nLABEL {IMAGE_LABEL}=influxdb\n"),
        (images.derived, f"FROM {second.image('debian')}\nLABEL mine=yes\n"),
    ):
        client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True)
    keeper = client.containers.create(
        second.container("influxdb").attrs["Config"]["Image"], name=f"{second.name}x-keeper", labels={LABEL: "keeper"}
    )
    record = second.records / "images.lock.json"
    recorded = json.loads(record.read_text())
    recorded["hosts"]["localhost"]["own"] = {"ref": images.own, "id": client.images.get(images.own).id}
    record.write_text(json.dumps(recorded))
    yield images
    keeper.remove(v=True)
    for tag in (images.derived, images.orphan):
        client.images.remove(tag)


def test_jobs_leave_no_volumes(second: Stack, memory: Memory, unused_before: set[str]) -> None:
    """A training ran, and what creates Kapacitor's first admin."""
    assert_no_more_volumes(second, unused_before)


def test_teardown_leaves_nothing_but_data(
    second: Stack, memory: Memory, stack: Stack, images: Images, unused_before: set[str]
) -> None:
    other = stack.incarnations()
    second.play("teardown").succeeded()
    assert second.on_engine() == NOTHING
    assert_no_more_volumes(second, unused_before)
    assert {path.name for path in second.dir.iterdir()} == {"data"}
    assert model_files(second) == memory.models
    assert second.secrets() == memory.secrets
    assert stack.incarnations() == other, "tearing one stack down touched the other"


def test_teardown_removes_the_images_that_nobody_needs(second: Stack, stack: Stack, images: Images) -> None:
    """And no others: neither another stack's, nor one that it does not name, nor what somebody built on one of ours."""
    tags = image_tags(second.client)
    assert images.own not in tags
    assert images.orphan in tags
    assert images.derived in tags
    for service, container in stack.containers().items():
        assert container.attrs["Config"]["Image"] in tags, service
    assert stack.image("debian") in tags


def test_teardown_can_run_again(second: Stack) -> None:
    second.play("teardown").unchanged()


def test_a_diagnosis_needs_no_service(second: Stack, tmp_path: Path) -> None:
    result = second.play("diagnose", diagnose_dir=str(tmp_path)).unchanged()
    (path,) = tmp_path.iterdir()
    assert path.name in result.text
    with tarfile.open(path) as archive:
        names = {member.name.partition("/localhost/")[2] for member in archive}
    assert {"host/system", "engine/version", "influxdb/container.log"} <= names
    for missing in ("influxdb/version", "kapacitor/tasks.json"):
        assert missing not in names
        assert f"missing: localhost/{missing}: " in result.text


def test_the_other_stack_still_works(stack: Stack) -> None:
    stack.settled().play("site").unchanged()
    stack.play("verify").succeeded()


def test_a_deployment_on_kept_data_goes_on_where_it_ended(second: Stack, memory: Memory) -> None:
    second.play("site").succeeded()
    assert second.secrets() == memory.secrets
    assert model_files(second) == memory.models
    assert _scores(second) == memory.scores
    assert second.subscription_places() == memory.places
    begin = HISTORY_END + timedelta(minutes=10)
    second.settled()
    write_printers(second, begin, "5m")
    wait_for(lambda: _begins(second) >= _windows(begin, 5), "scores of the next minutes", explain=second.logs)
    new = [(str(row["printer"]), int(row["time"])) for row in _scores(second)[len(memory.scores) :]]
    assert sorted(new) == sorted(_windows(begin, 5))


def test_rotated_secrets_are_the_only_ones_and_no_window_lacks_its_score(second: Stack, memory: Memory) -> None:
    """An earlier rotation was interrupted when InfluxDB had one of two new passwords. A writer goes on meanwhile: it
    repeats what is refused, and gets to know its new password."""
    tokens = _tokens(second)
    old = second.secrets()
    for name in ("influxdb_admin_password", "influxdb_reader_password"):
        assert secret_files.rotate(second.secrets_dir, name, lambda: f"{secrets.token_hex(20)}\n")
    half = second.secrets()["influxdb_reader_password"]
    second.influx("admin", old["influxdb_admin_password"]).query(f"SET PASSWORD FOR reader = '{half}'")
    catch_up = {"catch_up_from": ROTATED.isoformat()}
    with ThreadPoolExecutor(1) as background:
        running = background.submit(second.play, "rotate-secrets", **catch_up)
        for minute in range(10):
            begin = ROTATED + timedelta(minutes=minute)
            wait_for(lambda begin=begin: _taken(second, begin), "a minute of points", seconds=300)  # type: ignore[misc]
        rotation = running.result().succeeded()

    new = second.secrets()
    assert new["influxdb_reader_password"] == half
    rotated = {name for name, secret in new.items() if secret != old[name]}
    assert rotated >= {name for name in new if name.startswith(("influxdb", "kapacitor"))}
    assert not (second.secrets_dir / secret_files.PREVIOUS).exists()
    assert not [name for name in new if new[name] in rotation.output or old[name] in rotation.output]
    assert len(_tokens(second)) == len(tokens)
    assert _tokens(second).isdisjoint(tokens)
    assert not [token for token in tokens | _tokens(second) if token in rotation.output]
    for user in ("admin", "kapacitor", "trainer", "writer", "reader"):
        second.influx(user).query("SHOW DATABASES")
        with pytest.raises(InfluxError, match="401"):
            second.influx(user, old[f"influxdb_{user}_password"]).query("SHOW DATABASES")
    ping = f"{second.kapacitor_url}/kapacitor/v1/ping"
    for known, status in ((new, 204), (old, 401)):
        secret = known["kapacitor_http_shared_secret"]
        token = value("'admin' | kapacitor_token(secret)", "kapacitor", secret=secret)
        bearer = {"Authorization": f"Bearer {token}"}
        trusted = str(second.ca_file)
        assert requests.get(ping, headers=bearer, verify=trusted, timeout=PATIENCE_S).status_code == status
        basic = ("admin", known["kapacitor_admin_password"])
        assert requests.get(ping, auth=basic, verify=trusted, timeout=PATIENCE_S).status_code == status

    # The keeper does this by itself; these data are too old for its catch-up to look back to.
    second.play("catch-up", **catch_up).succeeded()
    expected = _windows(ROTATED, 10)
    wait_for(lambda: _begins(second) >= expected, "scores of ten minutes", seconds=300, explain=second.logs)
    found = [(str(row["printer"]), int(row["time"])) for row in _scores(second)]
    assert sorted(window for window in found if window in expected) == sorted(expected)


@dataclass(frozen=True)
class Backup:
    """A backup of the second stack.

    Attributes:
        archive: the one file.
        passphrase: the file that opens it.
        content: what was in the stack then.
    """

    archive: Path
    passphrase: Path
    content: dict[str, Any]

    @property
    def key(self) -> dict[str, str]:
        """The variable that opens it."""
        return {"backup_passphrase_file": str(self.passphrase)}

    def restore(self, stack: Stack, archive: Path | None = None, **more: str) -> PlayResult:
        """Runs the playbook, by default with this backup's archive."""
        return stack.play("restore", restore_archive=str(archive or self.archive), **self.key, **more)


@pytest.fixture(scope="module")
def backup(second: Stack, memory: Memory, tmp_path_factory: pytest.TempPathFactory) -> Backup:
    """A backup that is made while a period is open, and told."""
    folder = tmp_path_factory.mktemp("backup")
    fault = {"kind": "offset", "printer": 1, "fields": ["bed"], "at": "30s", "for": "90s", "strength": 10}
    (folder / "faults.yml").write_text(yaml.safe_dump([fault]))
    second.settled()
    write_printers(second, HOT, "2m", "--faults", str(folder / "faults.yml"))
    wait_for(lambda: _begins(second) >= _windows(HOT, 2), "scores of two minutes", explain=second.logs)
    wait_for(lambda: _alerts(second).get(ALERT, "OK") != "OK", "an alert of the open period", explain=second.logs)
    # What the pipeline remembers is written once a minute.
    told, state = time.time(), second.dir / "data" / "state" / "printer.npz"
    wait_for(lambda: state.stat().st_mtime > told, "the next snapshot", seconds=900, explain=second.logs)
    passphrase = folder / "passphrase"
    passphrase.write_text(secrets.token_hex(16))
    content = _content(second.settled())
    before = second.incarnations()
    copies = folder / "copies"
    copies.mkdir()
    second.play("backup", backup_passphrase_file=str(passphrase), backup_copies=[str(copies)]).succeeded()
    assert second.incarnations() == before
    (archive,) = (second.inventory / "backups" / second.name).iterdir()
    assert [copy.read_bytes() for copy in copies.iterdir()] == [archive.read_bytes()]
    code, record = second.container("keeper").exec_run(["cat", "/var/lib/keeper/backup.json"])
    assert isinstance(record, bytes)
    assert code == 0
    assert json.loads(record)["created"] in archive.name
    return Backup(archive, passphrase, content)


def test_a_backup_has_no_secret_in_clear(second: Stack, backup: Backup) -> None:
    content = backup.archive.read_bytes()
    for name, secret in second.secrets().items():
        assert secret.encode() not in content, name
    keys = list((second.secrets_dir / "tls").glob("*.key"))
    assert {key.name for key in keys} == {"ca.key", "localhost.key"}
    for key in keys:
        assert key.read_bytes().splitlines()[1] not in content, key.name
    assert backup.archive.stat().st_mode & 0o077 == 0
    assert "backup" not in {path.name for path in second.dir.iterdir()}
    assert not (second.dir / "data" / "influxdb" / "backup").exists()


def test_a_restore_over_data_needs_the_stacks_name(second: Stack, backup: Backup) -> None:
    before = second.incarnations()
    backup.restore(second).refused("restore_confirm", second.name, "nothing was touched", "fix")
    assert second.incarnations() == before


def test_a_damaged_backup_is_refused_untouched(second: Stack, backup: Backup, tmp_path: Path) -> None:
    before = second.incarnations(), second.secrets()
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(backup.archive.read_bytes()[:-20_000])
    backup.restore(second, damaged, restore_confirm=second.name).refused("nothing was touched", str(damaged))
    assert (second.incarnations(), second.secrets()) == before
    assert _content(second.settled()) == backup.content


def test_teardown_with_both_confirmations_removes_the_data_too(second: Stack) -> None:
    second.play("teardown", teardown_data=True, teardown_confirm=second.name).succeeded()
    assert second.on_engine() == NOTHING
    assert not second.dir.exists()
    assert not second.secrets_dir.exists()
    second.play("teardown", teardown_data=True, teardown_confirm=second.name).unchanged()


def test_a_backup_brings_back_a_stack_that_is_gone(second: Stack, backup: Backup) -> None:
    backup.restore(second).succeeded()
    assert _content(second.settled()) == backup.content
    assert not list(second.dir.rglob("*.replaced"))
    begin = HOT + timedelta(minutes=2)
    write_printers(second, begin, "5m")
    wait_for(lambda: _begins(second) >= _windows(begin, 5), "scores of the next minutes", explain=second.logs)
    new = [(str(row["printer"]), int(row["time"])) for row in _scores(second)[len(backup.content["scores"]) :]]
    assert sorted(new) == sorted(_windows(begin, 5))
    # The period that was open goes on where it was, and ends.
    wait_for(lambda: _alerts(second)[ALERT] == "OK", "the end of the period", explain=second.logs)
    ended = {(row["printer"], row["begin_ms"]) for row in read(second.influx("reader"), "period", "printer")}
    assert ended >= {(row["printer"], row["begin_ms"]) for row in backup.content["periods"]}


def test_an_upgrade_whose_verification_fails_is_rolled_back(second: Stack, backup: Backup) -> None:
    before, images = _content(second.settled()), _images(second)
    del second.variables["influxdb_version"]
    second.variables["influxdb_config"] = {"http": {"auth-enabled": False}}

    result = second.play("upgrade", upgrade_patience=30, **backup.key)

    result.refused("was rolled back", "refuses requests", "data stay as they are", "no problem that it did not have")
    assert "InfluxDB 1.8.10 -> 1.12.4" in result.text
    assert _images(second) == images
    assert _content(second.settled()) == before
    with pytest.raises(InfluxError, match="401"):
        second.influx(password="wrong").query("SHOW DATABASES")
    assert not (second.dir / "upgrade").exists()


def test_a_rollback_can_take_the_points_of_the_backup(second: Stack, backup: Backup) -> None:
    """What was written after the backup is kept beside them."""
    before, images = _content(second.settled()), _images(second)
    assert before["points"] != backup.content["points"]

    result = second.play("upgrade", upgrade_patience=30, upgrade_rollback_data="backup", **backup.key)

    result.refused("data are those of the backup", "data/influxdb.after-upgrade", "no problem that it did not have")
    assert _images(second) == images
    data = {name: backup.content[name] for name in ("points", "scores", "periods")}
    assert _content(second.settled()) == {**before, **data}
    assert (second.dir / "data" / "influxdb.after-upgrade" / "data" / "printer").is_dir()
    assert not (second.dir / "upgrade").exists()


def test_an_upgrade_trains_before_the_switch_and_keeps_all_else(second: Stack, backup: Backup) -> None:
    old = _age_model(second)
    before, containers = _content(second), second.incarnations()
    del second.variables["influxdb_config"]
    dry_run = second.play("upgrade", "--check", **backup.key).succeeded()
    assert "InfluxDB 1.8.10 -> 1.12.4" in dry_run.text
    assert f"models of an earlier schema than {SCHEMA} are trained again: printer" in dry_run.text
    assert second.incarnations() == containers

    second.play("upgrade", **backup.key).succeeded()

    assert "influxdb:1.12.4" in _images(second)["influxdb"]
    after = _content(second.settled())
    # The list of promotions has one more.
    kept = {path: content for path, content in before["models"].items() if not path.endswith("promotions.json")}
    assert after["models"].items() >= kept.items()
    assert {**after, "models": None, "current": None} == {**before, "models": None, "current": None}
    new = json.loads(_manifest(second).read_text())
    assert (new["schema"], new["range"], new["seed"]) == (SCHEMA, old["range"], old["seed"])
    assert new["created"] < second.container("influxdb").attrs["State"]["StartedAt"]
    begin = HOT + timedelta(minutes=7)
    write_printers(second, begin, "1m")
    wait_for(lambda: _begins(second) >= _windows(begin, 1), "scores of the next minute", explain=second.logs)
    assert _scores(second)[-1]["model"] == new["version"] != old["version"]


def test_an_upgrade_has_nothing_to_do_twice(second: Stack, backup: Backup) -> None:
    result = second.settled().play("upgrade", **backup.key).unchanged()
    assert "Nothing is to be done" in result.text


def test_a_downgrade_is_refused_before_anything_changes(second: Stack, backup: Backup) -> None:
    before = second.incarnations()
    second.variables["influxdb_version"] = "1.8.10"
    second.play("upgrade", **backup.key).refused("influxdb_version = 1.8.10", "InfluxDB 1.12.4 runs here", "fix")
    assert second.incarnations() == before

    for container in second.containers().values():
        container.remove(force=True, v=True)
    second.variables["kapacitor_version"] = "1.8.5"
    second.play("site").refused("InfluxDB 1.12.4 wrote the data", "Kapacitor 1.8.6 wrote the data", "restore a backup")
    assert second.on_engine()["containers"] == []


def _manifest(stack: Stack) -> Path:
    """That of the model that is current."""
    return stack.dir / "data" / "models" / "printer" / "current" / "manifest.json"


def _age_model(stack: Stack) -> Any:
    """Give the current model the schema of an earlier release, and return its manifest."""
    path = _manifest(stack)
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "schema": SCHEMA - 1}))
    return manifest


def _images(stack: Stack) -> dict[str, str]:
    """The image of each service."""
    return {service: container.attrs["Config"]["Image"] for service, container in stack.containers().items()}


def _tokens(stack: Stack) -> set[str]:
    """The tokens by which InfluxDB hands points to Kapacitor."""
    found = [entry for entries in stack.influx().subscriptions().values() for entry in entries]
    return {urlsplit(url).password or "" for entry in found for url in entry["destinations"]}


def _taken(stack: Stack, begin: datetime) -> bool:
    """Write a minute of points, and return whether InfluxDB took them from the writer as it is known now."""
    try:
        write_printers(stack, begin, "1m")
    except AssertionError as error:
        # What else goes wrong must not be repeated until the time is over.
        if "401" not in str(error) and "authoriz" not in str(error):
            raise
        return False
    return True


def _alerts(stack: Stack) -> dict[str, str]:
    """The level of each alert that the stack's topic keeps."""
    answer = stack.kapacitor().request("GET", f"/alerts/topics/{stack.name}/events?min-level=OK").json()
    return {event["id"]: event["state"]["level"] for event in answer["events"]}


def _content(stack: Stack) -> dict[str, Any]:
    """What a backup must bring back."""
    influx = stack.influx()
    return {
        "points": influx.rows("SELECT * FROM temperature", "printer"),
        "scores": _scores(stack),
        "periods": read(influx, "period", "printer"),
        "tasks": {
            name: {key: task[key] for key in ("script", "vars", "dbrps", "status", "executing", "template-id")}
            for name, task in stack.kapacitor().tasks().items()
        },
        # Kapacitor forgets alerts that are over when it is started anew.
        "alerts": {name: level for name, level in _alerts(stack).items() if level != "OK"},
        "models": {
            path: (stack.folder / path).read_bytes()
            for path, (_, _, kind) in model_files(stack).items()
            if kind == "file"
        },
        "current": (stack.dir / "data" / "models" / "printer" / "current").readlink(),
        "places": stack.subscription_places(),
        "secrets": stack.secrets(),
        "authority": stack.ca_file.read_text() if stack.ca_file else "",
    }


def _scores(stack: Stack) -> list[Row]:
    return read(stack.influx("reader"), "score", "printer")


def _begins(stack: Stack) -> set[tuple[str, int]]:
    """The printer and the begin of each window that has a score."""
    return {(str(row["printer"]), int(row["time"])) for row in _scores(stack)}


def _windows(begin: datetime, minutes: float) -> set[tuple[str, int]]:
    """The printer and the begin of each window of some minutes, of both printers."""
    return {
        (printer, ns(begin) + window * 10 * 10**9)
        for printer in ("printer-1", "printer-2")
        for window in range(round(minutes * 6))
    }
