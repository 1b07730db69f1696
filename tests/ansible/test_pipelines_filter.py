"""The filters over pipelines: what anomaly.pipeline says, and a spread over hosts that is even and stable."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.influx_anomaly.stack.plugins.filter.pipelines import (
    FilterModule,
    assign,
    calendar_files,
    calendar_notes,
    calendar_problems,
    canonical_json,
    described,
    followed_findings,
    kapacitor_memory,
    misfit,
    model_findings,
    normalize,
    pattern_notes,
    pattern_problems,
    running,
    source_findings,
    source_keys,
    sources,
    task,
    waiting,
    with_calendars,
)
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.pipelines import pipeline_problems
from hypothesis import given
from hypothesis import strategies as st

# From where the filters take it.
from anomaly import pipeline as specification
from anomaly.models.manifest import SCHEMA
from tests.ansible.inventories import PIPELINE


def named(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{**PIPELINE, "name": name, **more} for name in names]


def test_the_memory_of_kapacitor_follows_from_the_pipelines() -> None:
    assert kapacitor_memory([]) == "768m"
    assert kapacitor_memory(named("a", "b")) == "1536m"
    assert kapacitor_memory([*named("a"), *named("b", memory="1GiB")]) == "2304m"


@pytest.mark.parametrize("wrong", [None, "x", [{"name": "a"}, {}]])
def test_pipelines_that_are_not_valid_do_not_hide_behind_the_memory_of_kapacitor(wrong: object) -> None:
    assert kapacitor_memory(wrong) == f"{768 + 384 * (2 if isinstance(wrong, list) else 0)}m"


def test_a_valid_list_has_no_problems() -> None:
    assert pipeline_problems([PIPELINE]) == []
    assert normalize([PIPELINE])[0]["retention_policy"] == "autogen"


def test_an_invalid_list_is_refused_with_the_key() -> None:
    assert any("window" in line for line in pipeline_problems([{**PIPELINE, "window": "x"}]))
    with pytest.raises(AnsibleFilterError, match="window"):
        normalize([{**PIPELINE, "window": "x"}])


def test_a_specification_is_safe_inside_a_tickscript() -> None:
    text = canonical_json({**PIPELINE, "measurement": "it's"})
    assert "'" not in text
    assert json.loads(text)["measurement"] == "it's"


def fitting_manifest() -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "specification": normalize([PIPELINE])[0],
        "fingerprint": specification.normalize([PIPELINE])[0].fingerprint,
    }


def test_a_model_does_not_fit_what_changes_scores() -> None:
    manifest = fitting_manifest()
    assert misfit(manifest, {**PIPELINE, "enabled": False}) == ""
    assert misfit(manifest, {**PIPELINE, "window": "20s"}) == 'window: "10s" in the model, "20s" in the pipeline'
    assert "which computes features or scores otherwise" in misfit({**manifest, "schema": SCHEMA - 1}, PIPELINE)


def slurped(manifest: dict[str, Any], **changes: Any) -> dict[str, Any]:
    content = base64.b64encode(json.dumps(manifest).encode()).decode()
    return {"item": {**PIPELINE, **changes}, "content": content}


def test_a_model_that_fits_is_found_in_order() -> None:
    (finding,) = model_findings([slurped(fitting_manifest())], every=True)

    assert (finding["ok"], finding["note"]) == (True, False)
    assert finding["what"] == f"Pipeline {PIPELINE['name']} has a model that fits it"


def test_a_model_that_does_not_fit_is_a_problem_that_names_the_difference() -> None:
    (finding,) = model_findings([slurped(fitting_manifest(), window="20s")], every=False)

    assert (finding["ok"], finding["note"]) == (False, False)
    assert finding["problem"] == 'window: "10s" in the model, "20s" in the pipeline. Fix: run train.yml'


@pytest.mark.parametrize("every", [True, False])
def test_a_pipeline_without_a_model_is_a_problem_where_every_pipeline_needs_one(every: bool) -> None:
    (finding,) = model_findings([{"item": PIPELINE, "failed": True}], every)

    assert (finding["ok"], finding["note"]) == (False, not every)
    assert finding["problem"] == "it has none yet. Fix: run train.yml"


def test_a_source_that_lacks_a_tag_is_a_finding() -> None:
    pipeline = {**PIPELINE, "fields": ["value"], "group_by": ["prnter"]}
    result = {"sources": [{"fields": {"value": ["float"]}, "tags": ["printer"]}]}
    (finding,) = source_findings([pipeline], result)
    assert not finding["ok"]
    assert not finding["note"]
    assert "has a tag 'prnter' (it has printer): did you mean 'printer'" in finding["problem"]
    (finding,) = source_findings([{**pipeline, "group_by": ["printer"]}], result)
    assert finding["ok"]


def test_a_tag_that_must_be_absent_and_nearly_has_the_name_of_another_is_a_note() -> None:
    result = {"sources": [{"fields": {"value": ["float"]}, "tags": ["printer_name"]}]}
    (pipeline,) = normalize([{**PIPELINE, "fields": ["value"], "where": {"printer": {"present": False}}}])
    (finding,) = source_findings([pipeline], result)
    assert (finding["ok"], finding["note"]) == (False, True)
    assert finding["problem"].endswith("did you mean 'printer_name' in `where`?")


PATTERNS = {**PIPELINE, "fields": ["*"], "group_by": ["*"]}
SOURCE = {"fields": {"value": ["float"]}, "tags": ["printer"]}


def test_patterns_are_resolved_to_what_the_sources_have() -> None:
    assert described([PATTERNS, {**PIPELINE, "name": "plain"}]) == [
        {key: normalize([PIPELINE])[0][key] for key in ("database", "retention_policy", "measurement")}
    ]
    sources = source_keys([PATTERNS], [{**described([PATTERNS])[0], **SOURCE}])
    assert sources == {PIPELINE["name"]: SOURCE}
    (pipeline,) = normalize([PATTERNS], sources)
    assert (pipeline["fields"], pipeline["group_by"]) == (["value"], ["printer"])
    assert running([pipeline]) == [pipeline]
    assert pattern_problems([PATTERNS], sources) == []


def test_a_pipeline_whose_source_has_no_data_waits() -> None:
    sources = source_keys([PATTERNS], [{"fields": {}, "tags": []}])
    (pipeline,) = normalize([PATTERNS], sources)
    assert waiting([pipeline]) == [PIPELINE["name"]]
    assert running([pipeline]) == []
    assert pattern_problems([PATTERNS], sources) == []


def test_a_pattern_that_means_nothing_is_a_problem_and_leaves_the_pipeline_as_it_is() -> None:
    wrong = {**PATTERNS, "group_by": [{"matches": "room"}]}
    sources = {PIPELINE["name"]: SOURCE}
    (problem,) = pattern_problems([wrong], sources)
    assert "means nothing (the source has printer): correct the pattern" in problem
    assert waiting(normalize([wrong], sources)) == [PIPELINE["name"]]


def test_what_patterns_mean_since_the_deployment_is_a_note() -> None:
    deployed = {PIPELINE["name"]: SOURCE}
    now = {"sources": [{"fields": {"value": ["float"], "new": ["integer"]}, "tags": ["printer"]}]}
    pipelines = normalize([PATTERNS], deployed)
    names, patterns, whole = source_findings(pipelines, now, [PATTERNS], deployed)
    assert names["ok"]
    assert whole["ok"]
    assert (patterns["ok"], patterns["note"]) == (False, True)
    assert patterns["problem"] == "fields now means new as well. Fix: run site.yml, then train.yml"
    _, patterns, _ = source_findings(pipelines, {"sources": [SOURCE]}, [PATTERNS], deployed)
    assert patterns["ok"]
    _, patterns, _ = source_findings(normalize([PATTERNS]), {"sources": [SOURCE]}, [PATTERNS], {})
    assert "not resolved yet, and mean names now" in patterns["problem"]


def test_what_patterns_have_to_leave_out_is_told_at_the_deployment_and_is_a_note_afterwards() -> None:
    deployed = {PIPELINE["name"]: {"fields": {"value": ["float"], "text": ["string"]}, "tags": ["printer", "value"]}}

    notes = pattern_notes([PATTERNS, {**PIPELINE, "name": "plain"}], deployed)
    *_, whole = source_findings(
        normalize([PATTERNS], deployed), {"sources": [*deployed.values()]}, [PATTERNS], deployed
    )

    assert [note.split(":", 3)[:3] for note in notes] == [
        ["pipeline printer", " fields", " 1 field of strings left out (text)"],
        ["pipeline printer", " group_by", " 1 tag with the name of a field left out (value)"],
    ]
    assert (whole["ok"], whole["note"]) == (False, True)
    assert [f"pipeline printer: {problem}" for problem in whole["problem"].split("; ")] == notes


def test_what_patterns_leave_out_is_told_where_they_meant_nothing_at_the_deployment() -> None:
    now = {"fields": {"value": ["float"], "text": ["string"]}, "tags": ["printer"]}
    before = {PIPELINE["name"]: {"fields": {"text": ["string"]}, "tags": ["printer"]}}

    _, meant, whole = source_findings([PIPELINE], {"sources": [now]}, [PATTERNS], before)

    assert "means nothing" in meant["problem"]
    assert (whole["ok"], whole["note"]) == (False, True)
    assert "1 field of strings left out (text)" in whole["problem"]


def test_nothing_is_said_of_what_is_left_out_where_patterns_mean_nothing_now() -> None:
    now = {"fields": {"text": ["string"]}, "tags": ["printer"]}

    _, meant = source_findings([PIPELINE], {"sources": [now]}, [PATTERNS], {PIPELINE["name"]: SOURCE})

    assert "means nothing" in meant["problem"]


SEVERAL = {**PIPELINE, "measurement": "/C|%/", "fields": ["value"], "group_by": ["room"]}
HOME: dict[str, Any] = {
    "fields": {},
    "tags": [],
    "measurements": {name: {"fields": {"value": ["float"]}, "tags": ["room"]} for name in ("°C", "lx")},
}


def test_a_pattern_of_measurements_is_resolved_to_those_there_are() -> None:
    place = {key: normalize([PIPELINE])[0][key] for key in ("database", "retention_policy")}
    assert described([SEVERAL]) == [place]
    assert sources([SEVERAL, {**PIPELINE, "name": "plain"}]) == [
        place,
        {**place, "measurement": PIPELINE["measurement"]},
    ]
    known = source_keys([SEVERAL], [{**place, "measurement": None, **HOME}])
    (pipeline,) = normalize([SEVERAL], known)
    assert (pipeline["measurement"], pipeline["group_by"]) == (["°C"], ["room"])
    assert source_keys([SEVERAL], [{"fields": {}, "tags": [], "measurements": {}}]) == {}
    (problem,) = pattern_problems([{**SEVERAL, "measurement": "/K/"}], known)
    assert "measurement: /K/ means nothing (printer.autogen has lx, °C): correct the pattern" in problem


def test_a_measurement_that_is_new_since_the_deployment_is_a_note() -> None:
    deployed = {PIPELINE["name"]: HOME}
    pipelines = normalize([SEVERAL], deployed)
    now = {**HOME, "measurements": {**HOME["measurements"], "%": HOME["measurements"]["lx"]}}
    names, patterns, _ = source_findings(pipelines, {"sources": [now]}, [SEVERAL], deployed)
    assert names["ok"]
    assert patterns["problem"] == "measurement now means % as well. Fix: run site.yml, then train.yml"
    (gone,) = source_findings(pipelines, {"sources": [{**HOME, "measurements": {"lx": HOME["measurements"]["lx"]}}]})
    assert "has no measurement '°C' (it has lx)" in gone["problem"]


NIGHT = {"means": "quiet", "begin": "2026-01-04T22:00", "lasts": "8h", "rule": "FREQ=DAILY"}
SERVICE = {"means": "maintenance", "begin": "2026-01-04T02:00", "lasts": "2h"}
HOLIDAYS = {"means": "holiday", "country": "DE"}
WEEKLY = {"seasonality": ["1d", "1w"]}


def deployed(*pipelines: dict[str, Any]) -> str:
    """The file of the pipelines that a deployment leaves for the keeper and the console."""
    return json.dumps(normalize(list(pipelines)))


def test_each_pipeline_has_a_file_of_calendars_also_without_any() -> None:
    files = calendar_files([*named("a"), *named("b", calendars=[HOLIDAYS, NIGHT], **WEEKLY)])
    assert {name: json.loads(text) for name, text in files.items()} == {
        "a.json": {"calendars": []},
        "b.json": {"calendars": [NIGHT]},
    }


def test_a_pipeline_whose_patterns_wait_has_its_calendars() -> None:
    (text,) = calendar_files([{**PATTERNS, "calendars": [NIGHT]}]).values()
    assert json.loads(text) == {"calendars": [NIGHT]}


def test_files_that_running_services_follow_are_named_where_they_are_missing_or_differ() -> None:
    wanted = {"/calendars": {"a.json": "1", "b.json": "2"}, "/keeper": {"pipelines.json": "3"}}

    def finding(**files: str) -> dict[str, Any]:
        listed = [
            {"path": f"/{path}", "checksum": hashlib.sha256(text.encode()).hexdigest()} for path, text in files.items()
        ]
        (found,) = followed_findings({"files": listed}, wanted)
        return found

    right = {"calendars/a.json": "1", "calendars/b.json": "2", "keeper/pipelines.json": "3"}
    # Nobody follows what is not wanted.
    assert finding(**right, **{"keeper/messengers.json": "4"})["ok"]
    wrong = finding(**{"calendars/a.json": "1", "keeper/pipelines.json": "2"})
    assert not wrong["ok"]
    assert wrong["problem"].startswith(
        "/calendars/b.json: not there; /keeper/pipelines.json: not what the inventory says. Fix: run site.yml, or cal"
    )
    (unread,) = followed_findings({"failed": True, "msg": "no such host"}, wanted)
    assert "/calendars/a.json, /calendars/b.json, /keeper/pipelines.json: not there" in unread["problem"]


def test_calendars_alone_change_nothing_else_of_what_is_deployed() -> None:
    before = named("a", calendars=[SERVICE])[0], named("gone")[0]
    wanted = [named("a", calendars=[NIGHT, SERVICE], window="1m")[0], named("new")[0]]
    a, gone = with_calendars(deployed(*before), wanted)
    assert a == normalize(named("a", calendars=[NIGHT, SERVICE]))[0]
    assert gone == normalize([before[1]])[0]
    (without,) = with_calendars(deployed(before[0]), named("a"))
    assert without == normalize(named("a"))[0]


def test_calendars_alone_leave_the_holidays_and_say_so() -> None:
    text = deployed(*named("a", calendars=[NIGHT], **WEEKLY))
    wanted = named("a", calendars=[HOLIDAYS, SERVICE], **WEEKLY)
    assert with_calendars(text, wanted) == normalize(named("a", calendars=[SERVICE], **WEEKLY))
    (note,) = calendar_notes(text, wanted)
    assert note == "a: its holidays have changed, and with them what is normal: run site.yml, then train.yml"
    back = with_calendars(deployed(*wanted), named("a", calendars=[NIGHT], **WEEKLY))
    assert back == normalize(named("a", calendars=[HOLIDAYS, NIGHT], **WEEKLY))


def test_holidays_that_stay_leave_room_for_the_times_or_it_is_a_problem() -> None:
    text = deployed(*named("a", calendars=[{**HOLIDAYS, "country": country} for country in ("DE", "FR")], **WEEKLY))
    assert calendar_problems(text, named("a", calendars=[NIGHT] * 30, **WEEKLY)) == []
    (problem,) = calendar_problems(text, named("a", calendars=[NIGHT] * 31, **WEEKLY))
    assert "calendars" in problem
    assert "32" in problem


def test_calendars_are_written_in_the_order_of_the_inventory() -> None:
    """So that site.yml, which writes the same file, changes nothing after calendars.yml."""
    wanted = named("a", calendars=[NIGHT, HOLIDAYS, SERVICE], **WEEKLY)
    text = deployed(*named("a", calendars=[SERVICE, HOLIDAYS], **WEEKLY))
    assert json.dumps(with_calendars(text, wanted)) == json.dumps(normalize(wanted))
    assert calendar_notes(text, wanted) == []


def test_what_calendars_alone_cannot_bring_is_said() -> None:
    text = deployed(*named("a", timezone="Europe/Berlin", calendars=[NIGHT]))
    assert calendar_notes(text, named("a", "b", calendars=[NIGHT])) == [
        "a: its calendars follow the clock of Europe/Berlin until site.yml brings timezone: UTC",
        "b: the pipeline is not deployed: run site.yml",
    ]


def test_a_source_without_data_is_a_note_and_an_answer_that_did_not_come_a_problem() -> None:
    (finding,) = source_findings([PIPELINE], {"sources": [{"fields": {}, "tags": []}]})
    assert (finding["ok"], finding["note"]) == (False, True)
    (finding,) = source_findings([PIPELINE], {"failed": True, "msg": "InfluxDB refuses user trainer."})
    assert (finding["ok"], finding["problem"]) == (False, "InfluxDB refuses user trainer.")


def test_a_missing_tickscript_names_the_pipeline(tmp_path: Path) -> None:
    custom = {**PIPELINE, "tickscript": "mine.tick"}
    message = f'{PIPELINE["name"]}: tickscript: "mine.tick" is not there: write the TICKscript {tmp_path}/mine.tick'
    with pytest.raises(AnsibleFilterError, match=re.escape(message)):
        task(custom, "anomaly", "anomaly", str(tmp_path), "a comment")


def test_all_filters_are_offered() -> None:
    assert set(FilterModule().filters()) == {
        "anomaly_validate",
        "anomaly_normalize",
        "anomaly_kapacitor_memory",
        "anomaly_misfit",
        "anomaly_model_findings",
        "anomaly_source_findings",
        "anomaly_result_tag",
        "anomaly_described",
        "anomaly_source_keys",
        "anomaly_sources",
        "anomaly_pattern_problems",
        "anomaly_pattern_notes",
        "anomaly_waiting",
        "anomaly_running",
        "anomaly_calendar_files",
        "anomaly_followed_findings",
        "anomaly_calendar_notes",
        "anomaly_calendar_problems",
        "anomaly_with_calendars",
        "anomaly_canonical_json",
        "anomaly_task",
        "anomaly_tasks",
        "anomaly_assign",
    }


def test_a_wish_is_granted() -> None:
    pipelines = [*named("a", kapacitor="kap2"), *named("b")]
    assert assign(pipelines, ["kap1", "kap2"]) == {"a": "kap2", "b": "kap1"}


def test_a_wish_that_cannot_be_granted() -> None:
    with pytest.raises(AnsibleFilterError, match=r"a: kapacitor: 'kap9' is not in the group.*one of kap1"):
        assign(named("a", kapacitor="kap9"), ["kap1"])


def test_no_hosts() -> None:
    assert assign([], []) == {}
    with pytest.raises(AnsibleFilterError, match="no host is in the group kapacitor"):
        assign(named("a"), [])


NAMES = st.sets(st.text("abcdefgh", min_size=1, max_size=4), max_size=30).map(sorted)
HOSTS = st.sets(st.sampled_from([f"kap{number}" for number in range(6)]), min_size=1).map(sorted)


@given(NAMES, HOSTS, st.randoms())
def test_the_spread_is_even_and_does_not_depend_on_order(names: list[str], hosts: list[str], random: Any) -> None:
    found = assign(named(*names), hosts)
    loads = Counter(dict.fromkeys(hosts, 0))
    loads.update(found.values())
    assert max(loads.values()) - min(loads.values()) <= 1
    shuffled_names, shuffled_hosts = list(names), list(hosts)
    random.shuffle(shuffled_names)
    random.shuffle(shuffled_hosts)
    assert assign(named(*shuffled_names), shuffled_hosts) == found


@given(NAMES, HOSTS)
def test_fixed_pipelines_count_as_load(names: list[str], hosts: list[str]) -> None:
    fixed = named(*(f"fixed-{number}" for number in range(len(names))), kapacitor=hosts[0])
    found = assign([*fixed, *named(*names)], hosts)
    free = Counter(found[name] for name in names)
    if len(hosts) > 1:
        # As many are fixed as are free: the others get them all before the first host gets one.
        assert free[hosts[0]] <= 1


def test_a_new_pipeline_moves_few() -> None:
    hosts = ["kap1", "kap2", "kap3"]
    names = [f"pipeline-{number}" for number in range(30)]
    before = assign(named(*names), hosts)
    moved = []
    for number in range(30, 60):
        after = assign(named(*names, f"pipeline-{number}"), hosts)
        moved.append(sum(before[name] != after[name] for name in names))
    assert sum(moved) / len(moved) <= 3
