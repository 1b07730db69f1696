from itertools import pairwise
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.faults import Schedule, load_schedule
from ingest.printer import FIELD_NAMES
from ingest.process import SCHEDULES, SENSOR_KINDS
from ingest.stream import DeviceStream
from ingest.times import DAY_MS
from ingest.truth import truth_document

GOOD = {"kind": "offset", "printer": "1", "fields": "bed", "at": "1h", "for": "5m", "strength": "3"}


def write(path: Path, **changes: str | None) -> Path:
    keys = {key: value for key, value in (GOOD | changes).items() if value is not None}
    path.write_text("- " + "\n  ".join(f"{key}: {value}" for key, value in keys.items()) + "\n", encoding="utf-8")
    return path


def test_an_entry_is_read(tmp_path: Path) -> None:
    entry = load_schedule(write(tmp_path / "f.yml", fields="[air, bed]", printer="all", strength="-3.5")).entries[0]
    assert (entry.kind, entry.device, entry.fields) == ("offset", None, ("bed", "air"))
    assert (entry.at_ms, entry.for_ms, entry.strength) == (3_600_000, 300_000, -3.5)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"kind": "wobble"}, ["kind", "'wobble'", "one of sigma"]),
        ({"kind": None}, ["'kind' is missing"]),
        ({"printer": "0"}, ["printer", "0", "a number from 1"]),
        ({"printer": "true"}, ["printer", "True"]),
        ({"printer": "left"}, ["printer", "'left'"]),
        ({"fields": "nozzle"}, ["fields", "'nozzle'", "hotend"]),
        ({"fields": "[]"}, ["fields", "[]"]),
        ({"fields": "[bed, 3]"}, ["fields", "3"]),
        ({"at": "1"}, ["at", "1", "not a duration"]),
        ({"at": "-1h"}, ["at", "'-1h'"]),
        ({"for": "0s"}, ["for", "'0s'", "longer than nothing"]),
        ({"for": None}, ["'for' is missing"]),
        ({"strength": None}, ["'strength' is missing"]),
        ({"strength": "0"}, ["strength", "0"]),
        ({"strength": "strong"}, ["strength", "'strong'"]),
        ({"strength": ".nan"}, ["strength", "nan"]),
        ({"kind": "sigma", "strength": "-2"}, ["strength", "-2", "above 0"]),
        ({"kind": "stuck"}, ["strength", "3", "remove the key"]),
        ({"duration": "5m"}, ["unknown key 'duration'"]),
    ],
)
def test_a_wrong_entry_names_file_entry_key_value_and_fix(
    tmp_path: Path, changes: dict[str, str | None], parts: list[str]
) -> None:
    path = write(tmp_path / "f.yml", **changes)
    with pytest.raises(IngestError) as raised:
        load_schedule(path)
    message = str(raised.value)
    for part in [str(path), "entry 1", "Fix:", *parts]:
        assert part in message


@pytest.mark.parametrize("text", ["kind: offset", "- [", "- just text", "5"])
def test_what_is_no_list_of_entries_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(IngestError, match=str(path)):
        load_schedule(path)


def test_a_missing_file_lists_ours(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"day\.yml, none\.yml"):
        load_schedule(tmp_path / "nothing.yml")


def test_ours_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_schedule(Path("none.yml")) == Schedule(str(SCHEDULES / "none.yml"), ())


def test_what_a_stream_would_not_show_is_refused_or_clipped(tmp_path: Path) -> None:
    late = load_schedule(write(tmp_path / "late.yml", at="23h59m"))
    with pytest.raises(IngestError, match=r"entry 1: ends at 1d4m .* 1d\. Fix"):
        late.check(DAY_MS, 2)
    third = load_schedule(write(tmp_path / "third.yml", printer="3"))
    with pytest.raises(IngestError, match=r"entry 1: printer: 3, but the stream has 2"):
        third.check(DAY_MS, 2)
    assert not late.clipped(DAY_MS, 2).entries
    assert not third.clipped(DAY_MS, 2).entries
    assert third.clipped(DAY_MS, 3) == third


def test_the_day_has_every_kind_spread_over_printers_fields_and_time() -> None:
    schedule = load_schedule(SCHEDULES / "day.yml")
    schedule.check(DAY_MS, 2)
    placed = schedule.place(0, 2)
    assert {fault.kind for fault in placed} == set(SENSOR_KINDS)
    assert {fault.device for fault in placed} == {1, 2}
    assert {len(fault.fields) for fault in placed} >= {1, len(FIELD_NAMES)}
    for number in (1, 2):
        mine = sorted((f.begin_ms, f.end_ms) for f in placed if f.device == number)
        pauses = [begin - end for (_, end), (begin, _) in pairwise(mine)]
        assert min(pauses) >= 30 * 60_000
        assert mine[0][0] >= 30 * 60_000
        assert mine[-1][1] <= DAY_MS - 30 * 60_000


def test_the_truth_says_what_was_placed() -> None:
    faults = load_schedule(SCHEDULES / "day.yml").place(DAY_MS, 2)
    stream = DeviceStream(DAY_MS, 2 * DAY_MS, 1_000, 2, 1, faults)
    document = truth_document(stream, "printer", "temperature")
    assert document["printers"] == ["printer-1", "printer-2"]
    assert (document["from"], document["to"]) == ("1970-01-02T00:00:00Z", "1970-01-03T00:00:00Z")
    first = document["faults"][0]
    assert first == {
        "id": "F01",
        "kind": "offset",
        "printer": "printer-1",
        "fields": ["bed"],
        "from": "1970-01-02T01:20:00Z",
        "to": "1970-01-02T01:30:00Z",
        "from_ms": DAY_MS + 80 * 60_000,
        "to_ms": DAY_MS + 90 * 60_000,
        "strength": 6.0,
    }
    assert [f["id"] for f in document["faults"]] == [f"F{n:02d}" for n in range(1, len(faults) + 1)]
    assert {f["strength"] for f in document["faults"] if f["kind"] in ("gap", "stuck")} == {None}
