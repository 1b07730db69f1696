"""The command line: exit codes, the last line of stdout, and messages with a fix, most of them of `anomaly train`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from anomaly.models.store import Store
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.cli.command import PIPELINE, Ran, Run
from tests.unit.anomaly.influxdb_double import InfluxDB, serve
from tests.unit.anomaly.models.test_store import outdate

FIELDS = {"hotend": "float", "bed": "float", "air": "integer"}
HISTORY = printers.windows(printers.clean(3, 6000), printers.clean(4, 6000))
HISTORY_ENDS = "1970-01-01T01:40:00Z"


@pytest.fixture
def influxdb() -> Iterator[InfluxDB]:
    with serve(InfluxDB(HISTORY, FIELDS, rows_a_chunk=97)) as database:
        yield database


@pytest.fixture
def train(run: Run, influxdb: InfluxDB, spec: Path, tmp_path: Path) -> Run:
    (tmp_path / "password").write_text("secret\n")

    def train(*more: str, start: str = "1970-01-01T00:00:00Z", stop: str = HISTORY_ENDS) -> Ran:
        return run(
            *("train", "--spec", str(spec), "--models", str(tmp_path / "models"), "--influxdb-url", influxdb.url),
            *(
                "--username",
                "reader",
                "--password-file",
                str(tmp_path / "password"),
                "--from",
                start,
                "--to",
                stop,
                *more,
            ),
        )

    return train


def test_training_makes_a_version_and_makes_it_current(train: Run, tmp_path: Path, influxdb: InfluxDB) -> None:
    ran = train()
    assert ran.code == 0
    assert ran.last["status"] == "trained"
    store = Store(tmp_path / "models", "printer")
    assert store.current() == ran.last["version"]
    assert {
        key: ran.last[key] for key in ("pipeline", "fingerprint", "windows", "series", "from", "to", "message")
    } == {
        "pipeline": "printer",
        "fingerprint": PIPELINE.fingerprint,
        "windows": 1200,
        "series": 2,
        "from": "1970-01-01T00:00:00Z",
        "to": HISTORY_ENDS,
        "message": "",
    }
    assert ran.last["path"] == str(store.path / ran.last["version"])
    manifest = store.manifest(ran.last["version"]).to_json()
    assert set(manifest["files"]) == {"model.npz", "model.joblib"}
    assert manifest["seed"] == 0
    assert manifest["counts"] == {"read": 1200, "windows": 1200, "left_out": 0, "series": 2, "points": 12_000}
    assert manifest["pooled"] == []
    assert set(manifest["libraries"]) == {"anomaly", "joblib", "numpy", "python", "scikit-learn"}
    model = store.load(ran.last["version"], PIPELINE)
    values = np.array([[220, 0.4, 90, 0.3, 28, 0.1], [260, 0.4, 90, 0.3, 28, 0.1]])
    calm, hot = printers.judge(model, ("printer-1",), values)
    assert calm.severity < 50
    assert hot.severity == 100
    assert "secret" not in ran.err + "".join(ran.out) + json.dumps(manifest)


def test_the_manifest_says_which_series_have_too_little_history(train: Run, tmp_path: Path, influxdb: InfluxDB) -> None:
    few = (HISTORY.series == 0) | (np.arange(len(HISTORY)) % 20 == 0)
    influxdb.windows = HISTORY.where(few)
    ran = train()
    assert Store(tmp_path / "models", "printer").manifest(ran.last["version"]).to_json()["pooled"] == [["printer-2"]]


def test_if_needed_does_nothing_twice(train: Run, influxdb: InfluxDB) -> None:
    first = train("--if-needed")
    second = train("--if-needed")
    assert (first.last["status"], second.last["status"], second.code) == ("trained", "unchanged", 0)
    assert second.last["version"] == first.last["version"]
    # The history was read once.
    assert sum("GROUP BY time" in query for query in influxdb.queries) == 1


def test_if_needed_heeds_marks_that_are_newer_than_the_model(train: Run, influxdb: InfluxDB) -> None:
    influxdb.databases.append("anomaly")
    influxdb.write('feedback,pipeline=printer kind="maintenance",end_ms=60000i 0')
    first = train("--if-needed")
    # Not of the history: it changes nothing.
    influxdb.write('feedback,pipeline=printer kind="true" 90000000000000')
    assert train("--if-needed").last["status"] == "unchanged"
    influxdb.write('feedback,pipeline=printer kind="false_alarm" 600000000000')
    again = train("--if-needed")
    assert again.last["status"] == "trained"
    assert again.last["version"] != first.last["version"]
    assert "training again: marks of feedback are newer than the current model: false_alarm " in again.err
    assert " from 1970-01-01T00:10:00Z" in again.err
    assert train("--if-needed").last["status"] == "unchanged"


@pytest.mark.parametrize("change", ["seed", "range", "damage", "pipeline"])
def test_if_needed_trains_when_something_changed(train: Run, change: str, tmp_path: Path, spec: Path) -> None:
    first = train("--if-needed")
    more: list[str] = []
    stop = HISTORY_ENDS
    if change == "seed":
        more = ["--seed", "1"]
    elif change == "range":
        stop = "1970-01-01T01:39:50Z"
    elif change == "damage":
        (Path(first.last["path"]) / "model.npz").write_bytes(b"")
    else:
        spec.write_text(json.dumps({**PIPELINE.as_dict(), "parameters": {"trees": 20}}))
    second = train("--if-needed", *more, stop=stop)
    assert second.last["status"] == "trained"
    assert second.last["version"] != first.last["version"]
    assert "training again" in second.err


def test_after_an_upgrade_training_makes_a_model_that_works_again(train: Run, tmp_path: Path) -> None:
    first = train()
    store = Store(tmp_path / "models", "printer")
    outdate(store, first.last["version"])
    second = train("--if-needed")
    assert second.last["status"] == "trained"
    assert f"training again: model printer/{first.last['version']} does not fit the pipeline: schema 1" in second.err
    assert "the new model is not compared with the current one" in second.err
    assert store.load(second.last["version"], PIPELINE).version == store.current()


def test_no_promote_leaves_the_current_version(train: Run, tmp_path: Path) -> None:
    first = train()
    second = train("--no-promote")
    assert second.last["status"] == "trained"
    assert Store(tmp_path / "models", "printer").current() == first.last["version"]


def test_a_model_that_does_worse_is_refused_unless_it_is_insisted_on(
    train: Run, tmp_path: Path, influxdb: InfluxDB
) -> None:
    first = train()
    store = Store(tmp_path / "models", "printer")
    assert store.manifest(first.last["version"]).to_json()["challenge"] is None
    values = HISTORY.values.copy()
    values[HISTORY.begin_ns // printers.WINDOW_NS % 600 >= 570, 2] += 9.0
    influxdb.windows = Windows(HISTORY.keys, HISTORY.series, HISTORY.begin_ns, values, HISTORY.counts)
    refused = train()
    failed(refused, 3, "refused", f"worse than the current one, {first.last['version']}, which stays", "--force")
    assert [version.name for version in store.versions()] == [first.last["version"]]
    # A shadow replaces nothing, so it may be worse.
    shadow = train("--no-promote")
    assert shadow.last["status"] == "trained"
    assert store.current() == first.last["version"]
    assert "warning: the new model does worse than the current one: it misses offsets" in shadow.err
    forced = train("--force")
    assert store.current() == forced.last["version"]
    challenged = store.manifest(forced.last["version"]).to_json()["challenge"]
    assert challenged["current"] == first.last["version"]
    assert challenged["found"]["candidate"] < challenged["found"]["current"]
    influxdb.windows = HISTORY
    assert f"beside the current model, {forced.last['version']}" in train().err


def failed(ran: Ran, code: int, status: str, *parts: str) -> None:
    assert ran.code == code
    assert ran.last["status"] == status
    assert ran.last["pipeline"] == "printer"
    for part in parts:
        assert part in ran.last["message"]
        assert part in ran.err
    assert "Traceback" not in ran.err


def test_a_wrong_password(train: Run, tmp_path: Path, influxdb: InfluxDB) -> None:
    influxdb.users = {"reader": "changed"}
    failed(
        train(),
        4,
        "failed",
        f"InfluxDB at {influxdb.url} does not let in user 'reader'",
        "check --username and --password-file",
    )


def test_no_such_database(train: Run, influxdb: InfluxDB) -> None:
    influxdb.databases = ["other"]
    failed(train(), 4, "failed", "there is no database 'printer' (there is other): check the pipeline's `database`")


def test_nobody_listens(train: Run, influxdb: InfluxDB) -> None:
    failed(
        train("--influxdb-url", "http://127.0.0.1:1"),
        4,
        "failed",
        "http://127.0.0.1:1 is not reachable",
        "refused",
        "check --influxdb-url",
    )


def test_not_an_address(train: Run) -> None:
    failed(train("--influxdb-url", "localhost:8086"), 4, "failed", "'localhost:8086' is not an address")
    failed(train("--influxdb-url", "http://u:p@localhost"), 4, "failed", "has a user or a password in it")


def test_no_data_in_the_range(train: Run) -> None:
    failed(
        train(start="2024-01-01T00:00:00Z", stop="2024-01-02T00:00:00Z"),
        3,
        "refused",
        "no data from 2024-01-01T00:00:00Z to 2024-01-02T00:00:00Z",
        'SELECT mean("hotend")',
        "there is data from 1970-01-01T00:00:00Z to 1970-01-01T01:39:50Z: choose a range",
    )


def test_too_few_windows(train: Run, tmp_path: Path) -> None:
    failed(train(stop="1970-01-01T00:10:00Z"), 3, "refused", "120 usable windows of 10s, at least 200 are needed")
    assert Store(tmp_path / "models", "printer").versions() == []


def test_a_field_that_is_not_there(train: Run, influxdb: InfluxDB) -> None:
    influxdb.fields = {"hotend": "float", "bed": "float"}
    failed(train(), 3, "refused", "measurement 'temperature' has no field 'air' (it has bed, hotend): check `fields`")


def test_a_field_of_text(train: Run, influxdb: InfluxDB) -> None:
    influxdb.fields = {**FIELDS, "bed": "string"}
    failed(train(), 3, "refused", "field 'bed' holds string, not numbers: remove it from `fields`")


def test_a_tag_that_no_point_has(train: Run, influxdb: InfluxDB) -> None:
    influxdb.tags = ["printer_id", "site"]
    failed(
        train(),
        3,
        "refused",
        "no point of measurement 'temperature' has a tag 'printer' (it has printer_id, site): did you mean "
        "'printer_id' in `group_by`?",
    )


def test_patterns_are_resolved_and_the_manifest_has_the_names(
    train: Run, run: Run, influxdb: InfluxDB, spec: Path, tmp_path: Path
) -> None:
    described = json.loads(spec.read_text()) | {"fields": ["*"], "group_by": [{"matches": "^print"}]}
    spec.write_text(json.dumps(described))
    influxdb.fields = {**FIELDS, "job": "string"}
    ran = train("--no-promote")
    assert ran.code == 0, ran.err
    manifest = Store(tmp_path / "models", "printer").manifest(ran.last["version"])
    assert manifest.specification["fields"] == sorted(FIELDS)
    assert manifest.specification["group_by"] == ["printer"]

    unresolved = run("explain", "--spec", str(spec)).out
    assert "patterns     each of the numeric fields" in unresolved
    assert "             each whose name matches ^print of the tags tells series apart" in unresolved
    assert "series       one for each combination of what the patterns mean" in unresolved
    (tmp_path / "password").write_text("secret\n")
    server = "--influxdb-url", influxdb.url, "--username", "reader", "--password-file", str(tmp_path / "password")
    influxdb.queries.clear()
    explained = run("explain", "--spec", str(spec), *server).out
    assert [query.split(" ON ")[0] for query in influxdb.queries] == ["SHOW FIELD KEYS", "SHOW TAG KEYS"]
    assert "series       one for each combination of printer" in explained
    (left_out,) = (line for line in explained if line.startswith("left out"))
    assert left_out.startswith("left out     fields: 1 field of strings left out (job): write a number for each state")


def test_a_pattern_that_means_nothing(train: Run, influxdb: InfluxDB, spec: Path) -> None:
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"fields": [{"matches": "^x"}]}))
    failed(train(), 3, "refused", "fields: each whose name matches ^x of the numeric fields means nothing")
    influxdb.fields = {}
    failed(train(), 3, "refused", "measurement 'temperature' has no fields in printer.autogen")


def test_a_measurement_without_fields(train: Run, influxdb: InfluxDB) -> None:
    influxdb.fields = {}
    failed(train(), 3, "refused", "measurement 'temperature' has no fields in printer.autogen")


def test_models_that_cannot_be_written(train: Run, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    failed(train(), 5, "failed", "cannot read", "Not a directory")


def test_a_password_file_that_is_not_there(train: Run, tmp_path: Path) -> None:
    failed(train("--password-file", str(tmp_path / "none")), 2, "failed", "--password-file:", "No such file")


def test_a_seed_out_of_range(train: Run) -> None:
    ran = train("--seed", "-1")
    assert ran.code == 2
    assert "--seed: -1 is out of range" in ran.last["message"]


def test_what_the_history_has_to_be_enough_for_is_said_before_training_and_after(
    run: Run, train: Run, spec: Path, tmp_path: Path
) -> None:
    parameters = {"trees": 20, "context": ["lag", "difference"], "models": "own"}
    mapping = {**PIPELINE.as_dict(), "parameters": parameters}
    spec.write_text(json.dumps({**mapping, "aggregate": ["mean"], "fields": ["bed"]}))
    explained = run("explain", "--spec", str(spec)).out
    columns = "difference of mean(bed), lag 1 of mean(bed), lag 2 of mean(bed)"
    assert f"context      {columns}; what the history is enough for" in explained
    assert "models       of its own for each series with 1000 windows or more, a pooled one for all others" in explained
    spec.write_text(json.dumps(mapping))
    ran = train()
    short = "the history has less than 1,000 windows of each series"
    assert f"the forest does not look at lag: {short}" in ran.err
    assert "0 of 2 series get a model of their own, the others the pooled one" in ran.err
    manifest = Store(tmp_path / "models", "printer").manifest(ran.last["version"]).to_json()
    assert manifest["context"] == {"used": [], "left_out": {"lag": short, "difference": short}, "columns": []}
    assert manifest["models"] == {"own": [], "pooled": [["printer-1"], ["printer-2"]]}
    assert (
        'models.pooled: [["printer-1"], ["printer-2"]]'
        in run("models", "show", "--models", str(tmp_path / "models"), "--pipeline", "printer").out
    )


def test_version_and_usage(run: Run) -> None:
    assert run("--version").out[0].startswith("anomaly ")
    assert run("train").code == 2
    assert run("nonsense").code == 2


def test_the_udf_never_writes_words_to_kapacitor(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(models: str, socket: Path | None) -> None:
        raise OSError("no such pipe")

    monkeypatch.setattr("anomaly.serving.udf.main", broken)
    ran = run("udf")
    assert ran.code == 1
    assert ran.out == []
    assert "no such pipe" in ran.err


UNPRIVILEGED = """
import os, sys
from anomaly.cli import main
# Python itself may lie where only root can read: once as root, so that all modules are loaded.
assert main([*sys.argv[2:], '--models', sys.argv[1] + '/warm']) == 0
os.setgroups([]); os.setgid(1500); os.setuid(1500)
print('as', os.getuid())
sys.exit(main([*sys.argv[2:], '--models', sys.argv[1] + '/models']))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_training_works_as_any_user_without_home_and_temporary_directory(
    influxdb: InfluxDB, spec: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    os.chown(models, 1500, 1500)
    for directory in (tmp_path, *tmp_path.parents[:-1]):
        directory.chmod(directory.stat().st_mode | 0o055)
    spec.chmod(0o644)
    environment = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/nonexistent",
        "TMPDIR": "/nonexistent",
        "ANOMALY_INFLUXDB_PASSWORD": "secret",
    }
    arguments = [str(tmp_path), "train", "--spec", str(spec), "--influxdb-url", influxdb.url, "--username", "reader"]
    ran = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, *arguments, "--from", "1970-01-01T00:00:00Z", "--to", HISTORY_ENDS],
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-2] == "as 1500"
    assert json.loads(ran.stdout.splitlines()[-1])["status"] == "trained"
    assert {path.stat().st_uid for path in models.rglob("*")} == {1500}
    assert "Warning" not in ran.stderr
